"""Reading streams in batches with XREAD, on a connection of its own."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from shared.bus.connection import Connection
from shared.topics import Channel, Keyspace

MAX_BLOCK_MS = 2_000
_REPLY_ENTRIES = 20_000
_LEAST_COUNT = 200


class Read(NamedTuple):
    """What one XREAD found in one stream."""

    channel: Channel
    entries: list[Any]
    """``[[id, [field, value, …]], …]`` in stream order."""
    exhausted: bool
    """Whether the stream held nothing more than these at the time of reading."""


class StreamReader:
    """Follows streams from given ids on. It keeps the offsets; whoever checkpoints keeps its own.

    Not for two tasks at once, and never to be cancelled within `read`: close it and open another.
    """

    def __init__(self, connection: Connection, keyspace: Keyspace, count: int = 1000) -> None:
        self._connection = connection
        self._keyspace = keyspace
        self._count = count
        self._offsets: dict[Channel, str] = {}
        self._keys: dict[Channel, str] = {}
        self._channels: dict[str, Channel] = {}

    @classmethod
    async def open(cls, url: str, keyspace: Keyspace, count: int = 1000) -> "StreamReader":
        """Raises `Unavailable`. `count` bounds the entries of one stream in one `read`; with many streams it is less."""
        return cls(await Connection.open(url), keyspace, count)

    def follow(self, wanted: Mapping[Channel, str]) -> None:
        """Read exactly these streams: new ones after the given id, known ones from where the reader is."""
        for channel in self._offsets.keys() - wanted.keys():
            del self._offsets[channel]
            del self._channels[self._keys.pop(channel)]
        for channel, after in wanted.items():
            if channel not in self._offsets:
                self._offsets[channel] = after
                self._keys[channel] = key = self._keyspace.key(channel)
                self._channels[key] = channel

    @property
    def following(self) -> Mapping[Channel, str]:
        """Stream → id of the last entry read."""
        return self._offsets

    async def read(self, block_ms: int) -> list[Read]:
        """What is new; waits up to `block_ms` (at most 2 s) if nothing is. Raises `Unavailable`."""
        if not self._offsets:
            return []
        # A reader that is far behind in hundreds of streams must not make Redis build one reply of half a million entries.
        count = min(self._count, max(_LEAST_COUNT, _REPLY_ENTRIES // len(self._offsets)))
        block = ("BLOCK", min(block_ms, MAX_BLOCK_MS)) if block_ms > 0 else ()
        reply = await self._connection.call(
            "XREAD",
            "COUNT",
            count,
            *block,
            "STREAMS",
            *self._keys.values(),
            *self._offsets.values(),
            extra_s=block_ms / 1000,
        )
        found = []
        for key, entries in reply or ():
            channel = self._channels[key]
            self._offsets[channel] = entries[-1][0]
            found.append(Read(channel, entries, len(entries) < count))
        return found

    async def close(self) -> None:
        await self._connection.close()
