"""Each built-in file format passes the suite that every extension must pass."""

from __future__ import annotations

from engine.formats.csv import CSV
from engine.formats.feather import Feather
from engine.formats.json import JSON, NDJSON
from engine.formats.orc import ORC
from engine.formats.parquet import Parquet
from engine.formats.pickle import Pickle
from engine.formats.yaml import YAML
from engine.testing.format import FormatSuite

_DOCUMENTS = ({"a": [1, 2.5, None, True, "ä"], "b": {}}, [], [{"a": 1}])


class TestCSV(FormatSuite):
    """CSV."""

    format = CSV
    holds_frames = True
    checks_content = False  # any text is a table of one column


class TestParquet(FormatSuite):
    """Parquet."""

    format = Parquet
    holds_frames = True


class TestJSON(FormatSuite):
    """JSON."""

    format = JSON
    values = _DOCUMENTS
    holds_frames = True


class TestPickle(FormatSuite):
    """Pickle."""

    format = Pickle
    values = (*_DOCUMENTS, {1: {2}}, (1, b"x"), None)


class TestNDJSON(FormatSuite):
    """Lines of JSON."""

    format = NDJSON
    holds_frames = True


class TestFeather(FormatSuite):
    """Feather."""

    format = Feather
    holds_frames = True


class TestORC(FormatSuite):
    """ORC."""

    format = ORC
    holds_frames = True


class TestYAML(FormatSuite):
    """YAML."""

    format = YAML
    values = (*_DOCUMENTS, "ä", 3, 2.5, True)
