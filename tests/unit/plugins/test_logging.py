"""The log says what ran, and never a value."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from engine.ad_hoc_utils import create_temporary_module
from engine.driver import Builder, Driver
from engine.errors import InputError
from engine.plugins.h_logging import AsyncLoggingAdapter, LoggingAdapter, get_logger


def start(secret: str) -> str:
    """A node that says something."""
    get_logger("said").info("inside")
    return secret * 2


def broken(start: str, secret: str) -> str:
    """A node that fails."""
    message = f"{len(start) + len(secret)} letters are too many"
    raise ValueError(message)


def build(adapter: Any) -> Driver:
    """Build a driver of two nodes."""
    return Builder().with_modules(create_temporary_module(start, broken)).with_adapters(adapter).build()


@pytest.mark.parametrize("adapter", [LoggingAdapter("watched"), AsyncLoggingAdapter(logging.getLogger("watched"))])
def test_the_log_of_a_run(caplog: pytest.LogCaptureFixture, adapter: Any) -> None:
    """Runs and nodes are logged from beginning to end; a node's own messages name it."""
    caplog.set_level(logging.DEBUG)
    build(adapter).execute(["start"], inputs={"secret": "hunter2"}, overrides={"broken": "hunter3"})
    lines = [(record.levelname, record.name, record.getMessage()) for record in caplog.records]
    run = lines[0][2].partition(" - ")[0]
    assert run.startswith("Graph run '")
    assert lines == [
        ("INFO", "watched", f"{run} - Starting graph execution"),
        ("INFO", "watched", f"{run} - Using inputs 'secret'"),
        ("INFO", "watched", f"{run} - Using overrides 'broken'"),
        ("DEBUG", "watched", "Node 'start' - Starting execution with dependencies 'secret'"),
        ("INFO", "said", "Node 'start' - inside"),
        ("INFO", "watched", "Node 'start' - Finished execution [OK]"),
        ("INFO", "watched", f"{run} - Finished graph execution [OK]"),
    ]


def test_a_failure_is_logged_without_values(caplog: pytest.LogCaptureFixture) -> None:
    """The node's traceback is logged, and the values it was given are not."""
    caplog.set_level(logging.DEBUG)
    driver = build(LoggingAdapter())
    with pytest.raises(ValueError, match="too many"):
        driver.execute(["broken"], inputs={"secret": "hunter2"})
    assert "Node 'broken' - Encountered error" in caplog.text
    assert "21 letters are too many" in caplog.text
    assert "Graph execution failed due to errors" in caplog.text
    assert "hunter2" not in caplog.text
    caplog.clear()
    with pytest.raises(InputError):
        driver.execute(["broken"])
    assert [record.levelname for record in caplog.records] == ["INFO", "ERROR"]
    caplog.clear()
    get_logger("said").info("outside")
    assert caplog.messages == ["outside"]


def test_tasks_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Tasks are logged from grouping to return, their nodes by name."""
    caplog.set_level(logging.DEBUG)
    adapter = LoggingAdapter("watched")
    (node,) = Builder().with_modules(create_temporary_module(start)).build().what_is_downstream_of("start")
    adapter.run_after_task_grouping(run_id="r", task_ids=["t"])
    adapter.run_after_task_expansion(run_id="r", task_id="t", parameters={"0": "hunter2"})
    adapter.run_before_task_submission(task_id="t")
    adapter.run_before_task_execution(task_id="t", nodes=[node])
    adapter.run_after_task_execution(task_id="t", success=True, error=None)
    adapter.run_after_task_execution(task_id="t", success=False, error=ValueError("no"))
    adapter.run_after_task_return(task_id="t", success=False)
    assert "Task 't' - Starting execution of nodes 'start'" in caplog.messages
    assert "hunter2" not in caplog.text
