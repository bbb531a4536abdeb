"""Every exception of the engine, as one tree.

```
EngineError
├── DefinitionError (ValueError)
│   ├── ModifierError
│   ├── AnnotationError
│   ├── DuplicateNodeError
│   ├── EdgeTypeError
│   ├── CycleError
│   ├── ConfigurationError
│   └── ValidationError
├── RequestError (ValueError)
│   ├── UnknownNodeError
│   ├── InputError
│   ├── OptionError
│   ├── BlockError
│   └── UnknownAdapterError (AttributeError)
├── ExtensionError
├── ExecutionError
│   ├── NodeError
│   ├── DataQualityError
│   └── ExecutorError
├── StorageError
│   ├── LoadError
│   └── SaveError
│       ├── SchemaMismatchError
│       └── ConcurrentWriteError
└── MetadataError
    ├── MigrationRequiredError
    └── RunNotFoundError
```

Attributes carry the facts, a classmethod writes the sentence where it is more than one line long, and ``hint`` says
what to do next. No message ever holds a password: connection faults pass through ``engine.dialects.secrets`` first.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence


_FEW = 12
"""So many names fit into a hint."""


def did_you_mean(name: str, candidates: Iterable[str]) -> tuple[str, ...]:
    """Return up to three candidates that look like ``name``, best first.

    >>> did_you_mean("wether", ["weather", "planes"])
    ('weather',)
    """
    return tuple(difflib.get_close_matches(name, list(candidates), n=3, cutoff=0.6))


class EngineError(Exception):
    """Base of every error the engine raises on purpose.

    Args:
        message: One sentence that names the thing and says what is wrong.
        hint: What to do next, shown on a line of its own.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


class DefinitionError(EngineError, ValueError):
    """The dataflow itself is wrong; nothing ran."""

    @staticmethod
    def together(faults: Sequence[DefinitionError]) -> DefinitionError:
        """Return the one error, or one that lists them all: of their class, where they share one."""
        if len(faults) == 1:
            return faults[0]
        kinds, hints = {type(fault) for fault in faults}, {fault.hint for fault in faults}
        shared = kinds.pop() if len(kinds) == 1 else DefinitionError
        lines = [fault.message if len(hints) == 1 else str(fault) for fault in faults]
        text = "".join("\n  - " + line.replace("\n", "\n    ") for line in lines)
        return shared(
            f"{len(faults)} things are wrong with the dataflow:{text}", hint=hints.pop() if len(hints) == 1 else ""
        )


class ModifierError(DefinitionError):
    """A function modifier is used wrongly."""


class AnnotationError(DefinitionError):
    """A type annotation is missing, cannot be resolved, or says what cannot be."""


class DuplicateNodeError(DefinitionError):
    """Two things of the dataflow claim one name."""


class EdgeTypeError(DefinitionError):
    """A node gives a type that its reader's parameter does not accept."""


class CycleError(DefinitionError):
    """Nodes depend on one another in a circle.

    Attributes:
        path: The names along the circle, the first repeated at the end.
    """

    def __init__(self, path: Sequence[str]) -> None:
        self.path = tuple(path)
        super().__init__(
            f"the nodes {' → '.join(self.path)} form a cycle",
            hint="rename a parameter or move one of these functions' inputs so that no node depends on itself",
        )


class ConfigurationError(DefinitionError):
    """Settings or configuration cannot be used: a bad value, an unknown key, a module that does not import."""


