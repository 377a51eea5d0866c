"""What must hold in a database: how it is asked, and how it is reached."""

from typing import NamedTuple


class Goal(NamedTuple):
    """Something that must hold in a database.

    name: without quotes; it is asked for in SQL.
    check_sql: an SQL expression that is true then; one that fails counts as false.
    apply_sql: SQL statements that make it so, harmless when it held already.
    """

    name: str
    database: str
    check_sql: str
    apply_sql: str
