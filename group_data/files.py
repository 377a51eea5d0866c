"""Backups of uploads and workspaces: every API host sends, and the backup host keeps."""

# On the backup host: a repository for each API host, encrypted with a password that only these two have.
files_backup_path = "/var/lib/xteam/files-backup"
# Room of all of them together. None: two fifths of the file system.
# files_backup_max_mb = 200_000

# When backups are taken, and after how many minutes without one the checks complain.
files_backup_schedule = "*:40"
files_backup_max_age_minutes = 130

# How many are kept, by period, and when the backup host removes the others and reads a part of what it keeps.
files_backup_keep = {"hourly": 24, "daily": 14, "weekly": 8, "monthly": 6}
# By the time of arrival. Of those that differ so many stay too; and when files shrink by so much, nothing is removed.
# files_backup_keep_distinct = 5
# files_backup_shrink_percent = 50
files_backup_expire_schedule = "04:10"

# When every API host restores its newest backup beside its files, and compares each byte.
files_backup_restore_test_schedule = "Sun 04:50"
files_backup_restore_test_max_age_days = 8

# With a bucket (backup_s3_bucket in group_data/backup.py): when the newest backups are copied there, how many are kept,
# after how many minutes without one the checks complain, and when they are restored on the backup host and compared.
files_backup_s3_schedule = "*:55"
files_backup_s3_keep = {"hourly": 24, "daily": 30, "weekly": 13}
files_backup_s3_max_age_minutes = 200
files_backup_s3_restore_test_schedule = "Sun 05:50"

# Seconds one backup, proof or expiry may take.
files_backup_seconds = 7200
