"""What fits what: annotations against annotations, values against annotations."""

from __future__ import annotations

import collections.abc as cabc
import typing
from typing import Annotated, Any, Literal, NewType, Optional, Protocol, TypedDict, TypeVar, Union

import pandas as pd
import polars as pl
import pytest

from engine import htypes
from engine.htypes import Collect, Parallelizable, fits, fits_value, is_collect, is_optional, is_parallelizable


class Animal:
    """A base class."""


class Cat(Animal):
    """A class under it."""


class HasName(Protocol):
    """A protocol that cannot be checked at run time."""

    name: str


class Row(TypedDict):
    """A typed dictionary."""

    a: int


T = TypeVar("T")
BoundT = TypeVar("BoundT", bound=Animal)
Number = TypeVar("Number", int, float)
Meters = NewType("Meters", int)

FITTING = [
    (int, int),
    (bool, int),
    (Cat, Animal),
    (int, Any),
    (Any, int),
    (Any, list[int]),
    (int, object),
    (int | None, object),
    (dict, dict[str, int]),
    (dict[str, int], dict),
    (dict[str, int], typing.Dict[str, int]),  # noqa: UP006 - the old spelling must fit the new
    (dict[str, int], cabc.Mapping[str, int]),
    (list, list[int]),
    (list[int], cabc.Sequence[int]),
    (list[int], cabc.Iterable),
    (list[Any], list[int]),
    (list[dict], list[dict[str, int]]),
    (int, int | None),
    (type(None), Optional[int]),  # noqa: UP045 - the old spelling must fit
    (bool, Union[int, str]),  # noqa: UP007 - the old spelling must fit
    (int | str, Union[str, int]),  # noqa: UP007 - as above
    (list[int], list[int] | None),
    (Annotated[Cat, "x"], Animal),
    (int, Annotated[int, "x"]),
    (Row, dict),
    (Row, dict[str, Any]),
    (Row, Row),
    (Meters, int),
    (Meters, Meters),
    (T, int),
    (int, T),
    (Cat, BoundT),
    (int, Number),
    (Literal["a"], str),
    (Literal["a"], Literal["a", "b"]),
    (type[Cat], type[Animal]),
    (tuple[int, str], tuple),
    (tuple[int, int], tuple[int, ...]),
    (tuple[int, int], cabc.Sequence[int]),
    (cabc.Generator[int, None, None], cabc.Iterator[int]),
    (cabc.Callable[[int], int], cabc.Callable),
    (cabc.Callable[[int], int], cabc.Callable[[int], int]),
    (Animal, HasName),
    (pd.DataFrame, pd.DataFrame),
    (Parallelizable[int], int),
    (Parallelizable[list[int]], cabc.Sequence),
    (Parallelizable, str),
    (int, Collect[int]),
    (Parallelizable[int], Collect[int]),
]

REFUSED = [
    (int, float),
    (float, int),
    (int, bool),
    (object, int),
    (Animal, Cat),
    (int | None, int),
    (int | None, float | None),
    (int | str, int | str | float),
    (int | str, int),
    (dict[str, int], dict[str, str]),
    (list[bool], list[int]),
    (list[int], list[int | str]),
    (cabc.Sequence, list),
    (dict, Row),
    (int, Row),
    (int, Meters),
    (int, BoundT),
    (str, Number),
    (str, Literal["a"]),
    (Literal["a", "c"], Literal["a", "b"]),
    (Literal[1], str),
    (tuple[int, str], tuple[int, ...]),
    (tuple[int, str], tuple[int]),
    (type[Animal], type[Cat]),
    (cabc.Callable[[int], int], cabc.Callable[[str], int]),
    (pd.Series, pd.DataFrame),
    (pl.DataFrame, pl.LazyFrame),
    (Parallelizable[str], int),
    (str, Collect[int]),
]


@pytest.mark.parametrize(("producer", "consumer"), FITTING, ids=str)
def test_an_edge_that_fits(producer: Any, consumer: Any) -> None:
    """The output may go into the parameter."""
    assert fits(producer, consumer)


@pytest.mark.parametrize(("producer", "consumer"), REFUSED, ids=str)
def test_an_edge_that_does_not_fit(producer: Any, consumer: Any) -> None:
    """The output may not go into the parameter."""
    assert not fits(producer, consumer)


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (1, int),
        (True, int),
        (1, Any),
        (1, object),
        (None, int),
        (None, pd.DataFrame),
        (["a"], list[int]),
        ({1: 1}, dict[str, int]),
        ({"a": 1}, cabc.Mapping[str, int]),
        ([1, "a"], cabc.Sequence[int]),
        ([], cabc.Sequence[int]),
        ([None, "a"], cabc.Sequence[int]),
        ("abc", cabc.Sequence[str]),
        ((1,), tuple[int, str]),
        (1, int | None),
        ("a", int | str),
        ("a", Literal["a", "b"]),
        (1, Annotated[int, "x"]),
        (1, Meters),
        (1, T),
        (Cat(), BoundT),
        ({"b": 1}, Row),
        (len, cabc.Callable[[int], int]),
        (Cat, type[Animal]),
        (1, HasName),
        ([1], Collect[int]),
        (pl.DataFrame(), pl.DataFrame),
    ],
)
def test_an_input_that_fits(value: Any, type_: Any) -> None:
    """The value may be given as this input."""
    assert fits_value(value, type_)


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (1, float),
        (1.0, int),
        (1, bool),
        ((1,), list[int]),
        (["a"], cabc.Sequence[int]),
        ([["a"]], cabc.Sequence[cabc.Sequence[int]]),
        ("abc", cabc.Sequence[int]),
        ({1}, cabc.Sequence[int]),
        ("a", int | None),
        (1.0, int | str),
        ("c", Literal["a", "b"]),
        ("a", Meters),
        (1, BoundT),
        (1, Row),
        (1, cabc.Callable),
        (1, type[Animal]),
        (1, pd.DataFrame),
    ],
)
def test_an_input_that_does_not_fit(value: Any, type_: Any) -> None:
    """The value may not be given as this input."""
    assert not fits_value(value, type_)


def test_a_parallelizable_may_be_yielded() -> None:
    """A generator function may be annotated to return a `Parallelizable`."""

    def numbers() -> Parallelizable[int]:
        yield from range(3)

    assert list(numbers()) == [0, 1, 2]


def test_predicates_see_through_annotated() -> None:
    """What a type is does not depend on what is said about it."""
    assert is_parallelizable(Annotated[Parallelizable[int], "x"])
    assert is_collect(Annotated[Collect[int], "x"])
    assert is_optional(Annotated[int | None, "x"])
    assert not is_parallelizable(list[int])


def test_names_of_types_are_those_people_write() -> None:
    """Messages name a class of a library with its module, a builtin without."""
    assert htypes.type_name(pd.DataFrame) == "pandas.DataFrame"
    assert htypes.type_name(dict[str, Any]) == "dict[str, Any]"
    assert htypes.type_name(Any) == "Any"
