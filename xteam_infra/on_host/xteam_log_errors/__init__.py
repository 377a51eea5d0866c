"""Errors in the log of a unit of the application.

Copied to hosts as it is: it imports nothing of the provisioner, and is started by xteam-log-errors.
"""
