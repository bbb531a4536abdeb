"""Fingerprinting: how the values of your own types are hashed.

@hash_value.register(Model)
def _(obj: Model, *args: Any, depth: int = 0, **kwargs: Any) -> str:
    return obj.digest
"""

from __future__ import annotations

from engine.errors import ConfigurationError
from engine.planning.fingerprint.values import UNHASHABLE, hash_value

__all__ = ["UNHASHABLE", "hash_value", "set_max_depth"]


def set_max_depth(depth: int) -> None:
    """Accept how deep values are looked into; they are looked into wholly, since what is not seen may have changed.

    Raises:
        ConfigurationError: The depth is no whole number.
    """
    if not isinstance(depth, int) or depth < 0:
        raise ConfigurationError(f"a depth is a number from 0 upwards, not {depth!r}", hint="leave the call out")
