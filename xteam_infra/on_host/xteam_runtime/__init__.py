"""The runtime shim: how the application's processes are run, without a change to the application: see loader.py.

Runs in the application's Python (3.13) beside its Celery; everything it is told stands in a JSON file.
"""
