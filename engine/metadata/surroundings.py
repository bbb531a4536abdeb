"""Surroundings: on which machine, by whom and with which code and packages a run runs."""

from __future__ import annotations

import functools
import getpass
import hashlib
import hmac
import importlib.metadata
import os
import platform
import re
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

GIT_TIMEOUT_S = 2.0

_DISTRIBUTIONS = {
    "PIL": "pillow",
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python",
    "dateutil": "python-dateutil",
    "engine": "materialization-engine",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}
"""Distributions whose main module has another name; asking for all of them takes a third of a second."""

_VERSION_LINE = re.compile(r"^Version: *(\S+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Git:
    """The commit that is checked out; None where there is no repository or no git.

    Attributes:
        dirty: Tracked files differ from the commit.
    """

    commit: str | None = None
    branch: str | None = None
    dirty: bool | None = None


@dataclass(frozen=True, slots=True)
class Process:
    """This process, told apart from every other one that had or will have its number.

    Attributes:
        boot_id: Changes when the machine starts.
        start_ticks: When the process began, in clock ticks since the machine started.
    """

    host: str
    user: str
    pid: int
    boot_id: str | None
    start_ticks: int | None


@dataclass(frozen=True, slots=True)
class PackageSet:
    """The interpreter and the distributions that are imported.

    Attributes:
        versions: (distribution, version) pairs in order.
    """

    python_version: str
    platform: str
    engine_version: str
    versions: tuple[tuple[str, str], ...]

    @property
    def hash(self) -> str:
        """The same for equal sets, on any machine."""
        lines = [self.python_version, self.platform, self.engine_version, *(f"{n}=={v}" for n, v in self.versions)]
        return hashlib.blake2b("\n".join(lines).encode(), digest_size=20).hexdigest()


@functools.cache
def git(folder: Path) -> Git:
    """Ask git about the repository a folder is in, once per process."""
    command = ["git", "-C", str(folder), "status", "--porcelain=v2", "--branch", "--untracked-files=no"]
    try:
        answer = subprocess.run(  # noqa: S603 - a fixed command; the folder is one argument
            command,
            capture_output=True,
            text=True,
            errors="replace",
            check=True,
            timeout=GIT_TIMEOUT_S,
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return Git()
    lines = answer.splitlines()
    heads = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# "))
    commit, branch = heads.get("branch.oid"), heads.get("branch.head")
    return Git(
        commit if commit != "(initial)" else None,
        branch if branch != "(detached)" else None,
        any(not line.startswith("#") for line in lines),
    )


def process() -> Process:
    """Describe this process."""
    return Process(socket.gethostname(), _user(), os.getpid(), _boot_id(), _start_ticks())


@functools.cache
def _version(distribution: str) -> str | None:
    try:
        found = importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None
    # One line of what may be long: parsing it all, which `found.version` does, takes several times as long.
    line = _VERSION_LINE.search(found.read_text("METADATA") or "")
    return line[1] if line else found.version


def packages() -> PackageSet:
    """List the distributions whose modules are imported by now."""
    modules = {name.partition(".")[0] for name in tuple(sys.modules)} - sys.stdlib_module_names
    names = {_DISTRIBUTIONS.get(name, name) for name in modules if not name.startswith("_")}
    versions = ((name, _version(name)) for name in sorted(names))
    return PackageSet(
        platform.python_version(),
        platform.platform(),
        _version("materialization-engine") or "unknown",
        tuple((name, version) for name, version in versions if version is not None),
    )


def keyed_hash(text: str) -> str:
    """Hash what must not be guessed by trying: the key is this user's, and is nowhere in the metadata.

    The key is the variable ``ENGINE_HASH_KEY``, or else a file made on first use in the user's configuration folder.
    """
    return "keyed:" + hmac.new(_hash_key(), text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:40]


def _hash_key() -> bytes:
    given = os.environ.get("ENGINE_HASH_KEY")
    return given.encode() if given else _key_in_file()


@functools.cache
def _key_in_file() -> bytes:
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "materialization-engine"
    path = folder / "hash.key"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _create_once(path, os.urandom(32))
        return path.read_bytes()
    except (OSError, RuntimeError):  # no home, or not writable: equal values cannot be recognised in the next process
        return os.urandom(32)


def _create_once(path: Path, content: bytes) -> None:
    """Make the file with all of its content, unless it is there: a link appears whole or not at all."""
    if path.exists():
        return
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, content)
    finally:
        os.close(descriptor)
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        return
    finally:
        draft.unlink()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in containers
        return str(os.getuid())


@functools.cache
def _boot_id() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def _start_ticks() -> int | None:
    try:
        stat = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])  # field 22 of proc(5); the name before it may hold anything
