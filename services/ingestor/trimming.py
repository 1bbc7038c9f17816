"""Trimming of `ticks:` by age, never past what the sampler has still to read."""

import asyncio
from collections.abc import Mapping

import orjson

from shared.bus import Bus
from shared.errors import Unavailable
from shared.log import Log
from shared.runtime import pause
from shared.topics import TICKS

_EVERY_S = 60.0


def oldest_kept(newest_id: str, retention_ms: int, read_up_to: str | None) -> str:
    """The entry id before which a stream may be cut: by age behind its newest entry, at most at the sampler's offset.

    >>> oldest_kept("100000-7", 60_000, "30000-2"), oldest_kept("100000-7", 60_000, None)
    ('30000-2', '40000-0')
    """
    by_age = f"{max(0, int(newest_id.partition('-')[0]) - retention_ms)}-0"
    if read_up_to is None:
        return by_age
    return min(by_age, read_up_to, key=_order)


def _order(entry_id: str) -> tuple[int, int]:
    ms, _, sequence = entry_id.partition("-")
    return int(ms), int(sequence or "0")


def offset_of(checkpoints: Mapping[str, str], symbol: str) -> str | None:
    """Up to where the sampler has read a symbol, ``None`` if it never has."""
    text = checkpoints.get(f"at:{symbol}")
    return None if not text else str(orjson.loads(text)["offset"])


async def trim(bus: Bus) -> int:
    """Trim every symbol's ticks once; answers how many entries went. Raises `Unavailable`."""
    dropped = 0
    checkpoints = {p: await bus.table("state:sampler", p) for p in range(bus.keyspace.partitions)}
    for channel in await bus.channels():
        if channel.topic != TICKS.name:
            continue
        symbol = channel.parameters[0]
        newest = await bus.last_id(channel)
        if newest is not None:
            read_up_to = offset_of(checkpoints[bus.keyspace.partition(symbol)], symbol)
            dropped += await bus.trim(channel, oldest_kept(newest, bus.retention_ms, read_up_to))
    return dropped


async def run_trimming(bus: Bus, log: Log, stop: asyncio.Event) -> None:
    """Once a minute until `stop`."""
    while not stop.is_set():
        try:
            await trim(bus)
        except Unavailable as error:
            log.warning("trimming is put off", reason=str(error))
        await pause(stop, _EVERY_S)
