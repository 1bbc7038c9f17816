"""The shell around a service: settings, logs, signals and HTTP; the source's namespace; and the loop that runs a step."""

import asyncio
import contextlib
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Generic, NamedTuple

import uvicorn
import uvloop
from fastapi import FastAPI

from shared.bus import Bus, Lease, StreamReader, open_bus
from shared.codec import decode, decode_ticks
from shared.errors import Doubt, SettingsError, Unavailable
from shared.health import Health
from shared.log import Log, configure
from shared.messages import StepInput, Table, Watermark
from shared.settings import AnySettings, load
from shared.step import Output, Step
from shared.topics import TICKS, Keyspace, topic_of

_BACKOFF_S = (0.1, 0.2, 0.5, 1.0, 2.0)
_RENEW_S = 1.0
_TABLES_S = 1.0
_BLOCK_MS = 100
_COMMIT_MESSAGES = 2_000


class Service(NamedTuple, Generic[AnySettings]):
    """What the wiring of a service is given."""

    settings: AnySettings
    bus: Bus
    health: Health
    log: Log
    stop: asyncio.Event
    """Set when the process is asked to end."""


def run_service(name: str, kind: type[AnySettings], body: Callable[[Service[AnySettings]], Coroutine[Any, Any, None]]) -> None:
    """Run `body` as a process until SIGTERM or SIGINT. A wrong setting ends it with status 2 and one line a mistake."""
    try:
        settings = load(kind)
    except SettingsError as error:
        print(f"{name}: {error}", file=sys.stderr)  # noqa: T201  # there is no log yet
        raise SystemExit(2) from None
    log = configure(name, settings.log_level, settings.log_format)

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with open_bus(settings.redis_url, settings.keyspace(settings.namespace), settings.retention_hours) as bus:
            log.info("starting", redis=settings.redis_url.rpartition("@")[2])
            await body(Service(settings, bus, Health(name), log, stop))
        log.info("stopped")

    uvloop.run(main())


async def serve_http(app: FastAPI, host: str, port: int, stop: asyncio.Event) -> None:
    """Serve HTTP until `stop`. A port that is taken ends the process with a clear line."""
    server = uvicorn.Server(
        uvicorn.Config(app, host=host, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=2)
    )
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]  # signals are ours
    serving = asyncio.create_task(server.serve())
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    stopping.cancel()
    try:
        await serving
    finally:
        stop.set()


async def until_stopped(stop: asyncio.Event, *jobs: Coroutine[Any, Any, None]) -> None:
    """Run the jobs side by side until `stop`; each must end by itself then. The first to fail stops all."""

    async def guarded(job: Coroutine[Any, Any, None]) -> None:
        try:
            await job
        finally:
            stop.set()

    async with asyncio.TaskGroup() as group:
        for job in jobs:
            group.create_task(guarded(job))


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait, but not longer than until `stop`."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def follow_source(service: Service[AnySettings], body: Callable[[Bus, asyncio.Event], Awaitable[None]]) -> None:
    """Run `body` in the namespace that the ingestor works in; end it and run it again when that changes.

    Before the ingestor has said what it runs on, wait. With a namespace in the settings, follow nothing.
    """
    bus, stop, health = service.bus, service.stop, service.health
    if service.settings.namespace:
        await body(bus, stop)
        return
    health.unready("source", "waiting for the ingestor to say what it runs on")
    while not stop.is_set():
        namespace = await _namespace(service)
        if namespace is None:
            await pause(stop, 0.2)
            continue
        health.ready("source")
        service.log.info("following", namespace=namespace or "(none)")
        moved = asyncio.Event()

        async def watch(current: str = namespace, moved: asyncio.Event = moved) -> None:
            while not moved.is_set():
                await pause(stop, 1.0)
                if stop.is_set() or await _namespace(service) not in (None, current):
                    moved.set()

        await until_stopped(moved, watch(), _awaited(body(bus.within(namespace), moved)))


async def _awaited(job: Awaitable[None]) -> None:
    await job


async def _namespace(service: Service[AnySettings]) -> str | None:
    try:
        record = await service.bus.source()
    except Unavailable as error:
        service.health.unready("redis", str(error))
        return None
    service.health.ready("redis")
    return None if record is None else record.namespace


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
        self._published = health.counter("messages_published", "Messages published", ("topic",))
        self._refused = health.counter("messages_refused", "Messages that were already there")
        self._reloads = health.counter("reloads", "Times the state was dropped and loaded again", ("reason",))
        self._lag = health.gauge("lag_seconds", "Time since the inputs were last read to their end")
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
                health.unready(part, str(error))
                if not failures or isinstance(error, Doubt):
                    log.warning("load again", reason=reason, detail=str(error))
                await pause(stop, _BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
                failures += 1
            else:
                failures = 0

    async def _hold(self, bus: Bus, lease: Lease, stop: asyncio.Event, partition: int, part: str) -> None:
        step = self._new_step(bus.keyspace, partition)
        step.restore(await lease.load())
        reader = await StreamReader.open(bus.url, bus.keyspace)
        self._service.health.ready(part)
        caught_up = tables_at = clock_at = renewed_at = 0.0
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
                marks = await bus.table("watermarks", partition) if self._watermarks else {}
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
                    self._read.labels(channel.topic).inc(len(found))
                    if not exhausted:
                        unread.add(channel)
                    if channel.topic == TICKS.name:
                        batch.append(decode_ticks(channel.parameters[0], found))
                    else:
                        batch += [
                            decode(channel, entry_id, dict(zip(flat[::2], flat[1::2], strict=True))) for entry_id, flat in found
                        ]
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
