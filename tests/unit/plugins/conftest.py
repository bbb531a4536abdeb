"""Drivers of functions written in a test."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine.ad_hoc_utils import create_temporary_module
from engine.driver import Builder, Driver

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def built() -> Callable[..., Driver]:
    """Give a function that builds a driver of functions under a configuration."""

    def build(*functions: Callable[..., Any], **config: Any) -> Driver:
        return Builder().with_modules(create_temporary_module(*functions)).with_config(config).build()

    return build
