"""Modules made on the spot."""

from __future__ import annotations

import inspect
import pickle
import sys
import traceback

import pytest

from engine.ad_hoc_utils import create_module, create_temporary_module, module_from_source
from engine.errors import DefinitionError
from engine.function_modifiers import tag
from engine.function_modifiers.base import functions_of, nodes_of

SOURCE = '''
from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Pair:
    left: int


def pair(left: int) -> Pair:
    """Make one."""
    return Pair(left)


def _helper() -> None:
    raise ValueError("no")


def broken(pair: Pair) -> int:
    return _helper()
'''


def doubled(number: int, *, times: int = 2) -> int:
    """Multiply."""
    return number * times


def _private() -> int:
    return 1


def test_functions_become_nodes_of_the_module() -> None:
    """A temporary module offers the functions as nodes, wherever they were defined."""
    module = create_temporary_module(doubled, module_name="ad_hoc_functions")
    assert [name for name, _ in functions_of(module)] == ["doubled"]
    assert module.doubled(3) == 6
    assert module.doubled.__module__ == "ad_hoc_functions"
    assert pickle.loads(pickle.dumps(module.doubled)) is module.doubled  # noqa: S301 - our own bytes


def test_given_functions_stay_as_they_are() -> None:
    """Making a module of a function changes nothing about it."""
    before = (doubled.__module__, dict(doubled.__dict__))
    first, second = create_temporary_module(doubled), create_temporary_module(doubled)
    assert (doubled.__module__, dict(doubled.__dict__)) == before
    assert first.__name__ != second.__name__


def test_modifiers_come_along() -> None:
    """A modified function keeps its modifiers in the module."""
    module = create_temporary_module(tag(owner="us")(lambda_free()))
    ((_, function),) = functions_of(module)
    assert nodes_of(function)[0].tags["owner"] == "us"


def lambda_free():  # noqa: ANN201, D103 - makes a function of its own for each test
    def one() -> int:
        return 1

    return one


@pytest.mark.parametrize("functions", [(_private,), (lambda: 1,), (doubled, doubled), (int,)])
def test_what_cannot_be_a_node_is_refused(functions: tuple[object, ...]) -> None:
    """Private functions, lambdas, classes, and two functions of one name are errors, and no module is left."""
    before = set(sys.modules)
    with pytest.raises(DefinitionError):
        create_temporary_module(*functions)
    assert set(sys.modules) == before


def test_a_taken_name_is_refused() -> None:
    """A module's name is not taken away from another module."""
    with pytest.raises(ValueError, match="'json'"):
        create_temporary_module(doubled, module_name="json")
    with pytest.raises(DefinitionError):
        module_from_source("", "json")


def test_source_text_becomes_a_module_that_keeps_it() -> None:
    """The text of a module's functions and classes can be had again, for fingerprints."""
    module = module_from_source(SOURCE, "ad_hoc_source")
    assert sys.modules["ad_hoc_source"] is module
    assert (
        inspect.getsource(module.pair) == 'def pair(left: int) -> Pair:\n    """Make one."""\n    return Pair(left)\n'
    )
    assert inspect.getsource(module.Pair).startswith("@dataclass\nclass Pair")
    assert inspect.getsource(module) == SOURCE
    assert [name for name, _ in functions_of(module)] == ["pair", "broken"]
    assert nodes_of(module.pair)[0].type is module.Pair


def test_a_traceback_shows_the_lines_of_the_text() -> None:
    """Who sees the traceback of a made module sees its code."""
    module = create_module(SOURCE)
    with pytest.raises(ValueError, match="no") as caught:
        module.broken(None)
    assert 'raise ValueError("no")' in "".join(traceback.format_exception(caught.value))


def test_text_that_fails_leaves_no_module() -> None:
    """A name stays free when the text does not run."""
    for text, error in (("def a(: pass", SyntaxError), ("1 / 0", ZeroDivisionError)):
        with pytest.raises(error):
            module_from_source(text, "ad_hoc_failing")
        assert "ad_hoc_failing" not in sys.modules


def test_made_up_names_are_the_same_in_every_process() -> None:
    """The made-up name of a module depends on its text alone while no other module has it."""
    name = module_from_source("x = 41").__name__
    del sys.modules[name]
    assert module_from_source("x = 41").__name__ == name
    assert module_from_source("x = 41").__name__ == f"{name}_2"
