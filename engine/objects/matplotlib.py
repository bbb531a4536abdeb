"""matplotlib: figures as pictures; what kind of picture, the suffix says."""

from __future__ import annotations

from matplotlib.figure import Figure

from engine.frames.base import FileFunction
from engine.objects.base import ObjectFiles

FIGURES = ObjectFiles(writers={Figure: FileFunction(Figure.savefig, "fname")})
