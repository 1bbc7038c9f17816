"""The loop around a step: read, step, commit. Sampler, analytics and alerter are this loop with a step each."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from shared.bus import Bus, Lease, StreamReader
from shared.codec import decode, decode_ticks
from shared.errors import BadInput, Doubt, Unavailable
from shared.messages import StepInput, Table, Watermark
from shared.runtime import Service, pause, until_stopped
from shared.step import Output, Step
from shared.topics import TICKS, Channel, Keyspace, topic_of

_BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0)
_SETTLED_S = 10.0
_RENEW_S = 1.0
_TABLES_S = 1.0
_MARKS_S = 0.05
"""Half of how often the ingestor moves the watermarks; reading all of them each time costs more than a small read of ticks."""
_BLOCK_MS = 100
_COMMIT_MESSAGES = 2_000


class StepLoop:
    """Read, step, commit: the one loop of sampler, analytics and alerter."""

    def __init__(
        self,
        service: Service[Any],
        new_step: Callable[[Keyspace, int], Step],
        *,
        tables: Sequence[str] = (),
        watermarks: bool = False,
        linger_s: float = 0.0,
    ) -> None:
        """`new_step` makes a step for a keyspace and one of its partitions.

        `tables`: side inputs to read every second (``symbols``, ``pairs``, ``rules``). `watermarks`: whether the ingestor's
        watermarks are an input. `linger_s`: how long to let entries gather after a small batch.
        """
        self._service = service
        self._name = service.health.service
        self._new_step = new_step
        self._tables = tables
        self._watermarks = watermarks
        self._linger_s = linger_s
        health = service.health
        self._read = health.counter("entries_read", "Stream entries read", ("topic",))
        self._rejected = health.counter("entries_rejected", "Stream entries that are no message of their topic", ("topic",))
        self._published = health.counter("messages_published", "Messages published", ("topic",))
        self._refused = health.counter("messages_refused", "Messages that were already there")
        self._reloads = health.counter("reloads", "Times the state was dropped and loaded again", ("reason",))
        self._lag = health.gauge(
            "lag_seconds",
            "How long the service has been behind: seconds since it had last read all of its inputs; not the age of the data",
        )
        self._following = health.gauge("streams_followed", "Streams that are read")
        self._commits = health.histogram("commit_seconds", "Time of one commit", (0.001, 0.005, 0.02, 0.1, 0.5, 2.0))

    async def run(self, bus: Bus, stop: asyncio.Event, partitions: Sequence[int] | None = None) -> None:
        """Run the partitions (all of them by default) until `stop`."""
        chosen = range(bus.keyspace.partitions) if partitions is None else partitions
        await until_stopped(stop, *(self._run_partition(bus, stop, partition) for partition in chosen))

    async def _run_partition(self, bus: Bus, stop: asyncio.Event, partition: int) -> None:
        """Until `stop`; whatever happens to Redis or to the lease, load again and go on."""
        health, log = self._service.health, self._service.log
        part = f"partition {partition}" if bus.keyspace.partitions > 1 else "loop"
        failures = 0
        lease = Lease(bus, self._name, partition)
        while not stop.is_set():
            began = time.monotonic()
            try:
                if not await lease.acquire():
                    health.unready(part, f"standing by: another {self._name} holds the lease")
                    await pause(stop, 0.5)
                    continue
                await self._hold(bus, lease, stop, partition, part)
                await lease.release()
            except Unavailable as error:
                reason = type(error).__name__.lower()
                self._reloads.labels(reason).inc()
                if time.monotonic() - began > _SETTLED_S:
                    failures = 0
                health.unready(part, str(error))
                if not failures or isinstance(error, Doubt):
                    log.warning("load again", reason=reason, detail=str(error))
                await pause(stop, _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
                failures += 1

    async def _hold(self, bus: Bus, lease: Lease, stop: asyncio.Event, partition: int, part: str) -> None:
        step = self._new_step(bus.keyspace, partition)
        step.restore(await lease.load())
        reader = await StreamReader.open(bus.url, bus.keyspace)
        self._service.health.ready(part)
        caught_up = tables_at = marks_at = clock_at = renewed_at = 0.0
        unfinished = False
        try:
            while not stop.is_set():
                now = time.monotonic()
                if now - renewed_at >= _RENEW_S:
                    await lease.renew()
                    renewed_at = now
                if unfinished:
                    unfinished = await self._commit(lease, step.on_messages(()))
                    continue
                batch: list[StepInput] = []
                if now - tables_at >= _TABLES_S:
                    batch += [await self._table(bus, name) for name in self._tables]
                    tables_at = now
                # Watermarks before ticks: what they cover has been written before them, so the read below finds it.
                marks: dict[str, str] = {}
                if self._watermarks and now - marks_at >= _MARKS_S:
                    marks_at = now
                    marks = await bus.table("watermarks", partition)
                if batch:
                    unfinished = await self._commit(lease, step.on_messages(batch))
                    batch = []
                reader.follow(step.wants())
                self._following.set(len(reader.following))
                reads = await reader.read(_BLOCK_MS) if reader.following else []
                if not reader.following:
                    await pause(stop, _BLOCK_MS / 1000)
                unread = set()
                entries = 0
                for channel, found, exhausted in reads:
                    entries += len(found)
                    if not exhausted:
                        unread.add(channel)
                    batch += self._decoded(channel, found)
                behind = {channel.parameters[0] for channel in unread if channel.topic == TICKS.name}
                batch += [_watermark(symbol, text) for symbol, text in marks.items() if symbol not in behind]
                if batch:
                    unfinished = await self._commit(lease, step.on_messages(batch))
                if now - clock_at >= 1.0:
                    clock_at = now
                    await self._commit(lease, step.on_clock(time.time_ns() // 1_000_000))
                if not unread:
                    caught_up = time.monotonic()
                self._lag.set(time.monotonic() - caught_up if caught_up else 0.0)
                if 0 < entries < 500 and self._linger_s:
                    await asyncio.sleep(self._linger_s)
        finally:
            await reader.close()

    def _decoded(self, channel: Channel, found: list[Any]) -> list[StepInput]:
        """The messages of what was read. Entries that are none, which only another program can have written, are left out."""
        self._read.labels(channel.topic).inc(len(found))
        try:
            if channel.topic == TICKS.name:
                return [decode_ticks(channel.parameters[0], found)]
            return [decode(channel, entry_id, dict(zip(flat[::2], flat[1::2], strict=True))) for entry_id, flat in found]
        except BadInput as error:
            if len(found) == 1:
                self._rejected.labels(channel.topic).inc()
                self._service.log.warning("rejected", reason=str(error))
                return []
            return [message for entry in found for message in self._decoded(channel, [entry])]

    async def _table(self, bus: Bus, name: str) -> Table:
        if name == "symbols":
            return Table(name, dict.fromkeys(await bus.symbols(), ""))
        return Table(name, await bus.table(name))

    async def _commit(self, lease: Lease, output: Output) -> bool:
        """Commit what the step answered; whether it has more to answer."""
        if not output.messages and not output.checkpoints and not output.dropped:
            return output.unfinished
        messages = output.messages
        if len(messages) > _COMMIT_MESSAGES:
            # One script must not hold Redis for long. Messages whose id is their bar's time may go ahead of the
            # checkpoint: published again after a crash in between, they are refused as already there.
            timed = [message for message in messages if topic_of(message).sequence == "zero"]
            for start in range(0, len(timed), _COMMIT_MESSAGES):
                await self._commit_once(lease, Output(timed[start : start + _COMMIT_MESSAGES]))
            messages = [message for message in messages if topic_of(message).sequence != "zero"]
        await self._commit_once(lease, Output(messages, output.checkpoints, output.dropped))
        return output.unfinished

    async def _commit_once(self, lease: Lease, output: Output) -> None:
        with self._commits.time():
            refused = await lease.commit(output.messages, output.checkpoints, output.dropped)
        if refused:
            self._refused.inc(refused)
        for message in output.messages:
            self._published.labels(topic_of(message).name).inc()


def _watermark(symbol: str, text: str) -> Watermark:
    ms, _, end = text.partition(" ")
    return Watermark(symbol, int(ms), bool(end))
