"""Redis' backups: taken from a replica of each role, encrypted by restic, copied into a bucket, proved by restoring.

Copied to the host as it is (Debian 13's Python, standard library only) and started by xteam-redis-backup.
"""
