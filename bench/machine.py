"""The machine that the figures belong to, and what else it was doing."""

import os
import platform
import subprocess
from pathlib import Path
from typing import NamedTuple

from shared.stack.redis_server import find_server


class Machine(NamedTuple):
    """What to state beside any figure."""

    processor: str
    cores: int
    system: str
    python: str
    redis: str
    load_average: float
    """One-minute load average before the benchmark; above 0 means that something else was running."""


def machine() -> Machine:
    """This machine, now."""
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return Machine(_processor(), cores(), system, platform.python_version(), str(find_server().version), os.getloadavg()[0])


def cores() -> int:
    """Cores that this process and its children may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def confine(wanted: int) -> None:
    """Let this process and its children run on so many cores only; without effect where the system cannot do it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:wanted])


def busy_s() -> float | None:
    """CPU time of everything on these cores since the machine started, in seconds; ``None`` where it is not to be had."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    ours = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    total = 0
    for line in stat.read_text().splitlines():
        name, *columns = line.split()
        if name in ours:
            user, nice, system, _idle, _wait, irq, softirq, steal, *_ = map(int, columns)
            total += user + nice + system + irq + softirq + steal
    return total / os.sysconf("SC_CLK_TCK")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if platform.system() == "Darwin":
        done = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True, check=False)
        return done.stdout.strip()
    return platform.processor() or "unknown"
