"""The backups of users' files on the host that keeps them: expired, copied into a bucket, proved, fetched back.

Copied to the host as it is (Debian 13's Python, standard library only) and started by xteam-files-keep.
"""
