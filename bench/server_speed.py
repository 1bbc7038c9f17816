"""What Redis alone does with such entries: `redis-benchmark`, where it is installed."""

import shutil
import subprocess
from typing import NamedTuple

from bench.processes import Failed, Processes
from bench.stacks import Server

_ENTRY = ("price", "67012.40", "size", "0.012", "side", "buy")


class ServerSpeed(NamedTuple):
    """XADD by `redis-benchmark`: pipelines of 100 from one connection, 100 streams, append-only file on."""

    entries_per_s: float
    redis_us: float
    """CPU time of the server per entry, µs."""


def server_speed(processes: Processes, server: Server, entries: int) -> ServerSpeed | None:
    """``None`` where there is no `redis-benchmark`."""
    program = shutil.which("redis-benchmark") or shutil.which("valkey-benchmark")
    if program is None:
        return None
    command = [
        program,
        "-p",
        str(server.port),
        "-a",
        server.password,
        "-n",
        str(entries),
        "-c",
        "1",
        "-P",
        "100",
        "-r",
        "100",
        "--csv",
    ]
    before = processes.cpu()["redis"]
    done = subprocess.run(
        [*command, "XADD", "ticks:__rand_int__", "*", *_ENTRY], capture_output=True, text=True, timeout=300, check=False
    )
    used = processes.cpu()["redis"] - before
    rows = [line.split('","') for line in done.stdout.splitlines() if line.startswith('"') and not line.startswith('"test"')]
    if done.returncode or not rows:
        raise Failed(f"redis-benchmark failed: {done.stderr or done.stdout}")
    return ServerSpeed(float(rows[-1][1].strip('"')), used / entries * 1e6)
