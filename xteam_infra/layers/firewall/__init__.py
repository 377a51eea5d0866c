"""The firewall layer: its needs, rules, facts, operations and files."""
