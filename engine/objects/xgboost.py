"""XGBoost: models in its own JSON, which later versions can read."""

from __future__ import annotations

from typing import Any

import xgboost

from engine.frames.base import FileFunction
from engine.objects.base import ObjectFiles


def _load(path: str, *, kind: type) -> Any:
    model = kind()
    model.load_model(path)
    return model


_READER = FileFunction(_load, "path", like="kind")
MODELS = ObjectFiles(
    readers={xgboost.Booster: _READER, xgboost.XGBModel: _READER},
    writers={
        xgboost.Booster: FileFunction(xgboost.Booster.save_model, "fname"),
        xgboost.XGBModel: FileFunction(xgboost.XGBModel.save_model, "fname"),
    },
)
