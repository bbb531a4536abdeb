"""A PostgreSQL server that lets nobody in is one clear sentence, the same for the warehouse and for the metadata."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from engine.dialects.postgresql.faults import cause, refusal
from engine.dialects.secrets import masked_url
from engine.dialects.warehouse import Warehouse
from engine.errors import EngineError, MetadataError, StorageError
from engine.metadata.store import MetadataStore

if TYPE_CHECKING:
    from collections.abc import Callable

CANARY = "C4n@ry/%3A"


def open_warehouse(url: str) -> None:
    """Ask a warehouse for something."""
    with Warehouse(url, wait_s=1) as warehouse:
        warehouse.heads([])
        warehouse.tables([warehouse.name("t")])


def open_metadata(url: str) -> None:
    """Ask a metadata store for something."""
    with contextlib.closing(MetadataStore(url)) as store:
        store.runs(None)


OPENERS = [
    pytest.param(open_warehouse, StorageError, "the server at ", id="warehouse"),
    pytest.param(open_metadata, MetadataError, "the metadata server at ", id="metadata"),
]


def assert_says(error: EngineError, begins: str, url: sa.URL, says: str) -> None:
    """Check that an error is one sentence: where, what and nothing else; and no password in it or behind it."""
    assert error.message == f"{begins}{masked_url(url)} {says}"
    assert error.hint
    assert re.fullmatch(r"[ -~]+", error.message), "one line, no tabs"
    assert error.__cause__ is None
    behind: list[BaseException | None] = [error]
    while behind:
        if (raised := behind.pop()) is not None:
            for text in (str(raised), repr(raised), repr(raised.args), *getattr(raised, "__notes__", ())):
                assert "C4n" not in text
            behind += [raised.__cause__, raised.__context__]


@pytest.mark.parametrize(("opener", "kind", "begins"), OPENERS)
@pytest.mark.parametrize("password", [CANARY, None])
def test_a_wrong_password(
    login: Callable[[str], str],
    opener: Callable[[str], None],
    kind: type[EngineError],
    begins: str,
    password: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A password that the server refuses, and none where it asks for one, are said to be so."""
    monkeypatch.delenv("PGPASSWORD", raising=False)
    url = sa.make_url(masked_url(sa.make_url(login("another one")))).set(password=password)
    says = f"refuses the password of user '{url.username}'" if password else "asks for a password, and the URL has none"
    with pytest.raises(kind) as raised:
        opener(url.render_as_string(hide_password=False))
    assert_says(raised.value, begins, url, says)


@pytest.mark.parametrize(("opener", "kind", "begins"), OPENERS)
def test_a_right_password(
    login: Callable[[str], str], opener: Callable[[str], None], kind: type[EngineError], begins: str
) -> None:
    """A password with characters that URLs escape lets us in."""
    del kind, begins
    opener(login(CANARY))


@pytest.mark.parametrize(("opener", "kind", "begins"), OPENERS)
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"database": "nowhere"}, "has no database 'nowhere'"),
        ({"username": "nobody_here"}, "has no user 'nobody_here'"),
    ],
)
def test_an_unknown_database_or_user(
    postgresql_server: str,
    opener: Callable[[str], None],
    kind: type[EngineError],
    begins: str,
    changes: dict[str, Any],
    says: str,
) -> None:
    """It is said which of the two the server does not have."""
    url = sa.make_url(postgresql_server).set(password=CANARY, **changes)
    with pytest.raises(kind) as raised:
        opener(url.render_as_string(hide_password=False))
    assert_says(raised.value, begins, url, says)


@pytest.mark.parametrize(("opener", "kind", "begins"), OPENERS)
@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("127.0.0.1:1/shop", "cannot be reached: nothing listens there"),
        ("localhost:1/shop", "cannot be reached: nothing listens there"),
        ("/shop?host=/nowhere", "cannot be reached: there is no such socket"),
        ("nowhere.invalid/shop", "cannot be reached: no machine has this name"),
        ("127.0.0.1:1/shop?sslmod=off", "cannot be asked: libpq has no option 'sslmod'"),
    ],
)
def test_an_unreachable_server(
    opener: Callable[[str], None], kind: type[EngineError], begins: str, place: str, says: str
) -> None:
    """It is said why the server cannot be reached."""
    url = sa.make_url(f"postgresql://ann@{place}").set(password=CANARY)
    with pytest.raises(kind) as raised:
        opener(url.render_as_string(hide_password=False))
    assert_says(raised.value, begins, url, says)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('FATAL:  no pg_hba.conf entry for host "10.0.0.7", user "ann", database "d", no encryption', "from 10.0.0.7"),
        ("FATAL:  sorry, too many clients already", "has no connection left"),
        ("FATAL:  the database system is starting up", "is not ready: it is starting up"),
        ('FATAL:  permission denied for database "d"\nDETAIL:  User does not …', "into the database 'd'"),
        ('FATAL:  role "ann" is not permitted to log in', "lets user 'ann' not log in"),
        ("connection timeout expired", "it does not answer"),
    ],
)
def test_what_servers_say(text: str, says: str) -> None:
    """What only another server would say is understood too."""
    found = refusal(f'connection failed: connection to server at "h", port 5432 failed: {text}', sa.make_url("x://h"))
    assert found is not None
    assert found[0].endswith(says)


def test_an_unknown_cause_is_one_line() -> None:
    """What is not understood is quoted: the cause of the last attempt, in one line."""
    attempt = 'connection failed: connection to server at "h" (::1), port 5432 failed: '
    text = f"Multiple attempts failed. All failures were:\n- host: h: {attempt}one\n- host: h: {attempt}other\n\tIs it?"
    assert refusal(text, sa.make_url("x://h")) is None
    assert cause(text, sa.make_url("x://h")) == "other"
    assert cause("relation is full\nLINE 1: …\n  ^", sa.make_url("x://h")) == "relation is full"
