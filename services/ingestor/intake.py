"""The one way in, for every source: prints through the door, ticks and watermarks to the writer, facts to `events`."""

import asyncio
import math
import time
from collections import Counter, deque
from collections.abc import Hashable, Iterable, Sequence

from services.ingestor import facts
from services.ingestor.binance import Print
from services.ingestor.door import Admitted, Door
from services.ingestor.newest import newest_tick
from services.ingestor.standing import Standing
from shared.bus import Bus, TickWriter
from shared.errors import Unavailable
from shared.health import Health
from shared.log import Log
from shared.messages import Event
from shared.runtime import pause

_TURN_S = 0.1
_FIGURES_S = 1.0
_REJECTED_S = 10.0
_EVENTS = 10_000


class Intake:
    """Door, writer and figures of the symbols that are followed."""

    def __init__(self, bus: Bus, writer: TickWriter, health: Health, log: Log, grace_ms: int) -> None:
        self.bus = bus
        self.standing = Standing(bus)
        self._writer = writer
        self._health = health
        self._log = log
        self._door = Door(grace_ms)
        self._lock = asyncio.Lock()
        self._events: deque[Event] = deque(maxlen=_EVENTS)
        self._rejected: Counter[str] = Counter()
        self._arrived_at: float | None = None
        self._figures(health)

    def _figures(self, health: Health) -> None:
        self._received = health.counter("prints_received", "Trade prints that came in")
        self._published = health.counter("ticks_published", "Ticks handed to Redis and taken by it")
        self._duplicates = health.counter("ticks_duplicate", "Prints that were already there", ("at",))
        self._refused = health.counter("prints_rejected", "Frames and prints that cannot be used", ("reason",))
        self._skipped = health.counter("prints_skipped", "Prints that are no market trades; their ids are accounted for")
        self._late = health.counter("ticks_late", "Ticks that came after the watermark of their time")
        self._gaps = health.counter("gaps", "Holes and long silences that were declared")
        health.gauge("ticks_queued", "Ticks waiting for Redis").set_function(lambda: self._writer.queued)
        health.gauge("redis_reconnects", "Times the ticks' connection to Redis was made again").set_function(
            lambda: max(0, self._writer.reconnects)
        )
        health.gauge("feed_age_seconds", "Time since the last print came in").set_function(lambda: self.age_s or 0.0)
        self._rate = health.gauge("ticks_per_second", "Ticks taken by Redis during the last second")
        self._clock = health.gauge("exchange_clock_seconds", "The newest exchange time seen, seconds since 1970")

    @property
    def age_s(self) -> float | None:
        """Seconds since the last print came in, ``None`` before the first."""
        return None if self._arrived_at is None else time.monotonic() - self._arrived_at

    @property
    def clock_ms(self) -> int:
        """The exchange's clock, 0 before anything has come."""
        return self._door.clock_ms

    async def open(self, symbols: Iterable[str]) -> None:
        """Let symbols in, each from where its ticks end in Redis. Raises `Unavailable`."""
        wanted = [symbol for symbol in dict.fromkeys(symbols) if symbol not in self._door.symbols]
        tails = await self._writer.tails(wanted)
        keyspace = self.bus.keyspace
        tables = {p: await self.bus.table("watermarks", p) for p in {keyspace.partition(symbol) for symbol in wanted}}
        for symbol in wanted:
            tail = tails.get(symbol)
            stored = tables[keyspace.partition(symbol)].get(symbol)
            watermark_ms = None if stored is None else int(stored.partition(" ")[0])
            newest = None if tail is None else await newest_tick(self.bus, symbol)
            if tail is not None and (newest is None or newest.foreign):
                self._log.warning("ticks end with entries of another program", symbol=symbol)
                self.declare(Event("rejected", tail.ms, "ticks end with entries that are no ticks", symbol))
                self._writer.begin_after(symbol, tail.ms)
            if newest is None:
                self._door.open(symbol, watermark_ms=watermark_ms)
            else:
                kind = self.standing.kinds.get(symbol)
                self._door.open(symbol, newest.time_ms, newest.tick.trade_id, watermark_ms, kind)

    def close(self, symbol: str) -> None:
        """Let a symbol in no more."""
        self._door.close(symbol)

    def disconnected(self, symbols: Iterable[str]) -> None:
        """The feed of these symbols was interrupted."""
        self._door.disconnected(symbols)

    async def take(self, prints: Sequence[Print], link: Hashable = None) -> None:
        """Prints of one connection in the venue's order; waits while the queue to Redis is full."""
        if not prints:
            return
        self._arrived_at = time.monotonic()
        self._received.inc(len(prints))
        async with self._lock:  # between the door and the queue nothing may come, above all no watermark
            admitted = self._door.admit(prints, link)
            await self._writer.add(admitted.ticks)
        self._account(admitted)

    def _account(self, admitted: Admitted) -> None:
        self._duplicates.labels("door").inc(admitted.duplicates)
        self._skipped.inc(admitted.skipped)
        self._late.inc(admitted.late)
        for reason, count in admitted.rejected.items():
            self.reject(reason, count)
        if admitted.events:
            self.standing.note(self._door.kinds)  # one of them may be that the ids are of another stream
        for event in admitted.events:
            if event.kind == "gap":
                self._gaps.inc()
                self._log.warning("gap", symbol=event.symbol, first=event.first_id, last=event.last_id, reason=event.reason)
            self.declare(event)

    def reject(self, reason: str, count: int = 1) -> None:
        """Count something that cannot be used; it is declared in `events` within ten seconds."""
        self._rejected[reason] += count
        self._refused.labels(reason).inc(count)

    def declare(self, event: Event) -> None:
        """Publish a fact, as soon as Redis takes it; one at time 0 as soon as the exchange's clock is known."""
        self._events.append(event)  # the oldest go first when Redis has been away for very long

    async def end(self, symbols: Iterable[str], end_ms: int) -> None:
        """The source of these symbols has ended there: store their last watermarks after all their ticks."""
        async with self._lock:
            admitted = self._door.release()
            await self._writer.add(admitted.ticks)
            await self._writer.add_watermarks(self._door.end(symbols, end_ms))
        self._account(admitted)

    async def run(self, stop: asyncio.Event) -> None:
        """Store watermarks, publish events and keep the figures until `stop`."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._store_watermarks(stop))
            group.create_task(self._report(stop))

    async def _store_watermarks(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            async with self._lock:
                await self._writer.add_watermarks(self._door.watermarks())
            await pause(stop, _TURN_S)

    async def _report(self, stop: asyncio.Event) -> None:
        # Apart from the watermarks, for those wait while the queue is full, and just then health must tell.
        figures_at = time.monotonic()
        rejected_at = -math.inf
        written = duplicates = 0
        while not stop.is_set():
            if self._writer.connected:
                self._health.ready("redis")
            else:
                self._health.unready("redis", self._writer.error or "connecting")
            self.standing.note(self._door.kinds)
            now = time.monotonic()
            if now - figures_at >= _FIGURES_S:
                self._rate.set((self._writer.written - written) / (now - figures_at))
                self._published.inc(self._writer.written - written)
                self._duplicates.labels("redis").inc(self._writer.duplicates - duplicates)
                written, duplicates, figures_at = self._writer.written, self._writer.duplicates, now
                self._clock.set(self._door.clock_ms / 1000)
            for loss in self._writer.take_losses():
                self._gaps.inc()
                self._log.warning(
                    "Redis has lost ticks", symbol=loss.symbol, until_ms=loss.until.ms, until_id=loss.until.trade_id
                )
                self.declare(facts.lost(loss.symbol, loss.after, loss.until))
            if self._rejected and now - rejected_at >= _REJECTED_S:
                rejected_at = now
                for reason, count in self._rejected.items():
                    self._log.warning("rejected", reason=reason, count=count)
                    self.declare(Event("rejected", self.clock_ms, reason, affected=count))
                self._rejected.clear()
            await self._publish_events()
            await pause(stop, _TURN_S)

    async def _publish_events(self) -> None:
        while self._events:
            if not (self._events[0].bar_ms or self.clock_ms):
                return
            event = self._events.popleft()
            try:
                await self.bus.publish(event if event.bar_ms else event._replace(bar_ms=self.clock_ms))
            except Unavailable:
                self._events.appendleft(event)
                return
