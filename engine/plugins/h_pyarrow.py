"""Arrow: the result builder that gives one frame as an Arrow table."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from engine.errors import SaveError
from engine.frames import library_of
from engine.lifecycle.api import ResultBuilder


class PyarrowTableResult(ResultBuilder):
    """Give one frame, of whatever library, as an Arrow table."""

    def build_result(self, **outputs: Any) -> pa.Table:
        """Return the frame as a table.

        **Shape**: that of the frame.

        Raises:
            SaveError: There are several outputs, or the one is no frame.
        """
        if len(outputs) != 1:
            raise SaveError(
                f"an Arrow table is made of one frame, but {len(outputs)} nodes are given: {', '.join(outputs)}",
                hint="ask for one node, or join them in a node",
            )
        ((name, value),) = outputs.items()
        library = library_of(value)
        if library is None:
            raise SaveError(
                f"node {name!r} gives a {type(value).__qualname__}, which is no frame",
                hint="ask for a node that gives a pandas, polars or Arrow frame",
            )
        return value if isinstance(value, pa.Table) else library.to_arrow(value).read_all()

    def output_type(self) -> Any:
        """Return `pyarrow.Table`."""
        return pa.Table
