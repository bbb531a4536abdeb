"""Every value of every type comes back as it was, or is refused, as the page of types says."""

from __future__ import annotations

import pytest

from engine.testing.exactness import KEPT, PAGE, compare, outcomes, shown


def test_the_page_says_what_is_so(database: str, warehouse_url: str) -> None:
    """What of every type comes back from a database, as every library's frame, is what the page says."""
    found = {
        name: outcome.state if outcome.state == KEPT or " " not in outcome.state else "refused"
        for name, outcome in outcomes(warehouse_url).items()
    }
    assert found == shown(PAGE.read_text(), database)


@pytest.mark.parametrize("change", ["value", "type", "missing"])
def test_a_change_would_be_seen(change: str) -> None:
    """The comparison that the matrix stands on fails for another value, another type and a value that went missing."""
    import pyarrow as pa

    frame = pa.table({"row": [1, 2], "x": pa.array([0.5, float("nan")])})
    other = {
        "value": pa.array([0.5, 1.0]),
        "type": pa.array([0.5, float("nan")], pa.float32()),
        "missing": pa.array([0.5, None]),
    }[change]
    assert compare("it", frame, frame.take([1, 0])) == KEPT
    with pytest.raises(AssertionError, match="came back as"):
        compare("it", frame, pa.table({"row": [1, 2], "x": other}))
