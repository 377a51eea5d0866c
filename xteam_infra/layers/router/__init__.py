"""The router layer: its needs, rules, facts, operations and files."""