class ValidationError(DefinitionError):
    """A static validator among the adapters refuses the dataflow; all that is wrong is told together.

    Attributes:
        faults: One sentence per fault.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("the dataflow is not valid:" + "".join(f"\n  - {fault}" for fault in self.faults))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.faults,), self.__dict__


class RequestError(EngineError, ValueError):
    """This call cannot be served; nothing ran."""


class UnknownNodeError(RequestError):
    """A name that no node of the dataflow has.

    Attributes:
        name: The unknown name.
        near: Names of nodes that look like it, best first.
    """

    def __init__(self, name: str, near: Sequence[str] = (), *, what: str = "node", known: Collection[str] = ()) -> None:
        self.name = name
        self.near = tuple(near)
        if self.near:
            hint = f"did you mean {' or '.join(repr(n) for n in self.near)}?"
        elif 0 < len(known) <= _FEW:
            hint = f"there are: {', '.join(sorted(known))}"
        else:
            hint = f"list the {what}s there are"
        super().__init__(f"there is no {what} named {name!r}", hint=hint)

    @classmethod
    def among(cls, name: str, names: Iterable[str], *, what: str = "node") -> Self:
        """Make the error for ``name``, looking for similar ones in ``names``."""
        known = list(names)
        return cls(name, did_you_mean(name, known), what=what, known=known)


class InputError(RequestError):
    """Inputs are missing or of the wrong type; all faults of a call are reported together.

    Attributes:
        faults: One sentence per fault.
    """

    def __init__(self, faults: Sequence[str], *, hint: str = "") -> None:
        self.faults = tuple(faults)
        text = self.faults[0] if len(self.faults) == 1 else "".join(f"\n  - {fault}" for fault in self.faults)
        super().__init__(text if len(self.faults) == 1 else f"{len(self.faults)} inputs are wrong:{text}", hint=hint)


class OptionError(RequestError):
    """A loader, saver or modifier is given an option it does not have, or lacks one it needs."""

    @classmethod
    def unknown(cls, option: str, owner: str, options: Iterable[str]) -> Self:
        """Make the error for an option that ``owner`` does not have."""
        known = sorted(options)
        near = did_you_mean(option, known)
        hint = f"did you mean {' or '.join(repr(n) for n in near)}?" if near else f"it takes: {', '.join(known)}"
        return cls(f"{owner} has no option {option!r}", hint=hint)


class BlockError(RequestError):
    """Nodes that are to run once per item cannot: they are nested, or the driver was not told to run any."""


class UnknownAdapterError(RequestError, AttributeError):
    """``from_`` or ``to`` has no loader or saver of this name."""


class ExtensionError(EngineError):
    """A plug-in is absent, broken or of the wrong kind."""


class ExecutionError(EngineError):
    """Something failed while running.

    Attributes:
        run_id: The run it happened in, where one is recorded.
    """

    run_id: str | None = None


class NodeError(ExecutionError):
    """The function of a node raised; the cause is chained with the user's own traceback.

    Attributes:
        node: The name of the node.
    """

    def __init__(self, node: str, cause: BaseException) -> None:
        self.node = node
        super().__init__(f"node {node!r} failed: {type(cause).__name__}: {cause}")
        self.__cause__ = cause

    def __reduce__(self) -> tuple[Any, ...]:
        # Without this, an executor's worker could not send the error home.
        return type(self), (self.node, self.__cause__), self.__dict__


class DataQualityError(ExecutionError):
    """A check that must hold did not."""


class ExecutorError(ExecutionError):
    """An executor lost its workers or cannot take a node."""


class StorageError(EngineError):
    """A database or a file said no.

    Attributes:
        location: The table, file or URL it is about; a URL is shown without its password.
    """

    def __init__(self, message: str, *, location: str = "", hint: str = "") -> None:
        self.location = location
        super().__init__(message, hint=hint)

    def locate(self, location: str, what: str) -> None:
        """Name the table or file where the error does not know it yet: ``what`` cannot be done to it."""
        if not self.location:
            self.location, self.message = location, f"{location} {what}: {self.message}"


class LoadError(StorageError):
    """A table, query or file cannot be read."""


class SaveError(StorageError):
    """A value cannot be written; what was there before stands."""


class SchemaMismatchError(SaveError):
    """The columns of a value do not fit the table it goes to.

    Attributes:
        missing: Columns that the table needs and the value lacks.
        unexpected: Columns that the value has and the table lacks.
        differing: Columns whose types differ, as ``name: type in the value → type in the table``.
        lost: What belongs to the table and cannot be kept with the value's columns.
    """

    def __init__(
        self,
        location: str,
        *,
        missing: Sequence[str] = (),
        unexpected: Sequence[str] = (),
        differing: Sequence[str] = (),
        lost: Sequence[str] = (),
        hint: str = "",
    ) -> None:
        self.missing, self.unexpected, self.differing = tuple(missing), tuple(unexpected), tuple(differing)
        self.lost = tuple(lost)
        parts = [
            f"{label}: {', '.join(names)}"
            for label, names in (
                ("missing", self.missing),
                ("unexpected", self.unexpected),
                ("of another type", self.differing),
                ("and a new table would lose", self.lost),
            )
            if names
        ]
        super().__init__(f"the columns do not fit {location}: {'; '.join(parts)}", location=location, hint=hint)


class ConcurrentWriteError(SaveError):
    """Another run holds, or has just written, the same output.

    Attributes:
        holder: What is known of the other one.
    """

    def __init__(self, message: str, *, location: str = "", holder: str = "", hint: str = "") -> None:
        self.holder = holder
        super().__init__(message, location=location, hint=hint)


class MetadataError(EngineError):
    """The metadata store cannot serve."""


class MigrationRequiredError(MetadataError):
    """The schema of the metadata store is not the one this version of the engine works with."""


class RunNotFoundError(MetadataError):
    """No run has this id."""
