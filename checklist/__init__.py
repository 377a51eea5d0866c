"""The verifier: the production checklist as data, the pytest plugin that proves it, and the report.

It reads the running state of the estate and shares settings with the deploys, but no code that writes.
"""
