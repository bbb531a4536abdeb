"""A loader and a saver of one's own: XGBoost models as JSON files.

Importing this module registers both, and then they stand beside the built-in ones: ``from_.xgboost_json(…)``,
``to.xgboost_json(…)``, ``@load_from.xgboost_json(…)`` and ``@save_to.xgboost_json(…)``.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xgboost as xgb

from engine.io.data_adapters import DataLoader, DataSaver, FileSource, FileTarget
from engine.io.utils import get_file_metadata
from engine.registry import register_adapter


@dataclass
class XGBoostJsonLoader(DataLoader):
    """Read a model from the JSON file it was saved to.

    Attributes:
        path: The file.
    """

    path: str

    @classmethod
    def name(cls) -> str:
        """Return the word after ``from_.`` and ``@load_from.``."""
        return "xgboost_json"

    @classmethod
    def applicable_types(cls) -> Collection[type]:
        """Return the types a node or parameter may ask for."""
        return [xgb.Booster]

    def load_data(self, type_: type) -> tuple[xgb.Booster, dict[str, Any]]:
        """Return the model, as a ``type_``, and where it came from."""
        model = type_()
        model.load_model(self.path)
        return model, get_file_metadata(self.path)

    def source(self) -> FileSource:
        """Say beforehand what is read, so that a changed file makes what was computed from it stale."""
        return FileSource(self.path)


@dataclass
class XGBoostJsonSaver(DataSaver):
    """Write a model to a JSON file.

    Attributes:
        path: The file; it is replaced when the new one is complete.
    """

    path: str

    @classmethod
    def name(cls) -> str:
        """Return the word after ``to.`` and ``@save_to.``."""
        return "xgboost_json"

    @classmethod
    def applicable_types(cls) -> Collection[type]:
        """Return the types of the values it saves."""
        return [xgb.Booster]

    def save_data(self, data: xgb.Booster) -> dict[str, Any]:
        """Write aside, then rename, and return what was written."""
        target = Path(self.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}")  # the suffix stays: XGBoost chooses the format by it
        data.save_model(aside)
        aside.replace(target)
        return get_file_metadata(target)

    def target(self) -> FileTarget:
        """Say beforehand what is written, so that the engine notices when it is gone."""
        return FileTarget(self.path)


register_adapter(XGBoostJsonLoader)
register_adapter(XGBoostJsonSaver)
