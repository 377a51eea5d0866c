"""The logs layer: its needs, rules, facts, operations and files."""
