"""What a run says of where it runs is true."""

from __future__ import annotations

import importlib.metadata

from engine.metadata import surroundings


def test_versions_are_what_the_distributions_say() -> None:
    """The recorded versions of imported packages are those that the whole of their metadata gives."""
    found = surroundings.packages().versions
    assert {"pytest", "sqlalchemy"} <= {name.lower() for name, _ in found}
    assert found == tuple((name, importlib.metadata.version(name)) for name, _ in found)
