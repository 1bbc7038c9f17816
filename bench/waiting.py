"""Waiting for a condition with a deadline."""

import time
from collections.abc import Callable

from bench.processes import Failed


def wait_until(
    condition: Callable[[], bool], deadline_s: float, what: str, check: Callable[[], None], every_s: float = 0.02
) -> None:
    """Return when `condition` holds. `check` raises if waiting is in vain; raises `Failed` after `deadline_s`."""
    end = time.monotonic() + deadline_s
    while not condition():
        check()
        if time.monotonic() > end:
            raise Failed(f"not within {deadline_s:g} s: {what}")
        time.sleep(every_s)
