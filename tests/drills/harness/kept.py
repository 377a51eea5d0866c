"""Judges what an intruder's backups have done to those that were there before."""


def nothing_displaced(before: set[str], kept: set[str], sent: int) -> None:
    """Fail unless every backup from before is still there, beside all that were sent. Ids of snapshots."""
    assert before, "there was no backup to lose: this shows nothing"
    assert len(kept) >= len(before) + sent, f"{len(before)} backups and {sent} more became {len(kept)}"
    assert before <= kept, f"{len(before - kept)} backups with users' files are gone"
