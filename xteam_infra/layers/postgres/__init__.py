"""The postgres layer: its needs, rules, facts, operations and files."""
