"""LightGBM: boosters in its own text format.

A model of its scikit-learn face is saved as its booster and read back as one: the file does not hold the rest.
"""

from __future__ import annotations

from typing import Any

import lightgbm

from engine.frames.base import FileFunction
from engine.objects.base import ObjectFiles


def _save(
    model: lightgbm.LGBMModel,
    path: str,
    *,
    num_iteration: int | None = None,
    start_iteration: int = 0,
    importance_type: str = "split",
) -> None:
    model.booster_.save_model(path, num_iteration, start_iteration, importance_type)


def _load(path: str, *, kind: Any) -> Any:
    return kind(model_file=path)


_READER = FileFunction(_load, "path", like="kind")
MODELS = ObjectFiles(
    readers={lightgbm.Booster: _READER, lightgbm.CVBooster: _READER},
    writers={
        lightgbm.Booster: FileFunction(lightgbm.Booster.save_model, "filename"),
        lightgbm.CVBooster: FileFunction(lightgbm.CVBooster.save_model, "filename"),
        lightgbm.LGBMModel: FileFunction(_save, "path"),
    },
)
