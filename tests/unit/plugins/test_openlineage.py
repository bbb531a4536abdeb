"""A lineage server is told what runs read and wrote; a dead or slow one harms no run."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from engine.ad_hoc_utils import create_temporary_module
from engine.driver import Builder, Driver
from engine.io.materialization import from_, to

client = pytest.importorskip("openlineage.client")
h_openlineage = pytest.importorskip("engine.plugins.h_openlineage")

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def frame(given: pd.DataFrame, secret: str) -> pd.DataFrame:
    """A frame."""
    return given if secret else given.head(1)


def broken(secret: str) -> str:
    """A node that fails."""
    message = f"cannot reach postgresql://ann:{secret}@db/shop"
    raise ValueError(message)


class Server:
    """Keeps what is sent to it; may take its time."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.delay_s = 0.0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(outer.delay_s)
                outer.events.append(json.loads(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"


@pytest.fixture
def server() -> Iterator[Server]:
    """A lineage server on this machine."""
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, daemon=True)
    thread.start()
    yield server
    server.http.shutdown()
    server.http.server_close()
    thread.join()


def build(url: str, folder: Path) -> tuple[Driver, Any]:
    """Build a driver that reads and writes files and tells a server."""
    pd.DataFrame({"id": [1, 2]}).to_csv(folder / "given.csv", index=False)
    transport = {"type": "http", "url": url, "timeout": 1, "retry": {"total": 0}}
    adapter = h_openlineage.OpenLineageAdapter(client.OpenLineageClient(config={"transport": transport}), "ns", "job")
    requests = (
        from_.csv(target="given", path=str(folder / "given.csv")),
        to.csv(id="out", dependencies=["frame"], path=str(folder / "out.csv"), index=False),
        to.table(id="rows", dependencies=["frame"], table="marts.rows"),
    )
    builder = Builder().with_modules(create_temporary_module(frame, broken)).with_materializers(*requests)
    return builder.with_warehouse(f"duckdb:///{folder / 'w.duckdb'}").with_adapters(adapter).build(), adapter


def test_a_run_is_told_with_what_it_read_and_wrote(server: Server, tmp_path: Path) -> None:
    """START names what is asked for; COMPLETE names files by path and tables by name, with columns and counts."""
    driver, adapter = build(server.url, tmp_path)
    driver.execute(["out", "rows"], inputs={"secret": "hunter2"})
    assert adapter.flush(timeout_s=10)
    start, complete = server.events
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    assert start["run"]["runId"] == complete["run"]["runId"]
    assert start["job"]["namespace"], start["job"]["name"] == ("ns", "job")
    assert start["run"]["facets"]["hamilton"]["final_vars"] == ["out", "rows"]
    (read,) = complete["inputs"]
    assert (read["namespace"], read["name"]) == ("file", str(tmp_path / "given.csv"))
    assert read["facets"]["schema"]["fields"][0]["name"] == "id"
    assert read["inputFacets"]["inputStatistics"]["rowCount"] == 2
    written = {(out["namespace"], out["name"]): out for out in complete["outputs"]}
    assert set(written) == {("file", str(tmp_path / "out.csv")), ("ns", "marts.rows")}
    assert written["ns", "marts.rows"]["outputFacets"]["outputStatistics"]["rowCount"] == 2
    assert "hunter2" not in json.dumps(server.events)


def test_a_failure_is_told_without_secrets(server: Server, tmp_path: Path) -> None:
    """FAIL carries the error and its traceback, passwords masked."""
    driver, adapter = build(server.url, tmp_path)
    with pytest.raises(ValueError, match="hunter2"):
        driver.execute(["broken"], inputs={"secret": "hunter2"})
    assert adapter.flush(timeout_s=10)
    facet = server.events[-1]["run"]["facets"]["errorMessage"]
    assert facet["message"] == "cannot reach postgresql://ann:***@db/shop"
    assert "in broken" in facet["stackTrace"]
    assert "hunter2" not in json.dumps(server.events)


def test_a_slow_server_delays_no_run(server: Server, tmp_path: Path) -> None:
    """The run is over long before the server has answered, and nothing is lost."""
    driver, adapter = build(server.url, tmp_path)
    server.delay_s = 0.5
    driver.execute(["frame"], inputs={"secret": "x"})
    assert server.events == []
    assert adapter.flush(timeout_s=10)
    assert len(server.events) == 2


def test_a_dead_server_fails_no_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where nobody listens, the run succeeds and the log says what was not sent."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    driver, adapter = build(url, tmp_path)
    with caplog.at_level(logging.WARNING, logger="engine.plugins.h_openlineage"):
        assert driver.execute(["out"], inputs={"secret": "x"})["out"]
        assert adapter.flush(timeout_s=10)
    assert "a lineage event was not sent" in caplog.text


def test_what_does_not_fit_is_dropped(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """When the server is too slow for the runs, events are dropped with a warning."""
    monkeypatch.setattr(h_openlineage, "MOST_WAITING", 1)
    driver, adapter = build(server.url, tmp_path)
    server.delay_s = 0.3
    with caplog.at_level(logging.WARNING, logger="engine.plugins.h_openlineage"):
        for _ in range(3):
            driver.execute(["frame"], inputs={"secret": "x"})
    assert "is dropped" in caplog.text
    assert adapter.flush(timeout_s=10)
