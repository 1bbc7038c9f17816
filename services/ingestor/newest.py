"""The newest trade of a symbol in Redis, whatever others may have written behind it."""

from typing import NamedTuple

from services.ingestor.link_clock import SILENCE_MS
from shared.bus import Bus
from shared.codec import decode
from shared.errors import BadInput
from shared.messages import Tick
from shared.topics import TICKS, Channel

_FEW = (1, 100)


class Newest(NamedTuple):
    """A tick, and how far time had got with it."""

    tick: Tick
    time_ms: int
    """Largest trade time up to it."""
    foreign: int
    """Entries behind it that are no ticks."""


async def newest_tick(bus: Bus, symbol: str) -> Newest | None:
    """The newest entry that is a tick; ``None`` if there is none among the last hundred. Raises `Unavailable`."""
    channel = Channel(TICKS.name, (symbol,))
    for count in _FEW:
        for foreign, (entry_id, fields) in enumerate(await bus.entries(channel, count=count, newest_first=True)):
            try:
                tick: Tick = decode(channel, entry_id, fields)
            except BadInput:
                continue
            entry_ms = int(entry_id.partition("-")[0])
            # An entry's time is the largest trade time so far, unless something foreign has driven it forward.
            return Newest(tick, entry_ms if entry_ms - tick.time_ms <= SILENCE_MS else tick.time_ms, foreign)
    return None
