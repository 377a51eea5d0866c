"""Writes to PostgreSQL."""

# ruff: noqa: S608 - the names in these statements are the drill's own

from .writer import LARGE, LARGE_EACH, Writer, large

PARTS = 3  # rows of a transaction


class PostgresWriter(Writer):
    """Inserts several rows into a table, one transaction a number; any way that a conninfo can say."""

    def __init__(self, orders: dict):
        super().__init__(orders)
        import psycopg

        self.psycopg = psycopg
        self.failures = (OSError, psycopg.Error)
        self.connection = None

    def connect(self) -> None:
        self.connection = self.psycopg.connect(
            self.orders["conninfo"], password=self.orders["password"], autocommit=True, prepare_threshold=None
        )

    def write(self, number: int) -> None:
        insert = f"INSERT INTO {self.orders['table']} VALUES (%s, %s, %s)"
        with self.connection.transaction(), self.connection.cursor() as cursor:
            cursor.executemany(insert, [(number, part, "") for part in range(1, PARTS)])
            cursor.execute(insert, (number, 0, large() if number % LARGE_EACH == 0 else ""))

    def close(self) -> None:
        if self.connection:
            self.connection.close()
        self.connection = None

    def kept(self) -> set[int]:
        whole = f"count(*) = {PARTS} AND sum(length(body)) = CASE number % {LARGE_EACH} WHEN 0 THEN {LARGE} ELSE 0 END"
        rows = self.connection.execute(f"SELECT number FROM {self.orders['table']} GROUP BY number HAVING {whole}")
        return {row[0] for row in rows}
