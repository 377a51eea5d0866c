"""Measurements that need an undisturbed machine; docs/ shows their figures. Not tests: nothing is judged here."""
