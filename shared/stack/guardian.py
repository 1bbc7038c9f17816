"""A process that outlives a killed supervisor just long enough to end what it has started.

Reads lines from standard input: ``+PID`` (a service), ``*PID`` (Redis, to be ended last), ``-PID`` (has ended). When the
input ends, which the system sees to even after kill -9, whatever is left is asked to end, and killed if it doesn't.
It is started by its path without site-packages, to be small: standard library only.
"""

import contextlib
import os
import signal
import sys
import time

GRACE_S = 5.0


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    services: set[int] = set()
    servers: set[int] = set()
    for line in sys.stdin:
        pid = int(line[1:])
        if line[0] == "-":
            services.discard(pid)
            servers.discard(pid)
        else:
            (servers if line[0] == "*" else services).add(pid)
    end(services)
    end(servers)


def end(pids: set[int]) -> None:
    """SIGTERM for the process groups that these lead, and SIGKILL for what is left of them after `GRACE_S`."""
    left = {pid for pid in pids if _signal(pid, signal.SIGTERM)}
    deadline = time.monotonic() + GRACE_S
    while left and time.monotonic() < deadline:
        time.sleep(0.05)
        left = {pid for pid in left if _signal(pid, 0)}
    for pid in left:
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> bool:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
        return True
    return False


if __name__ == "__main__":
    main()
