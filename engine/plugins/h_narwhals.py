"""narwhals: nodes written once for every frame library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals as nw

from engine.lifecycle.api import ResultBuilder
from engine.lifecycle.contracts import BaseDoNodeExecute
from engine.node import NodeKind

if TYPE_CHECKING:
    from engine.node import Node

_OF_NARWHALS = (nw.DataFrame, nw.LazyFrame, nw.Series)


class NarwhalsAdapter(BaseDoNodeExecute):
    """Shows frames and columns to nodes as narwhals', and hands on the library's own.

    A parameter that is annotated with a library's own type, such as ``pd.DataFrame``, is given that; so are savers.
    """

    def do_node_execute(
        self,
        *,
        run_id: str,  # noqa: ARG002 - the contract's signature
        node_: Node,
        kwargs: dict[str, Any],
        task_id: str | None = None,  # noqa: ARG002 - the contract's signature
    ) -> Any:
        """Return the node's value, frames and columns as those of their library."""
        if node_.kind is NodeKind.FUNCTION:
            kwargs = {
                name: value if _is_native(node_.parameter_types.get(name)) else _shown(value)
                for name, value in kwargs.items()
            }
        return _own(node_(**kwargs))


class NarwhalsDataFrameResultBuilder(ResultBuilder):
    """Hands frames and columns to another result builder as those of their library.

    Args:
        result_builder: The other one.
    """

    def __init__(self, result_builder: ResultBuilder) -> None:
        self.result_builder = result_builder

    def build_result(self, **outputs: Any) -> Any:
        """Return what the other result builder makes of the outputs."""
        return self.result_builder.build_result(**{name: _own(value) for name, value in outputs.items()})

    def output_type(self) -> Any:
        """Return the type of what the other one makes."""
        return self.result_builder.output_type()


def _is_native(annotation: Any) -> bool:
    """Say whether an annotation is a frame or column type of a library itself."""
    return (
        isinstance(annotation, type)
        and annotation.__name__ in {"DataFrame", "LazyFrame", "Series", "Table", "ChunkedArray"}
        and annotation not in _OF_NARWHALS
    )


def _shown(value: Any) -> Any:
    return nw.from_native(value, pass_through=True, allow_series=True)


def _own(value: Any) -> Any:
    return nw.to_native(value, pass_through=True)
