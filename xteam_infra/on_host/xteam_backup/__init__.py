"""What the backup host and the database hosts do with pgBackRest: jobs by timers, metrics, restores, restore drills.

Copied to the hosts as it is (Debian 13's Python, standard library only) and started by xteam-backup and xteam-restore.
"""
