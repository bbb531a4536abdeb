"""Replacing a PostgreSQL table: in place, or by a new table that has all the old one had; and waiting for readers.

Theory of operation. A new table is the faster way, and its rows, loaded with FREEZE, are seen by readers with an older
snapshot too. It is given what the old one has while that one stands, so that readers wait only for the moment of
publishing: the old table's lock is asked for with a short timeout, again and again, and nobody queues behind it. From
the beginning a weak lock, which no reader and no writer of rows notices, keeps the table from being altered and waits
for whoever is altering it; autovacuum gives way to it, as it never would to a short wait. What comes in between all the
same, such as a grant or a view, is seen under the last lock. Where the table has something that no other can be given,
or the new one turns out to lack something, the rows are written into the table there is, which locks out other writers
but no reader.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from psycopg import errors

from engine.dialects import sql
from engine.dialects.base import WriteMode
from engine.dialects.postgresql.belongings import Belonging, belongings, rebuilding, references, said, side_effects
from engine.dialects.postgresql.catalog import is_unlogged
from engine.dialects.publishing import same_columns, write_in_place
from engine.errors import ConcurrentWriteError, SaveError, SchemaMismatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import psycopg

    from engine.dialects.base import Dialect, PhysicalTable, Staged, TableName, Write
    from engine.dialects.postgresql.belongings import Reference
    from engine.dialects.postgresql.link import Link

IN_PLACE_ROWS = 10_000
"""Up to so many rows a table is replaced in place: that takes no longer than making a new one."""

SWAP_LOCK_MS = 100
"""How long a swap may make readers wait at a time; then it steps back and tries again."""

SWAP_S = 30.0

SAMPLED_STATISTICS = 10
"""The statistics target of a table just made: the planner knows it roughly at once, autovacuum looks closer soon."""

_OF_ANY_KIND = ("grants", "comment on column")
"""Belongings that tables and views can have alike."""

_BLOCKERS = """
SELECT a.pid, coalesce(nullif(a.application_name, ''), 'unknown program'), a.usename, a.state, a.query_start
  FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid JOIN pg_database d ON d.oid = l.database
 WHERE l.relation = to_regclass(%s) AND l.granted AND a.pid <> pg_backend_pid() AND d.datname = current_database()
 GROUP BY 1, 2, 3, 4, 5 ORDER BY a.query_start LIMIT 3
