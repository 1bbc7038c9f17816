"""Waiting for a condition with a deadline, the tests' only way to wait."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

_EVERY_S = 0.02


async def wait_until(condition: Callable[[], Any | Awaitable[Any]], deadline_s: float, what: str) -> Any:
    """The first true value that `condition` (plain or async) answers; fails with `what` after `deadline_s` seconds."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s:g} s: {what}")
        await asyncio.sleep(_EVERY_S)


def wait_until_sync(condition: Callable[[], Any], deadline_s: float, what: str) -> Any:
    """The same for tests without an event loop."""
    end = time.monotonic() + deadline_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {deadline_s:g} s: {what}")
        time.sleep(_EVERY_S)
