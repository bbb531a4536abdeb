"""Dialects: which database does this URL name?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.registry import Registry

if TYPE_CHECKING:
    import sqlalchemy as sa

    from engine.dialects.base import Dialect

DIALECTS: Registry[type[Dialect]] = Registry("engine.dialects", "dialect")
"""The databases there is a plug-in for, by the scheme of their URLs."""

_ALIASES = {"postgres": "postgresql"}


def dialect_of(url: str | sa.URL) -> Dialect:
    """Return the dialect that speaks to the database at ``url``.

    The scheme before any ``+`` finds the plug-in. A scheme without one that SQLAlchemy has a dialect for is served by
    the generic dialect: correct, but without bulk paths.

    Raises:
        ExtensionError: Neither the engine nor SQLAlchemy knows the scheme, or its library is not installed.
        RequestError: The text is not the URL of a database.
    """
    from engine.dialects.secrets import parse_url

    parsed: Any = parse_url(url) if isinstance(url, str) else url
    scheme = parsed.get_backend_name()
    scheme = _ALIASES.get(scheme, scheme)
    if scheme in DIALECTS:
        return DIALECTS.load(scheme)()
    from sqlalchemy.exc import NoSuchModuleError

    from engine.errors import ExtensionError

    try:
        parsed.get_dialect().import_dbapi()
    except NoSuchModuleError:
        return DIALECTS.load(scheme)()  # raises, naming the dialects there are
    except ImportError as error:
        raise ExtensionError(
            f"the driver of {parsed.drivername!r} does not import: {error}", hint="install the library it stands on"
        ) from error
    from engine.dialects.generic import Generic

    return Generic()