"""


class _LostError(Exception):
    """Undoes a swap whose new table lacks something."""

    def __init__(self, lost: list[Belonging]) -> None:
        self.lost = lost


class Replacement:
    """One publication of staged rows into a table that exists.

    Args:
        dialect: PostgreSQL.
        connection: Its open database.
        staged: The rows.
        write: Where and how they go.
        before: The table as it is.
        define: Adds to the named table what the definition asks for and it lacks.
    """

    def __init__(
        self,
        dialect: Dialect,
        connection: Link,
        staged: Staged,
        write: Write,
        before: PhysicalTable,
        define: Callable[[TableName], None],
    ) -> None:
        self.dialect, self.connection = dialect, connection
        self.cursor = connection.control.cursor()
        self.staged, self.write, self.before, self.define = staged, write, before, define

    def replace(self) -> None:
        """Replace the rows of the table in the way that loses nothing."""
        if self.before.is_view:
            self.exchange()
            return
        staged, before = self.staged, self.before
        # A table filled from a query cannot be frozen: in place, readers with an older snapshot still see its old rows.
        is_small = staged.row_count <= IN_PLACE_ROWS or not staged.frozen
        if is_small and same_columns(staged.columns, before.columns, ordered=True):
            self.write_in_place()
            return
        self._lock("SHARE UPDATE EXCLUSIVE")
        there, same = belongings(self.cursor, self.write.table), same_columns(staged.columns, before.columns)
        staying = [thing for thing in there if thing.stays]
        if not staying:
            self._swap_or_write(there, same=same)
        elif same:
            self.write_in_place()
        else:
            raise self._mismatch(staying)

    def _swap_or_write(self, there: list[Belonging], *, same: bool) -> None:
        try:
            self._swap(there)
        except _LostError as undone:
            if not same:
                raise self._mismatch(undone.lost) from None
            self.write_in_place()

    def exchange(self) -> None:
        """Put what was staged in the place of something of another kind, or of a view with other columns."""
        there = belongings(self.cursor, self.write.table)
        lost = [thing for thing in there if not thing.text.startswith(_OF_ANY_KIND)]
        if is_unlogged(self.cursor, self.staged.table):
            lost.append(Belonging(stays=True, text="what a publication sends of it", detail=""))
        if not lost:
            try:
                self._swap(there)
            except _LostError as undone:
                lost = undone.lost
        if lost:
            old, new = ("view" if is_view else "table" for is_view in (self.before.is_view, self._makes_view))
            raise SaveError(
                f"{self.write.table} is a {old}, and a new {new} in its place would lose {'; '.join(said(lost))}",
                location=str(self.write.table),
                hint="drop these by hand, or write to another name",
            )

    @property
    def _makes_view(self) -> bool:
        return self.write.mode is WriteMode.VIEW

    def _mismatch(self, lost: list[Belonging]) -> SchemaMismatchError:
        there, new = ({c.name: c.type for c in columns} for columns in (self.before.columns, self.staged.columns))
        return SchemaMismatchError(
            str(self.write.table),
            missing=[name for name in there if name not in new],
            unexpected=[name for name in new if name not in there],
            differing=[f"{n}: {new[n]} → {there[n]}" for n in new if n in there and new[n] != there[n]],
            lost=said(lost),
            hint="drop these by hand, or write to another table",
        )

    # --- a new table -------------------------------------------------------------------------------------------------

    def _swap(self, there: list[Belonging]) -> None:
        cursor, table, staging = self.cursor, self.write.table, sql.quoted_table(self.staged.table)
        cursor.execute("SAVEPOINT _e_rebuilt")
        try:
            plan = rebuilding(cursor, table, staging)
            self._run(plan.before)
            if not self._makes_view:
                self.define(self.staged.table)
                analyze(cursor, self.staged.table)
            patiently(cursor, table, lambda: self._drop(there, plan.instead))
            cursor.execute(f"ALTER TABLE {staging} RENAME TO {sql.quoted(table.name)}".encode())
            self._run(plan.after)
            self._check_kept(there)
        except (_LostError, errors.UndefinedColumn, errors.InsufficientPrivilege) as error:
            cursor.execute("ROLLBACK TO SAVEPOINT _e_rebuilt")
            raise (error if isinstance(error, _LostError) else _LostError(there)) from error
        cursor.execute("RELEASE SAVEPOINT _e_rebuilt")

    def _drop(self, there: Sequence[Belonging], instead: Sequence[str]) -> None:
        """Lock everybody out, see that nothing has come to belong to the old one meanwhile, and drop it."""
        cursor, name = self.cursor, sql.quoted_table(self.write.table)
        if not self.before.is_view:  # to lock a view would lock the tables it reads
            cursor.execute(f"LOCK TABLE ONLY {name} IN ACCESS EXCLUSIVE MODE".encode())
        if new := set(belongings(cursor, self.write.table)).difference(there):
            raise _LostError(list(new))
        self._run(instead)
        cursor.execute(f"DROP {'VIEW' if self.before.is_view else 'TABLE'} {name}".encode())

    def _check_kept(self, there: Sequence[Belonging]) -> None:
        now = {(thing.text, thing.detail) for thing in belongings(self.cursor, self.write.table)}
        if lost := [thing for thing in there if (thing.text, thing.detail) not in now]:
            raise _LostError(lost)

    def _run(self, statements: Sequence[str]) -> None:
        for statement in statements:
            self.cursor.execute(statement.encode())

    # --- the same table ----------------------------------------------------------------------------------------------

    def write_in_place(self) -> None:
        """Write the rows into the table there is, which keeps all else; other writers wait, readers do not."""
        cursor, write, staged = self.cursor, self.write, self.staged
        self._lock("SHARE ROW EXCLUSIVE")
        tables, does_more = side_effects(cursor, write.table)
        if tables and write.mode is not WriteMode.APPEND:
            raise SaveError(
                f"{write.mode} would change rows of {', '.join(tables)}, which inherit from {write.table}",
                location=str(write.table),
                hint="end the inheritance (ALTER TABLE … NO INHERIT), or write to another table",
            )
        into = references(cursor, write.table) if write.mode in (WriteMode.REPLACE, WriteMode.DELETE_INSERT) else []
        if into and write.mode is WriteMode.REPLACE:
            self._merge(into)
        else:
            self._refuse([reference for reference in into if reference.deletes])
            write_in_place(self.dialect, self.connection, staged, write, self.before)
        if does_more and write.mode is WriteMode.REPLACE:
            self._count()
        self.define(write.table)

    def _merge(self, into: Sequence[Reference]) -> None:
        """Keep the rows that other tables refer to: update those whose key stays, and delete only those that go."""
        source, target, keys = self.staged.table, self.write.table, into[0].columns
        if self.dialect.run(self.connection, sql.duplicate_keys(source, keys)):
            raise SaveError(
                f"the value for {target} has more than one row for a key ({', '.join(keys)}), to which foreign key "
                f"{into[0].text} refers",
                location=str(target),
                hint="make the key unique in the dataflow",
            )
        self._refuse([reference for reference in into if reference.updates and reference.columns != keys])
        deletes = [reference for reference in into if reference.deletes]
        if deletes and self.dialect.run(self.connection, sql.missing_keys(target, source, keys)):
            self._refuse(deletes)
        self.dialect.run(self.connection, sql.delete_missing(target, source, keys))
        upsert = replace(self.write, mode=WriteMode.UPSERT, keys=keys)
        write_in_place(self.dialect, self.connection, self.staged, upsert, self.before)

    def _refuse(self, into: Sequence[Reference]) -> None:
        if into:
            raise SaveError(
                f"replacing rows of {self.write.table} would change rows of other tables: foreign key "
                f"{'; '.join(reference.text for reference in into)}",
                location=str(self.write.table),
                hint="let the foreign key do nothing on delete and update, or use mode upsert",
            )

    def _count(self) -> None:
        """See that triggers and rules let the rows be replaced."""
        row = self.cursor.execute(f"SELECT count(*) FROM {sql.quoted_table(self.write.table)}".encode()).fetchone()
        if row is None or row[0] != self.staged.row_count:
            raise SaveError(
                f"a trigger or rule of {self.write.table} kept its rows from being replaced",
                location=str(self.write.table),
                hint="let it do nothing for this user, or write to another table",
            )

    def _lock(self, mode: str) -> None:
        cursor, table = self.cursor, self.write.table
        security = "SET LOCAL row_security = off"  # rows that a policy hides would stay: rather fail
        lock = f"LOCK TABLE {sql.quoted_table(table)} IN {mode} MODE"
        try:
            cursor.execute(f"{security}; SAVEPOINT _e_write; {lock}; RELEASE SAVEPOINT _e_write".encode())
        except errors.LockNotAvailable:
            cursor.execute("ROLLBACK TO SAVEPOINT _e_write")
            raise _in_use(cursor, table, "is being written or locked by") from None


def analyze(cursor: psycopg.Cursor[Any], table: TableName) -> None:
    """Tell the planner roughly what a new table holds."""
    few = f"SET LOCAL default_statistics_target = {SAMPLED_STATISTICS}"
    some = "SET LOCAL default_statistics_target TO DEFAULT"
    cursor.execute(f"{few}; ANALYZE {sql.quoted_table(table)}; {some}".encode())


def patiently(cursor: psycopg.Cursor[Any], table: TableName, action: Callable[[], object]) -> None:
    """Do what locks readers out, stepping back whenever they would have to queue.

    Raises:
        ConcurrentWriteError: Somebody uses the table all the time; the message says who.
    """
    until, budget = time.monotonic() + SWAP_S, cursor.execute("SELECT current_setting('lock_timeout')").fetchone()
    while True:
        cursor.execute(f"SAVEPOINT _e_patient; SET LOCAL lock_timeout = '{SWAP_LOCK_MS}ms'".encode())
        try:
            action()
            break
        except errors.LockNotAvailable:
            cursor.execute("ROLLBACK TO SAVEPOINT _e_patient")
            if time.monotonic() >= until:
                raise _in_use(cursor, table, f"cannot be published: for {SWAP_S:g} s it has been used by") from None
            time.sleep(SWAP_LOCK_MS / 1000)
    cursor.execute("SELECT set_config('lock_timeout', %s, true)", (budget[0] if budget else "0",))
    cursor.execute("RELEASE SAVEPOINT _e_patient")


def _in_use(cursor: psycopg.Cursor[Any], table: TableName, what: str) -> ConcurrentWriteError:
    rows = cursor.execute(_BLOCKERS, (sql.quoted_table(table),)).fetchall()
    holder = "; ".join(
        f"server process {pid} ({program}) of {user}"
        # of another user's session the server may keep these to itself
        + (f", {state}, whose query began at {since:%H:%M:%S}" if since else "")
        for pid, program, user, state, since in rows
    )
    holder = holder or "a session that has just ended"
    return ConcurrentWriteError(
        f"{table} {what} {holder}",
        location=str(table),
        holder=holder,
        hint="let it end its transaction, then run again",
    )
