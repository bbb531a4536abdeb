"""Logging for scripts: one call that shows what is logged. Libraries leave it to those who use them."""

from __future__ import annotations

import logging
import sys

LOG_LEVELS = {name: logging.getLevelNamesMapping()[name] for name in ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")}
"""The levels by their names."""


def setup_logging(log_level: int | str = logging.INFO) -> None:
    """Show what is logged on standard output, unless the program has set up its logging already.

    Args:
        log_level: What is less important than this is left out; a number, or a name such as ``"DEBUG"``.
    """
    logging.basicConfig(level=log_level, stream=sys.stdout, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
