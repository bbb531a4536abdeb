"""Fingerprint: the code version of a function, and the canonical hash of a value.

(Skeleton: the public surface that `engine.planning` relies on.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.metadata.records import CodeUnit

SCHEME = 1


@dataclass(frozen=True, slots=True)
class CodeVersion:
    """Fingerprint of a function and of all project code it reaches.

    Attributes:
        version: The folded hash.
        units: Every function, class and constant in it, each with its own hash, so that two versions can be compared by name.
        completeness: ``complete``, ``dynamic``, ``opaque`` or ``no_source``: how airtight the hash is.
        warnings: One sentence each for what makes it less than complete, or nondeterministic.
    """

    version: str
    units: tuple[CodeUnit, ...]
    completeness: str
    warnings: tuple[str, ...] = ()


class Fingerprinter:
    """Fingerprints functions; parses each source file once and remembers what it has seen. One instance per plan.

    Args:
        project_modules: Modules (and their packages) that are project code wherever they are installed.
    """

    def __init__(self, project_modules: Iterable[str] = ()) -> None: ...

    def code_version(self, function: Callable[..., Any]) -> CodeVersion: ...


def value_hash(value: Any) -> str | None:
    """Hash a value canonically (type included), or None where it cannot be hashed exactly."""


def fold(*parts: Any) -> str:
    """BLAKE2b-160 over a typed, length-prefixed encoding of str, bytes, int, float, bool, None, tuples, lists and dicts."""
