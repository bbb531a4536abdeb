"""Result builders: what a driver's call gives back, and what ``combine=`` of a materializer joins nodes into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.errors import SaveError
from engine.lifecycle.api import GraphAdapter, LegacyResultMixin, ResultBuilder

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import polars as pl


HamiltonGraphAdapter = GraphAdapter


class ResultMixin(LegacyResultMixin):
    """Apache Hamilton's older name of a result builder."""


class ResultShapeError(SaveError, ValueError):
    """Values do not go together in one result."""


class DictResult(ResultMixin):
    """Give the values as they are, by name."""

    def build_result(self, **outputs: Any) -> dict[str, Any]:
        """Return the outputs as a dictionary, in the order asked for.

        >>> DictResult().build_result(a=1)
        {'a': 1}
        """
        return outputs

    def output_type(self) -> type:
        """Return `dict`."""
        return dict


class PandasDataFrameResult(ResultMixin):
    """Join series, frames and scalars into one pandas frame.

    **Shape**: series and frames are joined by their index (outer join); scalars are repeated over all rows; one frame
    alone is given as it is; the columns of a frame beside others are named ``node.column``; scalars alone make one row.
    """

    def build_result(self, **outputs: Any) -> pd.DataFrame:
        """Return one frame with one column per series or scalar, and those of every frame."""
        import pandas as pd

        if len(outputs) == 1:
            (only,) = outputs.values()
            if isinstance(only, pd.DataFrame):
                return only
        indexed: dict[str, pd.Series[Any]] = {}
        scalars: dict[str, Any] = {}
        for name, value in outputs.items():
            if isinstance(value, pd.DataFrame):
                indexed |= {f"{name}.{column}": value[column] for column in value.columns}
            elif isinstance(value, pd.Series):
                indexed[name] = value
            elif isinstance(value, pd.Index):
                indexed[name] = value.to_series()
            else:
                scalars[name] = value
        if not indexed:
            columns = {n: list(v) if _is_sequence(v) else [v] for n, v in scalars.items()}
            return pd.DataFrame(columns)
        frame = pd.concat(indexed, axis=1)
        for name, value in scalars.items():
            frame[name] = value
        # The caller's order counts, not the order in which kinds of values were met.
        return frame[[c for n in outputs for c in frame.columns if c == n or str(c).startswith(f"{n}.")]]

    def output_type(self) -> type:
        """Return `pandas.DataFrame`."""
        import pandas as pd

        return pd.DataFrame


class StrictIndexTypePandasDataFrameResult(PandasDataFrameResult):
    """Join series, frames and scalars into one pandas frame, if all indexes are of one type."""

    def build_result(self, **outputs: Any) -> pd.DataFrame:
        """Return one frame.

        Raises:
            ResultShapeError: Indexes differ in type, so that joining them would give nonsense.
        """
        import pandas as pd

        kinds: dict[str, list[str]] = {}
        for name, value in outputs.items():
            if isinstance(value, pd.DataFrame | pd.Series):
                kinds.setdefault(f"{type(value.index).__name__} of {value.index.dtype}", []).append(name)
        if len(kinds) > 1:
            said = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in kinds.items())
            raise ResultShapeError(f"the nodes' indexes differ in type: {said}", hint="give them one kind of index")
        return super().build_result(**outputs)


class NumpyMatrixResult(ResultMixin):
    """Put vectors and scalars side by side into one matrix.

    **Shape**: one row per element, one column per output; scalars are repeated.
    """

    def build_result(self, **outputs: Any) -> np.matrix[Any, Any]:
        """Return the matrix.

        Raises:
            ResultShapeError: Vectors differ in length.
        """
        import numpy as np

        columns = {name: np.asarray(value) for name, value in outputs.items()}
        lengths = {name: len(column) for name, column in columns.items() if column.ndim}
        if len(set(lengths.values())) > 1:
            raise ResultShapeError(
                f"the nodes differ in length and make no matrix: {lengths}", hint="align them in a node"
            )
        height = next(iter(lengths.values()), 1)
        return np.column_stack([np.broadcast_to(column, (height,)) for column in columns.values()]).view(np.matrix)

    def output_type(self) -> Any:
        """Return `numpy.matrix`."""
        import numpy as np

        return np.matrix


class PolarsDataFrameResult(ResultMixin):
    """Put series, one-column frames and scalars side by side into one polars frame.

    **Shape**: all series have the same length, whatever library or list they come from; scalars are repeated; one frame
    alone is given as it is.
    """

    def build_result(self, **outputs: Any) -> pl.DataFrame:
        """Return one frame with one column per output.

        Raises:
            SaveError: The outputs differ in length.
        """
        import polars as pl

        if len(outputs) == 1:
            (only,) = outputs.values()
            if isinstance(only, pl.LazyFrame):
                return only.collect()
            if isinstance(only, pl.DataFrame):
                return only
        columns: list[pl.Series] = []
        scalars: dict[str, Any] = {}
        for name, value in outputs.items():
            if isinstance(value, pl.Series):
                columns.append(value.alias(name))
            elif (frame := _polars_frame(value)) is not None:
                columns += [frame[c].alias(f"{name}.{c}") for c in frame.columns]
            elif isinstance(value, list) or (hasattr(value, "__array__") and hasattr(value, "__len__")):
                columns.append(pl.Series(name, value))
            else:
                scalars[name] = value
        lengths = {column.name: len(column) for column in columns}
        if len(set(lengths.values())) > 1:
            raise SaveError(f"the nodes differ in length and make no frame: {lengths}", hint="join them in a node")
        frame = pl.DataFrame(columns) if columns else pl.DataFrame({n: [v] for n, v in scalars.items()})
        if columns:
            frame = frame.with_columns(**{n: pl.lit(v) for n, v in scalars.items()})
        return frame.select([c for n in outputs for c in frame.columns if c == n or c.startswith(f"{n}.")])

    def output_type(self) -> type:
        """Return `polars.DataFrame`."""
        import polars as pl

        return pl.DataFrame


def _polars_frame(value: Any) -> pl.DataFrame | None:
    """Return a frame of any library as one of polars, or None for what is no frame."""
    import polars as pl

    from engine.frames import library_of

    if isinstance(value, pl.DataFrame | pl.LazyFrame):
        return value.lazy().collect()
    library = library_of(value)
    if library is None or not isinstance(value, library.frame_types):
        return None
    return pl.DataFrame(library.to_arrow(value).read_all())


class SimplePythonDataFrameGraphAdapter(PandasDataFrameResult):
    """Apache Hamilton's older name of `PandasDataFrameResult`."""


class SimplePythonGraphAdapter(ResultMixin):
    """Apache Hamilton's older way to name a result builder.

    Args:
        result_builder: It; a dictionary unless given.
    """

    def __init__(self, result_builder: ResultBuilder | None = None) -> None:
        self.result_builder = result_builder or DictResult()

    def build_result(self, **outputs: Any) -> Any:
        """Return what the result builder makes of the outputs."""
        return self.result_builder.build_result(**outputs)

    def output_type(self) -> Any:
        """Return the type of what it makes."""
        return self.result_builder.output_type()


class DefaultAdapter(SimplePythonGraphAdapter):
    """Apache Hamilton's default: a dictionary."""


def _is_sequence(value: Any) -> bool:
    return isinstance(value, list | tuple)
