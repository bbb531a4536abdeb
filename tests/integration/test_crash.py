"""A run killed anywhere leaves old or new, never anything else; a plain rerun heals it; nothing is done twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("crash_run.py")
LANDED = {"committed", "recorded"}
UNKNOWN_RUN = {"before intent"}


def run(warehouse: str, metadata: str, mode: str) -> list[dict[str, Any]]:
    """Run the script that is killed at every joint; return what it saw."""
    finished = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(SCRIPT), warehouse, metadata, mode],
        cwd=SCRIPT.parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
    return [json.loads(line) for line in finished.stdout.splitlines()]


@pytest.mark.parametrize("mode", ["replace", "append"])
def test_kill_anywhere_and_heal(warehouse_url: str, tmp_path: Path, mode: str) -> None:
    """After SIGKILL at each joint a plain rerun reaches the new version once, with ledger and metadata in agreement."""
    metadata = warehouse_url if warehouse_url.startswith("postgresql") else f"sqlite:///{tmp_path}/metadata.db"
    seen = run(warehouse_url, metadata, mode)
    assert len(seen) == 9
    for line in seen:
        joint, step = line["joint"], line.get("step", 0)
        context = f"{joint}: {line}"
        if step:
            assert line["died"] == {"signal": signal.SIGKILL}, context
            expected = "fresh" if joint in LANDED else "built"
            assert line["healed"]["first_table"] == expected, context
            assert set(line["again"].values()) == {"fresh"}, context
        wanted = list(range(step + 1)) if mode == "append" else [step]
        assert line["steps"] == wanted, context
        assert sorted(t for t in line["tables"] if not t.startswith("_engine")) == ["first", "second"], context
        states = dict(line["runs"])
        assert "running" not in states, context
        assert states.get("aborted", 0) == step, context
        heads = {name.rsplit(".", 1)[-1]: seq for name, seq in line["heads"].items()}
        live = {name.rsplit(".", 1)[-1]: seq for name, seq in line["live"]}
        assert heads == live, context
