"""Whole estates on real hosts: from bare to verified, and back to nothing."""
