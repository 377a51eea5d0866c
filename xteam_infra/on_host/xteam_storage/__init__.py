"""The encrypted directory in which this host's database lies.

Copied to hosts as it is: it imports nothing of the provisioner, and is started by xteam-storage.
"""
