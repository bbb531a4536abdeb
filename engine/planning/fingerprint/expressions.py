"""Expressions: descriptions of a computation, such as ``pl.col("a") + 1`` or a `sqlalchemy.Select`.

They have no canonical form that says all, so the statement that makes one counts, and besides it whatever the
expression says of itself: the values it was made with, which its statement may only name. Imports no library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.planning.fingerprint.values import fold, value_hash

if TYPE_CHECKING:
    from collections.abc import Callable


def is_expression(value: Any) -> bool:
    """Say whether a value describes a computation and has no state of its own, so that its statement says all.

    >>> is_expression("a + 1")
    False
    """
    return _kind(value) is not None


def said_by(value: Any) -> str:
    """Return a hash of what an expression says of itself; of nothing, where it says nothing."""
    kind = _kind(value)
    said = _SAYS.get(kind) if kind else None
    try:
        return fold(said(value)) if said else ""
    except Exception:  # noqa: BLE001 - libraries refuse in many ways, and the statement counts all the same
        return ""


def _kind(value: Any) -> str | None:
    for base in type(value).__mro__:
        name = f"{base.__module__.partition('.')[0].lstrip('_')}.{base.__name__}"
        if name in _SAYS:
            return name
    return None


def _polars(value: Any) -> str:
    text = str(value)  # cuts long lists, and names no function of the user's: that is found in the statement
    return text if "python_udf" in text else str(value.meta.serialize(format="json"))


def _sql(value: Any) -> list[Any]:
    compiled = value.compile()
    parameters = {name: value_hash(held) or "" for name, held in (compiled.params or {}).items()}
    return [str(compiled), parameters]


_SAYS: dict[str, Callable[[Any], Any] | None] = {
    "duckdb.Expression": str,
    "ibis.Expr": None,  # its text may be its rows
    "polars.Expr": _polars,
    "pyarrow.Expression": str,
    "sqlalchemy.Column": repr,
    "sqlalchemy.Table": repr,
    "sqlalchemy.ClauseElement": _sql,
    "sqlalchemy.MetaData": lambda value: [repr(table) for table in value.sorted_tables],
    "sqlalchemy.TypeEngine": repr,
}
