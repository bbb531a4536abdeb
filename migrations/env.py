"""Alembic's environment: how the revisions of the metadata's schema are run.

The engine hands its connection over and owns the transaction (`engine.metadata.migrate`). From the command line
(``alembic -x url=sqlite:///metadata.db upgrade head``) the same door is used; ``--sql`` prints the statements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import context

from engine.metadata import migrate, schema, views

if TYPE_CHECKING:
    from collections.abc import Iterable


def _configure(dialect: str, **options: Any) -> None:
    context.configure(
        target_metadata=schema.metadata,
        version_table_schema=schema.SCHEMA if dialect == "postgresql" else None,
        render_as_batch=dialect == "sqlite",
        transactional_ddl=True,
        compare_server_default=True,
        include_object=_is_table,
        **options,
    )


def _is_table(item: Any, name: str | None, kind: str, *_: Any) -> bool:
    """Leave out the views, which `engine.metadata.views` owns."""
    del item
    return not (kind == "table" and name in views.VIEWS)


def _run(dialect: str) -> None:
    """Run the revisions between two settings of the views, which stand on the tables."""
    _execute(views.drop_statements())
    context.run_migrations()
    if context.is_offline_mode() or context.get_context().get_current_revision() == schema.HEAD:
        _execute(views.create_statements(dialect))


def _execute(statements: Iterable[str]) -> None:
    for statement in statements:
        context.execute(sa.text(statement))


def _online(connection: sa.Connection) -> None:
    _configure(connection.dialect.name, connection=connection)
    with context.begin_transaction():
        _run(connection.dialect.name)


def _offline(url: str) -> None:
    dialect = sa.make_url(url).get_backend_name()
    _configure(dialect, url=url, literal_binds=True)
    with context.begin_transaction():
        if dialect == "postgresql":
            _execute([f"CREATE SCHEMA IF NOT EXISTS {schema.SCHEMA}", f"SET LOCAL search_path TO {schema.SCHEMA}"])
        _run(dialect)


def _main() -> None:
    given = context.config.attributes.get("connection")
    url = context.get_x_argument(as_dictionary=True).get("url", "sqlite:///.engine/metadata.db")
    if given is not None:
        _online(given)
    elif context.is_offline_mode():
        _offline(url)
    else:
        with migrate.upgrading(url) as connection:
            _online(connection)


_main()
