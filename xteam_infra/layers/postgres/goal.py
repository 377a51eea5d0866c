"""What must hold in a database: how it is asked, and how it is reached."""

from typing import NamedTuple


class Goal(NamedTuple):
    """Something that must hold in a database.

    name: without quotes; it is asked for in SQL.
    holds: an SQL expression that is true then; one that fails counts as false.
    reach: SQL statements that make it so, harmless when it held already.
    """

    name: str
    database: str
    holds: str
    reach: str
