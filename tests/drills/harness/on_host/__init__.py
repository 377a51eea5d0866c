"""Runs on a host of the estate: writes numbers through failures, keeps a ledger of the acknowledged ones, and compares.

A number is written as the application and its libraries write: in transactions of several rows or commands, by a
script, and now and then with a large value. It is kept when all of it is there.
Standard library, and psycopg for PostgreSQL, which the harness brings along.
"""
