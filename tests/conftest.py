"""Shared by all tests. The fixtures of the checks over an inventory come from checklist/plugin.py."""
