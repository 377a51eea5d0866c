"""The base layer: its needs, rules, facts, operations and files."""
