"""The monthly report on PostgreSQL: asked of every member by the monitoring role, kept as a page a person can read.

Runs on the host that keeps the reports, with that host's Python: psycopg and Jinja2 of Debian, nothing else.
"""
