"""What backups by restic have in common on the host that keeps them: repositories, programs, figures.

Copied to the host as it is (Debian 13's Python, standard library only), beside the packages that use it.
"""
