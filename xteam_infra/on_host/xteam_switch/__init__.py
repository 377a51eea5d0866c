"""Blue-green switch of the API on one host: its two instances take turns, and no request is lost.

Copied to hosts as it is: it imports nothing of the provisioner, and is started by xteam-switch.
"""
