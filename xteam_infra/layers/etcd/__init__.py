"""The etcd layer: its needs, rules, facts, operations and files."""
