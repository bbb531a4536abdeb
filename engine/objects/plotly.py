"""plotly: figures as web pages (``html``) and, where kaleido is installed, as pictures (``plotly``)."""

from __future__ import annotations

import plotly.io
from plotly.basedatatypes import BaseFigure

from engine.frames.base import FileFunction
from engine.objects.base import ObjectFiles

PAGES = ObjectFiles(writers={BaseFigure: FileFunction(plotly.io.write_html, "file")})
PICTURES = ObjectFiles(writers={BaseFigure: FileFunction(plotly.io.write_image, "file", renamed={"engine": None})})
