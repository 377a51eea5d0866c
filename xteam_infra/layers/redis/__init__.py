"""The redis layer: its needs, rules, facts, operations and files."""
