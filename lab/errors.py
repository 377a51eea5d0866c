"""The one exception the lab reports to its user without a traceback."""


class LabError(Exception):
    """Something the user can fix; the message names it and says how."""
