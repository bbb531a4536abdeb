"""Telemetry: there is none. These functions are for scripts that switch off Apache Hamilton's."""

from __future__ import annotations


def disable_telemetry() -> None:
    """Do nothing: nothing is ever sent."""


def is_telemetry_enabled() -> bool:
    """Say no."""
    return False
