"""The shell around a service: settings, logs, signals and HTTP, and the namespace that the source works in."""

import asyncio
import contextlib
import gc
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, NamedTuple

import uvicorn
import uvloop
from fastapi import FastAPI

from shared.bus import Bus, open_bus
from shared.errors import SettingsError, Unavailable
from shared.health import Health
from shared.http_guard import OriginGuard
from shared.log import Log, configure
from shared.settings import AnySettings, load, redis_place
from shared.spelling import UNKNOWN, given, unknown

_COLLECT_AFTER = (20_000, 20, 50)
"""Objects, then collections of the generation before, after which garbage is collected."""


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
    for variable, near in unknown([kind], given(), all_kinds=False).items():
        log.warning(UNKNOWN, variable=variable, nearest=near)

    # Hundreds of thousands of ticks may be waiting or be kept for a minute. Going through them for cycles, of which the
    # hot path makes none, as often as Python does by default held a service up for hundreds of milliseconds at a time.
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        async with open_bus(settings.redis_url, settings.keyspace(settings.namespace), settings.retention_hours) as bus:
            log.info("starting", redis=redis_place(settings.redis_url))
            await body(Service(settings, bus, Health(name), log, stop))
        log.info("stopped")

    uvloop.run(main())


async def serve_http(app: FastAPI, host: str, port: int, stop: asyncio.Event) -> None:
    """Serve HTTP until `stop`, but not to foreign web pages. A port that is taken ends the process with a clear line."""
    server = uvicorn.Server(
        uvicorn.Config(
            OriginGuard(app, host), host=host, port=port, log_config=None, access_log=False, timeout_graceful_shutdown=2
        )
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
