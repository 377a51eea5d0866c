"""The storage layer: its needs, rules, facts, operations and files."""
