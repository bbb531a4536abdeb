"""Which loader or saver serves a name and a type: the last registered, the closest before the general."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from engine import registry, telemetry
from engine.errors import OptionError, UnknownAdapterError
from engine.io.data_adapters import DataSaver
from engine.io.files import FileSaver
from engine.io.lookup import find_saver
from engine.io.materialization import to

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _only_ours() -> Iterator[None]:
    """Leave the registry as it was."""
    before = list(registry._REGISTERED)
    yield
    registry._REGISTERED[:] = before


def saver(name: str, *types: Any) -> type[DataSaver]:
    """Make and register a saver."""

    @dataclass
    class Own(DataSaver):
        text: str

        @classmethod
        def name(cls) -> str:
            return name

        @classmethod
        def applicable_types(cls) -> list[Any]:
            return list(types)

        def save_data(self, data: Any) -> dict[str, Any]:
            return {"data": data}

    registry.register_adapter(Own)
    return Own


def test_the_last_registered_wins() -> None:
    """Of two savers for one name and type the later serves; registered again, the earlier does."""
    first, second = saver("own", dict), saver("own", dict)
    assert find_saver("own", dict).make is second
    registry.register_adapter(first)
    assert find_saver("own", dict).make is first


def test_what_serves_any_type_comes_last() -> None:
    """A saver for any type serves where nothing closer does, whenever it was registered; a built-in is closer."""
    close, general = saver("own", dict), saver("own", object)
    assert find_saver("own", dict).make is close
    assert find_saver("own", int).make is general
    saver("json", Any)
    assert find_saver("json", dict).classname == FileSaver.__qualname__
    anything = saver("pickle", object)
    assert find_saver("pickle", dict).make is anything


def test_a_registered_saver_wins_over_a_built_in_for_its_type() -> None:
    """A saver registered for a type replaces the built-in of that name for it, and for no other."""
    own = saver("csv", pd.DataFrame)
    assert find_saver("csv", pd.DataFrame).make is own
    assert find_saver("csv", pd.Series).make is not own


def test_options_of_registered_savers_are_checked() -> None:
    """A missing or misspelt option of a registered saver is found as of a built-in one."""
    saver("own", dict)
    choice = find_saver("own", dict)
    with pytest.raises(OptionError, match="needs the option 'text'"):
        choice.check({}, "to.own")
    with pytest.raises(OptionError, match=r"(?s)'texd'.*'text'"):
        choice.check({"texd": 1}, "to.own")


def test_names_are_attributes() -> None:
    """A registered name is there at once; an unknown one is an AttributeError that names the nearest."""
    saver("spreadsheet_of_ours", dict)
    assert callable(to.spreadsheet_of_ours)
    with pytest.raises(UnknownAdapterError, match="parquet"):
        _ = to.parqet


def test_scripts_that_switch_off_what_is_not_there_run() -> None:
    """Telemetry and automatic loading can be switched off, though there is neither."""
    telemetry.disable_telemetry()
    assert not telemetry.is_telemetry_enabled()
    registry.disable_autoload()
    registry.enable_autoload()
    registry.initialize()
