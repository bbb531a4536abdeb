"""Saving: the commit protocol, the same for every database; see the theory of operation in `engine.dialects.base`."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy.dialects import postgresql

from engine.dialects import sql
from engine.dialects.base import Commit, LedgerRow, TableName, WriteMode
from engine.dialects.declared import converted
from engine.dialects.json_values import as_json, holds_as_json
from engine.dialects.ledger import Ledger
from engine.dialects.ownership import refusal
from engine.dialects.recorded import record_of, recorded_schema
from engine.dialects.types import arrow_type, assignable, schema_text, sql_type
from engine.errors import OptionError, SaveError, SchemaMismatchError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from engine.dialects.base import Column, Dialect, Intent, PhysicalTable, Query, Staged, Traits, Write

_COMMIT_ID = re.compile(r"[\w.:-]{1,64}")
_DEFINITION: Any = postgresql.dialect
_KEYED = (WriteMode.UPSERT, WriteMode.DELETE_INSERT)


class _UnchangedError(Exception):
    """Leaves the transaction so that it rolls back: the table already holds these rows."""


def fold(*parts: str) -> str:
    """Hash texts into one, each with its length, so that no two lists of texts give the same input."""
    digest = hashlib.blake2b(digest_size=20)
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()


def check_names(names: Sequence[str], traits: Traits, *, what: str) -> None:
    """Refuse column names that the database would change, cut or confuse.

    Raises:
        SaveError: Names are missing, empty, too long or clash; the message names them.
    """
    if not names:
        raise SaveError(f"{what} has no columns", location=what, hint="give the frame at least one column")
    seen: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str) or not name.strip() or "\0" in name:
            raise SaveError(f"{what} has a column named {name!r}", location=what, hint="name every column")
        limit = traits.max_identifier_bytes
        if limit is not None and len(name.encode("utf-8", "surrogatepass")) > limit:
            raise SaveError(
                f"column {name!r} of {what} is longer than the {limit} bytes that {traits.name} keeps of a name",
                location=what,
                hint="give the column a shorter name",
            )
        plain = unicodedata.normalize("NFC", name)
        plain = plain.casefold() if traits.folds_case else plain
        if plain in seen:
            other = seen[plain]
            how = "twice" if other == name else f"and one named {other!r}, which {traits.name} cannot tell apart"
            raise SaveError(f"{what} has a column named {name!r} {how}", location=what, hint="rename one of them")
        seen[plain] = name


def save(
    dialect: Dialect,
    connection: Any,
    rows: pa.RecordBatchReader | Query,
    write: Write,
    intent: Intent,
    *,
    digest: Callable[[], str | None] | None,
    written: pa.Schema | None,
    wait_s: float,
) -> Commit:
    """Run the protocol once, in one transaction."""
    if not _COMMIT_ID.fullmatch(intent.commit_id):
        raise SaveError(f"{intent.commit_id!r} is not a commit id", hint="use letters, digits and dashes, 64 at most")
    writer = dialect.writer(connection, rows)
    one = _Save(dialect, writer, rows, write, intent, digest, Ledger(dialect, writer), wait_s, written=written)
    try:
        with dialect.transaction(writer, write=True):
            return one.run()
    except _UnchangedError as unchanged:
        return Commit(unchanged.args[0], changed=False)


@dataclass(slots=True)
class _Save:
    dialect: Dialect
    connection: Any
    rows: pa.RecordBatchReader | Query
    write: Write
    intent: Intent
    digest: Callable[[], str | None] | None
    ledger: Ledger
    wait_s: float
    begins_anew: bool = False
    written: pa.Schema | None = None
    """The schema in which the rows of a frame are to come back: its own, before its columns took declared types."""

    def run(self) -> Commit:
        self.dialect.lock(self.connection, self.write.table, wait_s=self.wait_s)
        before = self._look(self.write.table)
        self.ledger.create(wait_s=self.wait_s)
        head = self.ledger.heads([self.write.table])[self.write.table]
        # Had this commit landed before, the table would have a head: it, or one that came after it.
        if head is not None and (landed := self.ledger.commits([self.intent.commit_id])):
            return Commit(landed[self.intent.commit_id], changed=True)
        self._guard(head, before)
        # What was appended to an earlier table of this name is gone with it.
        self.begins_anew = before is None or not before.was_published_by(head)
        self._append_once(head)
        if before is None and self.write.table.schema and self.dialect.traits.has_schemas:
            self.dialect.ensure_schema(self.connection, self.write.table.schema)
        if self.write.mode is WriteMode.VIEW:
            return self._view(head, before)
        return self._table(head, before)

    def _look(self, table: TableName) -> PhysicalTable | None:
        return self.ledger.look([table])[table]

    def _guard(self, head: LedgerRow | None, before: PhysicalTable | None) -> None:
        """Refuse to write over what is not ours."""
        fault = None if self.intent.adopt else refusal(self.write, head, before)
        if fault is not None:
            raise fault

    def _append_once(self, head: LedgerRow | None) -> None:
        """Leave, when another run has appended this recipe's rows since this one was planned."""
        if self.write.mode is not WriteMode.APPEND or not self.intent.once or head is None or self.begins_anew:
            return
        if self.ledger.of_recipe(self.write.table, self.intent.recipe_version) is not None:
            raise _UnchangedError(head)

    def _table(self, head: LedgerRow | None, before: PhysicalTable | None) -> Commit:
        table, schema = self.write.table, self._schema()
        check_names(schema.names, self.dialect.traits, what=str(table))
        self._check_keys_exist(schema.names)
        stays = before is not None and self.write.mode is not WriteMode.REPLACE
        if before is not None and stays:
            self._check_table(before, schema.names)
        types = self._types(schema, before)
        if isinstance(self.rows, pa.RecordBatchReader):
            self.written = self.written or schema
            self.rows = as_json(self.rows, types, str(table))
            arrow = {name: arrow_type(self.dialect.traits.name, type_) for name, type_ in types.items()}
            known = {name: type_ for name, type_ in arrow.items() if type_ is not None}
            self.rows = converted(self.rows, known, self.write.definition.required, str(table))
        staged = self.dialect.stage(self.connection, self._staging_name(), self.rows, types)
        if before is not None and stays:
            self._check_types(staged, before)
        self._check_keys(staged)
        content = self._content_hash(staged)
        if self.write.mode is WriteMode.REPLACE:
            self._cut_off(head, before, content, staged.schema, staged.table)
        stamp = self.dialect.publish(self.connection, staged, self.write, before, self.intent.commit_id)
        columns = self.dialect.columns(self.connection, table)
        return self._commit(head, stamp, content, staged.schema, columns, staged.row_count)

    def _view(self, head: LedgerRow | None, before: PhysicalTable | None) -> Commit:
        if isinstance(self.rows, pa.RecordBatchReader):
            raise SaveError(
                f"{self.write.table} cannot be a view: its value is a frame, not a query of this database",
                location=str(self.write.table),
                hint="return a lazy value of this warehouse (a Select, a relation made of SQL), or use mode replace",
            )
        schema = self._schema()
        check_names(schema.names, self.dialect.traits, what=str(self.write.table))
        if asked := sorted(self.write.definition.parts() - {"comment"}):
            raise OptionError(
                f"{self.write.table} is to be a view, which has no {asked[0]}", hint=f"leave {asked[0]}= out"
            )
        self._check_definition(schema.names)
        text = sql.with_literals(self.rows, _DEFINITION(paramstyle="numeric_dollar"))
        content = "view:" + fold(text, schema_text(schema))
        self._cut_off(head, before, content, schema)
        stamp = self.dialect.publish_view(self.connection, self.rows, self.write, before, self.intent.commit_id)
        view = self._look(self.write.table)
        return self._commit(head, stamp, content, schema, view.columns if view is not None else (), None)

    def _schema(self) -> pa.Schema:
        rows = self.rows
        return rows.schema if isinstance(rows, pa.RecordBatchReader) else self.dialect.schema(self.connection, rows)

    def _staging_name(self) -> TableName:
        # Sixteen hex digits: short enough for every database, so never cut down to the name of another table.
        return TableName(self.write.table.schema, "_e_" + fold(str(self.write.table), self.intent.commit_id)[:16])

    @property
    def _is_hashed_on_the_way(self) -> bool:
        """Whether the content hash is one of the rows that pass, and not the database's own."""
        return self.digest is not None and isinstance(self.rows, pa.RecordBatchReader)

    def _content_hash(self, staged: Staged) -> str | None:
        if self.digest is not None and self._is_hashed_on_the_way:
            return self.digest()
        if self.write.order_matters:
            return None  # a database hashes rows whatever their order
        return self.dialect.checksum(self.connection, sql.all_rows(staged.table))

    def _cut_off(
        self,
        head: LedgerRow | None,
        before: PhysicalTable | None,
        content: str | None,
        schema: pa.Schema,
        staging: TableName | None = None,
    ) -> None:
        schema_hash = fold(schema_text(schema))
        if (
            self.intent.skip_unchanged
            and head is not None
            and before is not None
            and content is not None
            and (head.content_hash, head.schema_hash) == (content, schema_hash)
            and self._comes_back_alike(head)
            and head.mode is self.write.mode
            and head.record.get("definition", "") == self.write.definition.text()
            and before.was_published_by(head)
            and _described(before.columns) == head.record.get("columns")
            and (staging is None or self._holds_the_rows_of(staging, content))
        ):
            raise _UnchangedError(head)

    def _holds_the_rows_of(self, staging: TableName, content: str | None) -> bool:
        """Say whether the table holds what was staged; the ledger cannot know of rows that another hand changed."""
        mine = self.dialect.checksum(self.connection, sql.all_rows(staging)) if self._is_hashed_on_the_way else content
        return mine == self.dialect.checksum(self.connection, sql.all_rows(self.write.table))

    def _types(self, schema: pa.Schema, before: PhysicalTable | None) -> dict[str, str]:
        """Return the SQL types of columns that have another one than their Arrow type's: declared, or there already."""
        dialect, table = self.dialect, str(self.write.table)
        self._check_definition(schema.names)
        there = {column.name: column.type for column in before.columns} if before is not None else {}
        types = {f.name: there[f.name] for f in schema if pa.types.is_null(f.type) and f.name in there}
        declared = dialect.spelt(self.connection, dict(self.write.definition.types))
        for name, type_ in declared.items():
            own, wanted = schema.field(name).type, arrow_type(dialect.traits.name, type_)
            is_converted = wanted is not None or holds_as_json(own, type_)
            if pa.types.is_null(own) or (is_converted and isinstance(self.rows, pa.RecordBatchReader)):
                continue  # every value is converted, and compared with what it was
            natural = sql_type(dialect.traits.name, name, own)
            if natural != type_ and not assignable(dialect.traits.name, natural, type_):
                raise SaveError(
                    f"column {name!r} of {table} is declared {type_}, and {natural} does not become that exactly",
                    location=table,
                    hint="convert the column in the dataflow or in the query, or declare another type",
                )
        return types | declared

    def _comes_back_alike(self, head: LedgerRow) -> bool:
        """Say whether the rows there are come back as the very types that are written now."""
        recorded = recorded_schema(head)
        if recorded is None or self.written is None:
            return recorded is self.written
        return bool(recorded.equals(self.written, check_metadata=True))

    # --- checks ------------------------------------------------------------------------------------------------------

    def _check_definition(self, names: Sequence[str]) -> None:
        definition, traits = self.write.definition, self.dialect.traits
        if lacking := sorted(definition.parts() - traits.defines):
            raise OptionError(
                f"{self.write.table}: {traits.name} keeps no {lacking[0].replace('_', ' ')} for a table",
                hint=f"leave {lacking[0]}= out",
            )
        definition.check(names, str(self.write.table))

    def _check_keys_exist(self, names: Sequence[str]) -> None:
        write = self.write
        if write.mode in _KEYED and not write.keys:
            raise OptionError(f"mode {write.mode} of {write.table} needs keys", hint="name the key columns: keys=[…]")
        for key in write.keys:
            if key not in names:
                raise SaveError(
                    f"the value for {write.table} has no key column {key!r}",
                    location=str(write.table),
                    hint=f"it has: {', '.join(names)}",
                )

    def _check_table(self, before: PhysicalTable, names: Sequence[str]) -> None:
        table = str(self.write.table)
        if before.is_view:
            raise SaveError(f"{table} is a view", location=table, hint=f"{self.write.mode} needs a table")
        there = [column.name for column in before.columns]
        missing = [name for name in there if name not in names]
        unexpected = [name for name in names if name not in there]
        if missing or unexpected:
            raise SchemaMismatchError(
                table,
                missing=missing,
                unexpected=unexpected,
                hint="give the value the table's columns, or rebuild the table with mode replace",
            )

    def _check_types(self, staged: Staged, before: PhysicalTable) -> None:
        dialect, there = self.dialect.traits.name, {column.name: column.type for column in before.columns}
        untyped = {field.name for field in staged.schema if str(field.type) == "null"}
        declared = {name for name, _ in self.write.definition.types}
        differing = [
            f"{column.name}: {column.type} → {there[column.name]}"
            for column in staged.columns
            if (column.name not in untyped and not assignable(dialect, column.type, there[column.name]))
            or (column.name in declared and column.type != there[column.name])
        ]
        if differing:
            raise SchemaMismatchError(
                str(self.write.table),
                differing=differing,
                hint="convert the columns in the dataflow, or rebuild the table with mode replace",
            )

    def _check_keys(self, staged: Staged) -> None:
        if self.write.mode not in _KEYED:
            return
        keys, table = list(self.write.keys), self.write.table
        questions = [("a NULL in the key of", sql.null_keys(staged.table, keys))]
        if self.write.mode is WriteMode.UPSERT:
            questions.append(("more than one row for", sql.duplicate_keys(staged.table, keys)))
        for what, query in questions:
            if found := self.dialect.run(self.connection, query):
                shown = "; ".join(", ".join(f"{k}={v!r}" for k, v in zip(keys, row, strict=True)) for row in found)
                raise SaveError(
                    f"the value for {table} has {what} {shown}",
                    location=str(table),
                    hint="make every key of the value present and, for upsert, unique",
                )

    # --- the row that makes it true ----------------------------------------------------------------------------------

    def _token(self, head: LedgerRow | None, content: str | None) -> str:
        own = content or self.intent.commit_id
        if self.write.mode in (WriteMode.REPLACE, WriteMode.VIEW):
            return own
        return "chain:" + fold(head.token if head else "", self.write.mode.value, own, *self.write.keys)

    def _commit(
        self,
        head: LedgerRow | None,
        stamp: str,
        content: str | None,
        schema: pa.Schema,
        columns: Sequence[Column],
        row_count: int | None,
    ) -> Commit:
        intent = self.intent
        record: Mapping[str, Any] = {
            **intent.record,
            "begins_anew": self.begins_anew,
            **record_of(
                self.written or schema,
                comes_back=self.written is not None,
                earlier=None if self.begins_anew or self.write.mode is WriteMode.REPLACE else head,
            ),
            "columns": _described(columns),
            **({"definition": text} if (text := self.write.definition.text()) else {}),
        }
        row = LedgerRow(
            commit_id=intent.commit_id,
            dataset=str(self.dialect.canonical(self.write.table)),
            seq=head.seq + 1 if head else 1,
            previous_commit_id=head.commit_id if head else None,
            epoch=intent.epoch,
            run_id=intent.run_id,
            node_run_id=intent.node_run_id,
            recipe_version=intent.recipe_version,
            mode=self.write.mode,
            token=self._token(head, content),
            content_hash=content,
            schema_hash=fold(schema_text(schema)),
            row_count=row_count,
            physical_name=stamp,
            record=record,
            committed_at=dt.datetime.now(dt.UTC),
        )
        self.ledger.insert(row)
        return Commit(row, changed=True)


def _described(columns: Sequence[Column]) -> list[list[Any]]:
    return [[column.name, column.type, column.nullable] for column in columns]
