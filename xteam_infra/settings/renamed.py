"""Settings that had another name before. Whoever still writes the old name is told the new one."""

# Old name: new name.
RENAMED: dict[str, str] = {}
