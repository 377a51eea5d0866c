"""The operating system."""

# One zone for all hosts keeps their logs comparable.
timezone = "Etc/UTC"

# Debian's updates are installed daily, one host after another: docs/operations/updates.md
unattended_upgrades_enabled = True
updates_first_at = "01:00"
updates_spacing_minutes = 30
updates_reboot_days = 7

# Hosts are rebooted by tasks/reboot.py, at any time or within a window such as "02:00-05:00"; they do it themselves
# within it when that is said here.
updates_reboot_window = None
updates_reboot_themselves = False

# The local journal must hold what is logged during the longest outage of the log collector.
journal_max_use_mb = 1024
journal_retention_days = 14

# Units of yours beside the estate's, such as ("amazon-ssm-agent.service",). Others fail the verification.
own_units = ()

# Memory (MiB) kept for the operating system when the memory of all services on a host is added up.
memory_reserve_mb = 512

# A host with less free space (GB) on / is refused.
disk_free_min_gb = 5
