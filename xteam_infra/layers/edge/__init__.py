"""The edge layer: its needs, rules, facts, operations and files."""
