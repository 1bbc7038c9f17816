"""A word in the log when the symbols of a configured pair are not followed, so that its statistics never come."""

import asyncio
from collections.abc import Sequence

from shared.bus import Bus
from shared.errors import Unavailable
from shared.log import Log
from shared.runtime import pause
from shared.symbols import Pair

_AFTER_S = 10.0
_RETRY_S = 2.0
_NAMED = 10


async def warn_of_unfollowed(bus: Bus, pairs: Sequence[str], log: Log, stop: asyncio.Event, after_s: float = _AFTER_S) -> None:
    """Log once, `after_s` seconds from now, which legs of the pairs are not among the followed symbols; runs until `stop`."""
    await pause(stop, after_s)
    while not stop.is_set():
        try:
            if words := unfollowed(pairs, await bus.symbols()):
                log.warning(words)
        except Unavailable:
            await pause(stop, _RETRY_S)
        else:
            await stop.wait()


def unfollowed(pairs: Sequence[str], symbols: Sequence[str]) -> str:
    """What to say of the legs that are not followed; nothing if all are.

    >>> unfollowed(["ETHUSDT~BTCUSDT", "SOLUSDT~BTCUSDT"], ["BTCUSDT", "ETHUSDT"])
    'no bars: SOLUSDT is not among the followed symbols BTCUSDT, ETHUSDT'
    >>> unfollowed(["ETHUSDT~BTCUSDT"], ["BTCUSDT", "ETHUSDT"])
    ''
    """
    lacking = sorted({leg for pair in pairs for leg in Pair.parse(pair)} - set(symbols))
    if not lacking:
        return ""
    there = ", ".join(symbols[:_NAMED]) + (f" and {len(symbols) - _NAMED} more" if len(symbols) > _NAMED else "")
    verb = "is" if len(lacking) == 1 else "are"
    return f"no bars: {' and '.join(lacking)} {verb} not among the followed symbols {there or '(there are none)'}"
