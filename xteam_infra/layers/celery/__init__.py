"""The celery layer: its needs, rules, facts, operations and files."""
