"""Real Debian hosts on one machine, to develop and prove the deploys on.

`python -m lab up` boots systemd hosts (systemd-nspawn on overlayfs) that are reached by SSH like any server.
Only the standard library is used, so that the lab runs before anything is installed.
"""
