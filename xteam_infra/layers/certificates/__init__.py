"""The certificates layer: its needs, rules, facts, operations and files."""
