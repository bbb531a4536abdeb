"""Secrets: passwords stay out of every message, record and log.

A password enters the engine in one place, the user-info of a URL, and is known from then on: whatever a driver says
passes through `scrub` before anybody reads it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

from engine.errors import RequestError
from engine.masking import MASK, masked

if TYPE_CHECKING:
    from collections.abc import Iterable

    import sqlalchemy as sa

SHORTEST = 4
"""Shorter values are not replaced in texts: masking every ``a`` of a message helps nobody."""

_KEY_VALUE = re.compile(r"(?i)\b(password|passwd|pwd|token|secret)(\s*[=:]\s*)('(?:[^']|'')*'|\"[^\"]*\"|[^\s&;,)]+)")
_SECRET_NAME = re.compile(r"password|passwd|secret|token|credential|api_?key", re.IGNORECASE)
_SECRET_OPTIONS = frozenset({"password", "passwd", "pwd", "passfile", "sslpassword", "token", "secret"})


def is_secret_name(name: str) -> bool:
    """Say whether what is called so is to be kept out of records and messages.

    >>> is_secret_name("api_key"), is_secret_name("day")
    (True, False)
    """
    return _SECRET_NAME.search(name) is not None


def parse_url(url: str) -> sa.URL:
    """Parse a database URL, refusing a password in the query string, where every tool would print it.

    Raises:
        RequestError: The text is not a URL, or carries a password in its query string.
    """
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise RequestError(
            f"{scrub(url.rpartition('@')[2])!r} is not the URL of a database",
            hint="write duckdb:///file.duckdb, sqlite:///file.db or postgresql://user:password@host:5432/database",
        ) from None
    if hidden := sorted(_SECRET_OPTIONS.intersection(map(str.lower, parsed.query))):
        raise RequestError(
            f"the URL of {parsed.drivername} carries {hidden[0]!r} in its query string",
            hint="put the password before the @, percent-encoded: scheme://user:password@host/database",
        )
    return parsed


def masked_url(url: sa.URL) -> str:
    """Return the URL for messages and records: no password, no secret option.

    >>> from sqlalchemy.engine import make_url
    >>> masked_url(make_url("postgresql://ann:secret@db/shop"))
    'postgresql://ann@db/shop'
    """
    return url.set(password=None).render_as_string(hide_password=True) if url.password is None else _without(url)


def _without(url: sa.URL) -> str:
    from sqlalchemy.engine import URL

    return URL.create(
        url.drivername, url.username, None, url.host, url.port, url.database, url.query
    ).render_as_string()


def secrets_of(url: sa.URL) -> tuple[str, ...]:
    """Return the password of a URL in every spelling a message could show it in, longest first."""
    password = str(url.password or "")
    if len(password) < SHORTEST:
        return ()
    spellings = {password, quote(password), quote(password, safe=""), quote_plus(password), repr(password)[1:-1]}
    return tuple(sorted(spellings, key=len, reverse=True))


def scrub(text: str, secrets: Iterable[str] = ()) -> str:
    """Return ``text`` without the given secrets and without anything that looks like a password.

    >>> scrub("cannot reach postgresql://ann:s3cr3t@db/shop (password=s3cr3t)")
    'cannot reach postgresql://ann:***@db/shop (password=***)'
    """
    for secret in secrets:
        text = text.replace(secret, MASK)
    return _KEY_VALUE.sub(rf"\1\2{MASK}", masked(text))
