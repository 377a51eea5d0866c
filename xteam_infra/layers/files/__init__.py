"""The files layer: its needs, rules, facts, operations and files."""
