"""The app layer: its needs, rules, facts, operations and files."""
