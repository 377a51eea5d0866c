"""Measurements of Redis: python -m bench.redis --help."""
