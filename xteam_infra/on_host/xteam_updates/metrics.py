"""What the node exporter tells of updates."""

from pathlib import Path

NAME = "xteam-updates.prom"
HELP = {
    "kept_back_packages": "Packages that the last unattended upgrade left alone and that are still old.",
    "reboot_required": "Whether a package has asked for a reboot.",
    "reboot_required_since_timestamp_seconds": "When the first one asked; 0 when none did.",
    "outdated_units": "Services with a process that runs a file which was replaced since.",
    "outdated_since_timestamp_seconds": "When the first of them was seen; 0 when there is none.",
    "recorded_timestamp_seconds": "When these figures were written.",
}


def write(directory: str, kept: list[str], since: float | None, outdated: dict[str, float], now: float) -> None:
    """Replace the metrics in a directory. since, now: seconds since 1970."""
    values = {
        "kept_back_packages": len(kept),
        "reboot_required": int(since is not None),
        "reboot_required_since_timestamp_seconds": round(since or 0),
        "outdated_units": len(outdated),
        "outdated_since_timestamp_seconds": round(min(outdated.values(), default=0)),
        "recorded_timestamp_seconds": round(now),
    }
    lines = []
    for name, text in HELP.items():
        metric = f"xteam_updates_{name}"
        lines += [f"# HELP {metric} {text}", f"# TYPE {metric} gauge", f"{metric} {values[name]}"]
    target = Path(directory, NAME)
    new = target.with_suffix(".new")
    new.write_text("\n".join(lines) + "\n")
    new.chmod(0o644)
    new.replace(target)
