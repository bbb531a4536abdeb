"""Why a PostgreSQL server lets nobody in: what libpq says, in words for whoever wrote the URL.

The warehouse and the metadata both ask here, so the same fault reads the same wherever it is met. Knows neither
driver: it is told the text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.dialects.secrets import scrub, secrets_of

if TYPE_CHECKING:
    import sqlalchemy as sa

_WHERE = "start the server, or check host and port in the URL"
_CONNECTION = r"^.*(?:connection to server .*? failed:|connection (?:failed|is bad):|FATAL:) +"
"""What precedes the cause in libpq's messages; of several attempts the last one counts."""

_SIGNS = (
    (
        r'password authentication failed for user "(.*?)"',
        r"refuses the password of user '\1'",
        "check the password, and whether the server has this user: it says the same of one it has not",
    ),
    (
        r"no password supplied",
        r"asks for a password, and the URL has none",
        "write scheme://user:password@host/database, or set the PGPASSWORD variable",
    ),
    (
        r'database "(.*?)" does not exist',
        r"has no database '\1'",
        "create the database, or correct its name in the URL",
    ),
    (r'role "(.*?)" does not exist', r"has no user '\1'", "create the user, or correct its name in the URL"),
    (r'role "(.*?)" is not permitted to log in', r"lets user '\1' not log in", "grant LOGIN, or use another user"),
    (
        r'permission denied for database "(.*?)"',
        r"does not let this user into the database '\1'",
        "grant CONNECT on the database, or use another user",
    ),
    (
        r'no pg_hba.conf entry for host "(.*?)", user "(.*?)"',
        r"lets user '\2' not in from \1",
        "add a line for them to the server's pg_hba.conf",
    ),
    (r"Connection refused", "cannot be reached: nothing listens there", _WHERE),
    (r"No such file or directory", "cannot be reached: there is no such socket", _WHERE),
    (
        r"resolve host|could not translate host name|Name or service not known",
        "cannot be reached: no machine has this name",
        "check the host in the URL",
    ),
    (r"No route to host|Network is unreachable", "cannot be reached: no network leads there", "check the host"),
    (
        r"connection timeout expired|Connection timed out|^timeout expired",
        "cannot be reached: it does not answer",
        "check host, port and firewall, and that the server is up",
    ),
    (
        r"too many clients|too many connections|remaining connection slots",
        "has no connection left",
        "close other connections, or raise max_connections",
    ),
    (r"the database system is (.+)", r"is not ready: it is \1", "try again in a moment"),
    (
        r'invalid (?:connection|URI) (?:option|query parameter):? "?(\w+)',
        r"cannot be asked: libpq has no option '\1'",
        "correct what stands after the ? in the URL",
    ),
)
"""What libpq says (a regular expression) → what the server does, and what to do about it."""


def refusal(text: str, url: sa.URL) -> tuple[str, str] | None:
    """Return what the server at ``url`` does instead of letting us in, and what to do; None if it is something else.

    Args:
        text: What the driver says.
        url: Where the server is; its password is kept out.
    """
    text = scrub(text, secrets_of(url))
    for sign, says, hint in _SIGNS:
        if found := re.search(sign, text, re.MULTILINE):
            return found.expand(says), hint
    return None


def cause(text: str, url: sa.URL) -> str:
    """Return the cause in one line, without the attempts that lead to it and without the password.

    >>> from sqlalchemy.engine import make_url
    >>> cause('connection failed: connection to server at "h", port 1 failed: FATAL:  no', make_url("postgresql://h"))
    'no'
    """
    lines = [line.strip() for line in scrub(text, secrets_of(url)).splitlines() if line.strip()]
    attempts = [line for line in lines if re.search(_CONNECTION, line)]
    return re.sub(_CONNECTION, "", [*lines[:1], *attempts][-1]) if lines else "no reason given"
