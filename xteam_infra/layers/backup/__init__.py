"""The backup layer: its needs, rules, facts, operations and files."""
