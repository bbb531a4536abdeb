"""scikit-learn: its displays (confusion matrices, curves, partial dependence …) as PNG pictures."""

from __future__ import annotations

from typing import Any

from sklearn import inspection, metrics, model_selection

from engine.frames.base import FileFunction
from engine.objects.base import ObjectFiles


def _save(display: Any, path: str, *, dpi: Any = 200, format: str = "png", **options: Any) -> None:
    if getattr(display, "figure_", None) is None:
        display.plot()
    display.figure_.savefig(path, dpi=dpi, format=format, **options)


_TYPES: tuple[type, ...] = tuple(
    kind
    for module in (inspection, metrics, model_selection)
    for name, kind in vars(module).items()
    if name.endswith("Display") and isinstance(kind, type)
)
DISPLAYS = ObjectFiles(writers={kind: FileFunction(_save, "path") for kind in _TYPES})
