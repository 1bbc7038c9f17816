"""TCP ports of this machine: which are free, and who holds the others."""

import contextlib
import socket
import subprocess
from collections.abc import Set
from pathlib import Path
from typing import NamedTuple

_LISTENING = "0A"


class Holder(NamedTuple):
    """The process that listens on a port. `pid` is ``None`` where the system doesn't say: another user's process."""

    pid: int | None
    command: str
    directory: str

    def __str__(self) -> str:
        if self.pid is None:
            return "another program (of another user, perhaps)"
        service = self.command.rpartition("-m services.")[2] if "-m services." in self.command else ""
        what = f"Pairstream's own {service}, started in {self.directory}" if service else self.command[:80] or "a program"
        return f"{what} (pid {self.pid})"


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(1.0)
        # Elsewhere than on Linux, an address can be taken that another program listens on with a wildcard.
        local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        with contextlib.suppress(OSError):
            probe.connect((local, port))
            return False
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(host: str = "127.0.0.1", besides: Set[int] = frozenset()) -> int:
    """A port that nobody listens on, none of `besides`."""
    while True:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.bind((host, 0))
            port = int(probe.getsockname()[1])
        if port not in besides:
            return port


def holder(port: int) -> Holder:
    """Who listens on a port, from /proc where there is one, else from lsof."""
    pid = _pid_from_proc(port) if Path("/proc/net/tcp").exists() else _pid_from_lsof(port)
    return Holder(None, "", "") if pid is None else Holder(pid, command_of(pid), _directory_of(pid))


def command_of(pid: int) -> str:
    """The command line of a process, empty if there is no such process."""
    return _output("ps", "-ww", "-o", "command=", "-p", str(pid)).strip()


def _directory_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return str(Path(f"/proc/{pid}/cwd").readlink())
    lines = _output("lsof", "-a", "-p", str(pid), "-d", "cwd", "-Fn").splitlines()
    return next((line[1:] for line in lines if line.startswith("n")), "another directory")


def _pid_from_proc(port: int) -> int | None:
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == _LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{columns[9]}]")
    for descriptors in Path("/proc").glob("[0-9]*/fd"):
        with contextlib.suppress(OSError):  # another user's, or gone meanwhile
            if any(str(descriptor.readlink()) in inodes for descriptor in descriptors.iterdir()):
                return int(descriptors.parent.name)
    return None


def _pid_from_lsof(port: int) -> int | None:
    lines = _output("lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fp").splitlines()
    return next((int(line[1:]) for line in lines if line.startswith("p")), None)


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=5, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
