"""Checks over an inventory: pytest tests/hosts --inventory inventories/lab.py (docs/verification.md)."""
