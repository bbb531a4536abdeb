"""Settings are read from one file of the project folder, and every fault in them is one clear sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.errors import ConfigurationError
from engine.settings import Settings, load_settings

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the settings of whoever runs the tests out of them."""
    monkeypatch.delenv("ENGINE_WAREHOUSE", raising=False)
    monkeypatch.delenv("ENGINE_METADATA", raising=False)


def write(folder: Path, text: str, name: str = "engine.toml") -> Path:
    """Write a settings file into a folder, and return the folder."""
    (folder / name).write_text(text, encoding="utf-8")
    return folder


def message_of(folder: Path) -> str:
    """Return the message of the error that loading must raise."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings(folder)
    return str(caught.value)


def test_defaults_need_only_modules(tmp_path: Path) -> None:
    """A project that names its modules gets its folder's name and an embedded warehouse."""
    settings = load_settings(write(tmp_path, 'modules = ["dataflow"]'))
    assert settings == Settings(project=tmp_path.name, directory=tmp_path.resolve(), modules=("dataflow",))
    assert settings.warehouse == "duckdb:///warehouse.duckdb"
    assert settings.metadata is None


def test_every_key_is_read(tmp_path: Path) -> None:
    """Each key of the file lands in the field of its name."""
    text = """
    project = "p"
    modules = ["a", "b.c"]
    materializers = ["a:saves", "b.c:more.saves"]
    warehouse = "sqlite:///w.db"
    metadata = "sqlite:///m.db"
    environment = "test"
    config = {region = "us"}
    inputs = {n = 3, days = [1, 2]}
    """
    settings = load_settings(write(tmp_path, text))
    assert (settings.project, settings.modules, settings.environment) == ("p", ("a", "b.c"), "test")
    assert settings.materializers == ("a:saves", "b.c:more.saves")
    assert (settings.warehouse, settings.metadata) == ("sqlite:///w.db", "sqlite:///m.db")
    assert (settings.config, settings.inputs) == ({"region": "us"}, {"n": 3, "days": [1, 2]})


def test_pyproject_table_serves_as_well(tmp_path: Path) -> None:
    """[tool.engine] of pyproject.toml is read where there is no engine.toml; a single text stands for a list of one."""
    write(tmp_path, '[tool.engine]\nmodules = "dataflow"\n[tool.other]\nx = 1', "pyproject.toml")
    assert load_settings(tmp_path).modules == ("dataflow",)


def test_settings_in_two_places_are_refused(tmp_path: Path) -> None:
    """Settings in both files are an error, not a silent choice."""
    write(tmp_path, '[tool.engine]\nmodules = "a"', "pyproject.toml")
    assert "twice" in message_of(write(tmp_path, 'modules = "b"'))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('module = "a"', "did you mean 'modules'?"),
        ('zzz = 1\nmodules = "a"', "there are: project, modules"),
        ("project = 'p'", "names no modules"),
        ("modules = 3", "modules in"),
        ("modules = [1]", "a text or a list of texts"),
        ("modules = 'a'\nwarehouse = ''", "warehouse in"),
        ("modules = 'a'\nconfig = 3", "config in"),
        ("modules = 'a'\nmaterializers = 'a.saves'", "module:attribute"),
        ("modules = [", "not valid TOML"),
    ],
)
def test_fault_is_named(tmp_path: Path, text: str, expected: str) -> None:
    """A fault in the file is reported with the key, the file and what to do."""
    message = message_of(write(tmp_path, text))
    assert expected in message
    assert "engine.toml" in message


def test_folder_without_settings_is_no_project(tmp_path: Path) -> None:
    """A folder without settings, and a folder that is not there, are told apart."""
    assert "engine init" in message_of(tmp_path)
    assert "there is no folder" in message_of(tmp_path / "absent")


def test_variables_are_put_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """${NAME}, ${NAME:-default} and $${NAME} work in nested values too."""
    monkeypatch.setenv("SECRET", "s3cret")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("UNSET", raising=False)
    text = """
    modules = ["${UNSET:-dataflow}"]
    warehouse = "postgresql://u:${SECRET}@h/${UNSET:-db}"
    config = {list = ["${EMPTY:-x}", "${EMPTY}", "$${SECRET}", 3]}
    """
    settings = load_settings(write(tmp_path, text))
    assert settings.modules == ("dataflow",)
    assert settings.warehouse == "postgresql://u:s3cret@h/db"
    assert settings.config == {"list": ["x", "", "${SECRET}", 3]}


def test_missing_variable_names_key_and_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is not set is an error that names it and the key, and shows no other value."""
    monkeypatch.delenv("UNSET_NAME", raising=False)
    text = 'modules = "a"\n[config]\nurl = "postgresql://u:hidden@h/${UNSET_NAME}"'
    message = message_of(write(tmp_path, text))
    assert "config.url" in message
    assert "UNSET_NAME" in message
    assert "hidden" not in message


@pytest.mark.parametrize("text", ["${", "${a-b}", "${A", "${A:+x}", "${}"])
def test_broken_reference_is_refused(tmp_path: Path, text: str) -> None:
    """A reference that is not written right is an error instead of being passed on."""
    assert "broken variable reference" in message_of(write(tmp_path, f'modules = "a"\nproject = "{text}"'))


def test_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENGINE_WAREHOUSE and ENGINE_METADATA replace the file's URLs, unset variables in which then do not matter."""
    monkeypatch.setenv("ENGINE_WAREHOUSE", "duckdb:///$x${y}.duckdb")
    monkeypatch.setenv("ENGINE_METADATA", "sqlite:///other.db")
    settings = load_settings(write(tmp_path, 'modules = "a"\nwarehouse = "${UNSET_NAME}"'))
    assert settings.warehouse == "duckdb:///$x${y}.duckdb"
    assert settings.metadata == "sqlite:///other.db"


def test_repr_shows_no_secret(tmp_path: Path) -> None:
    """Nothing that may hold a secret is part of the repr."""
    text = """
    modules = "a"
    warehouse = "postgresql://u:canary@h/db"
    metadata = "postgresql://u:canary@h/db"
    config = {key = "canary"}
    inputs = {key = "canary"}
    """
    assert "canary" not in repr(load_settings(write(tmp_path, text)))


def test_invalid_toml_shows_no_secret(tmp_path: Path) -> None:
    """The error about a file that is not TOML holds no line of it."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings(write(tmp_path, 'warehouse = "postgresql://u:canary@h/db" x'))
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None
