"""The hub: one subscription a process for all sessions, and what it knows of the feed's state."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from services.ui.state import Away, FeedState, Quote
from services.ui.store import KEPT_ALERTS, Store
from shared.bus import Bus, SourceRecord, StreamReader
from shared.codec import decode
from shared.errors import BadInput, Unavailable
from shared.health import Health
from shared.log import Log
from shared.runtime import pause
from shared.topics import ALERTS, TICKS, Channel

_BLOCK_MS = 100
_LINGER_MS = 40
_POLL_S = 0.5
_NOTIFY_S = 0.2
_BEAT_S = 1.0
_BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0)
_ALERTS = Channel(ALERTS.name)


class Hub:
    """Reads the wanted topics into a `Store` and tells the sessions that there is something new."""

    def __init__(self, store: Store, history: int, health: Health, log: Log) -> None:
        self.store = store
        self.source: SourceRecord | None = None
        self.namespace = ""
        self.symbols: list[str] = []
        self.pairs: dict[str, str] = {}
        """The table of pairs: ``Y~X`` or ``Y~X@VARIANT`` → parameters as JSON."""
        self.quotes: dict[str, Quote] = {}
        self.away: Away | None = None
        self._history = history
        self._health = health
        self._log = log
        self._wanted: Counter[Channel] = Counter()
        self._listeners: set[Callable[[], None]] = set()
        self._marks: dict[str, tuple[str | None, str | None]] = {}
        self._changed = False
        self._notified_s = 0.0
        self._entries = health.counter("entries_read", "Stream entries read", ("topic",))
        self._rejected = health.counter("entries_rejected", "Stream entries that are no message of their topic", ("topic",))
        self._sessions = health.gauge("ui_sessions", "Browser pages that are connected")
        self._streams = health.gauge("streams_followed", "Streams that are read")
        self._reconnects = health.counter("redis_reconnects", "Times that Redis was lost")
        health.unready("hub", "has not read Redis yet")

    def listen(self, listener: Callable[[], None]) -> None:
        """Call this at every change and at least once a second; it must return at once."""
        self._listeners.add(listener)
        self._sessions.set(len(self._listeners))

    def unlisten(self, listener: Callable[[], None]) -> None:
        self._listeners.discard(listener)
        self._sessions.set(len(self._listeners))

    @property
    def session_count(self) -> int:
        return len(self._listeners)

    @property
    def state(self) -> FeedState:
        """The feed as it stands; a source that works in another namespace is not ours."""
        source = self.source if self.source is not None and self.source.namespace == self.namespace else None
        name, reason = (source.source, source.reason) if source else (None, "")
        return FeedState(name, reason, self.namespace, self.quotes, self.away, self.symbols)

    def hold(self, channels: Iterable[Channel]) -> None:
        """Follow these streams as long as somebody holds them; each `hold` needs one `release`."""
        self._wanted.update(channels)

    def release(self, channels: Iterable[Channel]) -> None:
        for channel in channels:
            self._wanted[channel] -= 1
            if self._wanted[channel] <= 0:
                del self._wanted[channel]

    async def run(self, bus: Bus, stop: asyncio.Event) -> None:
        """Follow the topics of one namespace until `stop`, through every loss of Redis."""
        self.namespace = bus.keyspace.namespace
        self.quotes.clear()
        self._marks.clear()
        failures = 0
        while not stop.is_set():
            try:
                await self._follow(bus, stop)
            except Unavailable as error:
                if self.away is None:
                    self._reconnects.inc()
                    self._log.warning("Redis is away", detail=str(error))
                self._lost(str(error))
                await pause(stop, _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
                failures += 1
            else:
                failures = 0

    async def beat(self, stop: asyncio.Event) -> None:
        """Notify the sessions once a second whatever happens, so that a page can tell a quiet feed from a dead server."""
        while not stop.is_set():
            if (reason := self._health.reasons.get("redis")) is not None:
                self._lost(reason)
            self._notify()
            await pause(stop, _BEAT_S)

    def _lost(self, reason: str) -> None:
        self._health.unready("hub", reason)
        if self.away is None:
            self.away = Away(time.time_ns() // 1_000_000, reason)
            self._notify()

    async def _follow(self, bus: Bus, stop: asyncio.Event) -> None:
        reader = await StreamReader.open(bus.url, bus.keyspace)
        offsets: dict[Channel, str] = {}
        polled_s = 0.0
        try:
            while not stop.is_set():
                now = time.monotonic()
                if now - polled_s >= _POLL_S:
                    polled_s = now
                    await self._poll(bus)
                for channel in offsets.keys() - self._wanted.keys() - {_ALERTS}:
                    del offsets[channel]
                    self.store.forget(channel)
                for channel in ({_ALERTS} | self._wanted.keys()) - offsets.keys():
                    offsets[channel] = await self._load(bus, channel)
                if self.away is not None:
                    self._log.info("Redis is back", away_s=round(time.time() - self.away.since_ms / 1000, 1))
                    self.away = None
                    self._changed = True
                self._health.ready("hub")
                reader.follow(offsets)
                self._streams.set(len(offsets))
                for read in await reader.read(_LINGER_MS if self._changed else _BLOCK_MS):
                    for entry_id, flat in read.entries:
                        self._apply(read.channel, entry_id, dict(zip(flat[::2], flat[1::2], strict=True)))
                    self._entries.labels(read.channel.topic).inc(len(read.entries))
                    offsets[read.channel] = read.entries[-1][0]
                    self._changed = True
                if self._changed and time.monotonic() - self._notified_s >= _NOTIFY_S:
                    self._notify()
        finally:
            await reader.close()

    async def _load(self, bus: Bus, channel: Channel) -> str:
        """Read the newest part of a stream into the store; answers the id after which to follow it."""
        count = self._history if channel.topic in ("bars", "pairs") else KEPT_ALERTS if channel == _ALERTS else 1
        entries = await bus.entries(channel, count=count, newest_first=True)
        self.store.begin(channel)
        for entry_id, fields in reversed(entries):
            self._apply(channel, entry_id, fields)
        self._entries.labels(channel.topic).inc(len(entries))
        self._changed = True
        return entries[0][0] if entries else "0"

    def _apply(self, channel: Channel, entry_id: str, fields: Mapping[str, str]) -> None:
        """Entries that are no message, which only another program can have written, are counted and left out."""
        try:
            message = decode(channel, entry_id, fields)
        except BadInput as error:
            self._rejected.labels(channel.topic).inc()
            self._log.warning("rejected", reason=str(error))
            return
        self.store.apply(channel, entry_id, message)

    async def _poll(self, bus: Bus) -> None:
        """What is no stream: the source, the tables, and whether the shown symbols' feeds move."""
        before = (self.source, self.symbols, self.pairs.keys())
        self.source = await bus.source()
        self.symbols = await bus.symbols()
        self.pairs = await bus.table("pairs")
        self._changed |= before != (self.source, self.symbols, self.pairs.keys())
        shown = {channel.parameters[1] for channel in self._wanted if channel.topic == "bars"}
        for symbol in self.quotes.keys() - shown:
            del self.quotes[symbol]
            self._marks.pop(symbol, None)
        watermarks: dict[str, str] = {}
        for partition in {bus.keyspace.partition(symbol) for symbol in shown}:
            watermarks |= await bus.table("watermarks", partition)
        for symbol in shown:
            newest = await bus.entries(Channel(TICKS.name, (symbol,)), count=1, newest_first=True)
            self._observe(symbol, newest[0] if newest else None, watermarks.get(symbol))

    def _observe(self, symbol: str, newest: tuple[str, dict[str, str]] | None, watermark: str | None) -> None:
        """A symbol's feed has moved when it has a new trade or its watermark has risen: then it is known to be quiet."""
        mark = (newest[0] if newest else None, watermark)
        before = self._marks.get(symbol)
        self._marks[symbol] = mark
        quote = self.quotes.get(symbol, Quote())
        if before is not None and mark != before:
            quote = quote._replace(arrived_s=time.monotonic())
            self._changed = True
        if newest:
            quote = quote._replace(price=newest[1].get("price"), time_ms=int(newest[0].partition("-")[0]))
        self.quotes[symbol] = quote

    def _notify(self) -> None:
        self._changed = False
        self._notified_s = time.monotonic()
        for listener in tuple(self._listeners):
            with contextlib.suppress(RuntimeError):  # a document that is being destroyed takes no callbacks any more
                listener()
