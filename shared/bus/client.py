"""Everything but the hot path: one redis-py client, with its hidden retries switched off."""

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, NamedTuple, cast

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from shared.codec import decode, encode
from shared.errors import BadInput, Unavailable
from shared.messages import Message
from shared.topics import TOPICS, Channel, Keyspace, topic_of

SOURCE_KEY = "pairstream:source"

APPEND_ENTRY = """
local function append(key, ms, sequence, cutoff, fields)
  local id = ms .. '-' .. sequence
  if sequence == '*' then
    local last = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
    sequence = 0
    if last then
      local last_ms, last_sequence = string.match(last[1], '(%d+)%-(%d+)')
      if tonumber(last_ms) >= tonumber(ms) then
        ms, sequence = last_ms, tonumber(last_sequence) + 1
      end
    end
    id = ms .. '-' .. string.format('%d', sequence)
  end
  local reply
  if cutoff == '' then
    reply = redis.pcall('XADD', key, id, unpack(fields))
  else
    reply = redis.pcall('XADD', key, 'MINID', '~', cutoff, id, unpack(fields))
  end
  if type(reply) == 'table' and reply.err then
    if string.find(reply.err, 'equal or smaller', 1, true) then return false end
    error(reply.err)
  end
  return id
end
"""
"""Lua: append an entry; answers its id, or false if the id is already there. ``*`` as sequence counts within the ms."""

_PUBLISH = (
    APPEND_ENTRY
    + """
return append(KEYS[1], ARGV[1], ARGV[2], ARGV[3], {unpack(ARGV, 4)})
"""
)


class SourceRecord(NamedTuple):
    """What the ingestor runs on: written before its first tick to a key without prefix, followed by everyone else."""

    source: str
    """binance, replay, simulator or none."""
    reason: str
    namespace: str
    started_ms: int


class RawEntry(NamedTuple):
    """What `Bus.entry` makes of a message: where it goes and what it carries."""

    key: str
    ms: int
    sequence: str
    """A number, or ``*`` for a counter within the ms."""
    fields: list[str]
    """Names and values in turn."""


@contextmanager
def translated() -> Iterator[None]:
    """redis-py's and the socket's errors as `Unavailable`."""
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise Unavailable(f"Redis: {str(error) or type(error).__name__}") from error


