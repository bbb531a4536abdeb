"""Values held against pandera schemas and pydantic models."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from engine.errors import DataQualityError, ModifierError
from engine.function_modifiers import check_output
from engine.function_modifiers.base import nodes_of

Built = Any


def test_pydantic(built: Built) -> None:
    """A dictionary or a model is held against a model, named or annotated; nothing is converted."""
    pydantic = pytest.importorskip("pydantic")
    from engine.plugins import h_pydantic

    model = pydantic.create_model("Model", x=int)

    def f(a: Any) -> dict[str, Any]:
        return {"x": a}

    def g(a: Any) -> Any:
        return {"x": a}

    g.__annotations__["return"] = model
    driver = built(check_output(model=model, importance="fail")(f), h_pydantic.check_output(importance="fail")(g))
    assert "g_pydantic_validator" in {node.name for node in driver.list_available_variables()}
    assert driver.execute(["f", "g"], inputs={"a": 1}) == {"f": {"x": 1}, "g": {"x": 1}}
    for name in ("f", "g"):
        with pytest.raises(DataQualityError, match=rf"'{name}' did not pass .*x \(int_type\)"):
            driver.execute([name], inputs={"a": "1"})
    with pytest.raises(ModifierError, match="no pydantic model"):
        nodes_of(h_pydantic.check_output()(_plain()))
    with pytest.raises(ModifierError, match="neither 'warn' nor 'fail'"):
        h_pydantic.check_output(importance="x")(_plain())


def _plain() -> Any:
    def f(a: int) -> int:
        return a

    return f


def test_pandera(built: Built) -> None:
    """A frame is held against a schema, named or in its annotation; all that differs is collected."""
    pandera = pytest.importorskip("pandera.pandas")
    typing = pytest.importorskip("pandera.typing")
    from engine.plugins import h_pandera

    class Model(pandera.DataFrameModel):  # type: ignore[misc]  # of a library without types here
        """One column."""

        x: int

    def f(a: Any) -> pd.DataFrame:
        return pd.DataFrame({"x": [a]})

    def g(a: Any) -> Any:
        return pd.DataFrame({"x": [a]})

    g.__annotations__["return"] = typing.DataFrame[Model]
    schema = pandera.DataFrameSchema({"x": pandera.Column(int, pandera.Check.gt(0))})
    driver = built(check_output(schema=schema, importance="fail")(f), h_pandera.check_output(importance="fail")(g))
    assert "g_pandera_schema_validator" in {node.name for node in driver.list_available_variables()}
    assert driver.execute(["f", "g"], inputs={"a": 1})["g"]["x"].to_list() == [1]
    for name in ("f", "g"):
        with pytest.raises(DataQualityError, match=f"'{name}' did not pass pandera_schema_validator"):
            driver.execute([name], inputs={"a": "text"})
    with pytest.raises(ModifierError, match="names no pandera model"):
        nodes_of(h_pandera.check_output()(_plain()))