class Bus:
    """Redis under one keyspace. Every method raises `Unavailable` when Redis is away or refuses."""

    def __init__(self, url: str, keyspace: Keyspace, client: Redis, retention_ms: int) -> None:
        self.url = url
        self.keyspace = keyspace
        self.client = client
        self.retention_ms = retention_ms
        self._publish = client.register_script(_PUBLISH)

    def within(self, namespace: str) -> "Bus":
        """The same Redis under another namespace."""
        return Bus(self.url, self.keyspace._replace(namespace=namespace), self.client, self.retention_ms)

    def entry(self, message: Message) -> RawEntry:
        """The stream entry of a message; for a topic of counters the sequence is ``*``."""
        topic = topic_of(message)
        flat = [text for item in encode(message).items() for text in item]
        sequence = "*" if topic.sequence == "counter" else "0"
        return RawEntry(self.keyspace.key(topic.channel(message)), getattr(message, topic.time), sequence, flat)

    def cutoff(self, ms: int) -> str:
        """The entry id before which a stream whose newest entry is at `ms` may be trimmed."""
        return str(max(0, ms - self.retention_ms))

    async def publish(self, message: Message) -> str | None:
        """Append one rare message (not a tick); answers its entry id, ``None`` if that id was already there."""
        raw = self.entry(message)
        with translated():
            reply = await self._publish(keys=[raw.key], args=[raw.ms, raw.sequence, self.cutoff(raw.ms), *raw.fields])
        return reply or None

    async def ping(self) -> None:
        with translated():
            await self.client.ping()

    async def info(self) -> dict[str, Any]:
        with translated():
            return await self.client.info()

    async def entries(
        self,
        channel: Channel,
        start: str = "-",
        end: str = "+",
        count: int | None = None,
        *,
        newest_first: bool = False,
    ) -> list[tuple[str, dict[str, str]]]:
        """Entries of a stream between two ids, both included, oldest first or newest first."""
        key = self.keyspace.key(channel)
        with translated():
            if newest_first:
                found = await self.client.xrevrange(key, end, start, count)
            else:
                found = await self.client.xrange(key, start, end, count)
        return cast(list[tuple[str, dict[str, str]]], found)

    async def messages(
        self,
        channel: Channel,
        start: str = "-",
        end: str = "+",
        count: int | None = None,
        *,
        newest_first: bool = False,
    ) -> list[Any]:
        """The same, decoded."""
        found = await self.usable_entries(channel, start, end, count, newest_first=newest_first)
        return [message for _, _, message in found]

    async def usable_entries(
        self,
        channel: Channel,
        start: str = "-",
        end: str = "+",
        count: int | None = None,
        *,
        newest_first: bool = False,
    ) -> list[tuple[str, dict[str, str], Any]]:
        """Id, fields and message of the entries between two ids, `count` of them if there are as many.

        Entries that are no message of their topic, which only another program can have written, are left out; the services
        that read the stream count them.
        """
        usable: list[tuple[str, dict[str, str], Any]] = []
        while True:
            wanted = None if count is None else count - len(usable)
            found = await self.entries(channel, start, end, wanted, newest_first=newest_first)
            for entry_id, fields in found:
                with suppress(BadInput):
                    usable.append((entry_id, fields, decode(channel, entry_id, fields)))
            if wanted is None or len(found) < wanted or len(usable) == count:
                return usable
            start, end = (start, f"({found[-1][0]}") if newest_first else (f"({found[-1][0]}", end)

    async def last_id(self, channel: Channel) -> str | None:
        """The id of a stream's newest entry."""
        newest = await self.entries(channel, count=1, newest_first=True)
        return newest[0][0] if newest else None

    async def length(self, channel: Channel) -> int:
        with translated():
            return int(await self.client.xlen(self.keyspace.key(channel)))

    async def channels(self) -> list[Channel]:
        """Every stream of a topic that exists in this namespace, sorted."""
        prefix = f"{self.keyspace.namespace}:" if self.keyspace.namespace else ""
        found = []
        with translated():
            for name in TOPICS:
                async for key in self.client.scan_iter(match=f"{prefix}{name}*", count=1000, _type="stream"):
                    try:
                        found.append(self.keyspace.channel(key))
                    except ValueError:
                        continue  # another namespace's, or not ours
        return sorted(found)

    async def trim(self, channel: Channel, min_id: str) -> int:
        """Drop entries before `min_id`, roughly; answers how many."""
        with translated():
            return int(await self.client.xtrim(self.keyspace.key(channel), minid=min_id, approximate=True))

    async def symbols(self) -> list[str]:
        """The followed symbols, sorted."""
        with translated():
            return sorted(map(str, await self.client.smembers(self.keyspace.plain("symbols"))))

    async def follow_symbols(self, symbols: Sequence[str], *, replace: bool = False) -> None:
        """Add to the followed symbols, or with `replace` make them these."""
        key = self.keyspace.plain("symbols")
        with translated():
            async with self.client.pipeline(transaction=True) as pipe:
                if replace:
                    pipe.delete(key)
                if symbols:
                    pipe.sadd(key, *symbols)
                await pipe.execute()

    async def table(self, name: str, partition: int | None = None) -> dict[str, str]:
        """A hash of this keyspace, such as ``pairs`` or ``rules``; with `partition`, one that belongs to its slot."""
        key = self.keyspace.plain(name) if partition is None else self.keyspace.partitioned(name, partition)
        with translated():
            return cast(dict[str, str], await self.client.hgetall(key))

    async def set_row(self, name: str, row: str, text: str, *, only_new: bool = False) -> bool:
        """Write one row of a table; answers whether the row is new."""
        with translated():
            if only_new:
                return bool(await self.client.hsetnx(self.keyspace.plain(name), row, text))
            return bool(await self.client.hset(self.keyspace.plain(name), row, text))

    async def delete_row(self, name: str, row: str) -> bool:
        with translated():
            return bool(await self.client.hdel(self.keyspace.plain(name), row))

    async def source(self) -> SourceRecord | None:
        """What the ingestor says it runs on; ``None`` before the first start."""
        with translated():
            found = cast(dict[str, str], await self.client.hgetall(SOURCE_KEY))
        if not found:
            return None
        return SourceRecord(
            found.get("source", ""),
            found.get("reason", ""),
            found.get("namespace", ""),
            int(found.get("started_ms", "0")),
        )

    async def set_source(self, source: str, reason: str, started_ms: int | None = None) -> SourceRecord:
        """Say what the ingestor runs on, in this keyspace's namespace, since now if nothing else is said."""
        since_ms = time.time_ns() // 1_000_000 if started_ms is None else started_ms
        record = SourceRecord(source, reason, self.keyspace.namespace, since_ms)
        with translated():
            await self.client.hset(SOURCE_KEY, mapping=dict(zip(record._fields, map(str, record), strict=True)))
        return record


@asynccontextmanager
async def open_bus(url: str, keyspace: Keyspace, retention_hours: float = 24.0) -> AsyncIterator[Bus]:
    """A `Bus` for as long as the block lasts. It connects at the first command."""
    client: Redis = Redis.from_url(
        url,
        decode_responses=True,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=5.0,
        socket_connect_timeout=3.0,
        health_check_interval=0,
    )
    try:
        yield Bus(url, keyspace, client, int(retention_hours * 3_600_000))
    finally:
        await client.aclose()
