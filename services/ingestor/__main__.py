"""Wiring of the ingestor: settings, the choice of the source, the way to Redis."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import orjson

from services.ingestor.api import Desk, ingestor_app
from services.ingestor.binance_feed import BinanceFeed
from services.ingestor.choice import Choice, choose
from services.ingestor.intake import Intake
from services.ingestor.nothing import Nothing
from services.ingestor.replay import Replay
from services.ingestor.settings import IngestorSettings
from services.ingestor.simulator import Simulator
from services.ingestor.source import Source
from services.ingestor.trimming import run_trimming
from shared.bus import Bus, TickWriter
from shared.errors import BadInput, Unavailable
from shared.messages import Event
from shared.runtime import Service, pause, run_service, serve_http, until_stopped

_RETRY_S = 0.5
_LAST_WORDS_S = 2.0


async def body(service: Service[IngestorSettings]) -> None:
    """HTTP from the first moment; the source as soon as it is chosen."""
    desk = Desk()
    app = ingestor_app(service.health, desk)
    settings = service.settings
    service.health.unready("source", "choosing the source")
    await until_stopped(
        service.stop, serve_http(app, settings.host, settings.ingestor_port, service.stop), _ingest(service, desk)
    )


async def _ingest(service: Service[IngestorSettings], desk: Desk) -> None:
    settings, health, log, stop = service.settings, service.health, service.log, service.stop
    choosing = asyncio.create_task(choose(settings))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({choosing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if stop.is_set():
        choosing.cancel()
        return
    choice = choosing.result()
    log.info("source", source=choice.source, reason=choice.reason)
    bus = service.bus.within(settings.namespace or choice.namespace)
    writer = TickWriter(settings.redis_url, bus.keyspace)
    intake = Intake(bus, writer, health, log, settings.watermark_grace_ms)
    writing = asyncio.create_task(writer.run())
    try:
        followed = await _announce(service, bus, choice, intake)
        source = _source(service, choice, followed, intake)
        desk.standing, desk.source = intake.standing, source
        health.ready("source")
        standing = intake.standing.run(writer, log, stop)
        jobs = (intake.run(stop), standing, run_trimming(bus, log, stop), _feed(service, source))
        await until_stopped(stop, *(_ended_by(stop, job) for job in jobs))
        try:
            async with asyncio.timeout(_LAST_WORDS_S):
                await writer.flush()
        except TimeoutError:
            log.warning("ticks are lost: Redis does not take them", ticks=writer.queued)
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


async def _ended_by(stop: asyncio.Event, job: Coroutine[Any, Any, None]) -> None:
    """Run a job that ends by itself after `stop`; but when Redis is away it may wait for room in the queue for ever."""
    task = asyncio.create_task(job)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    await asyncio.wait({task}, timeout=_LAST_WORDS_S)
    if task.done():
        task.result()
        return
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _announce(service: Service[IngestorSettings], bus: Bus, choice: Choice, intake: Intake) -> list[str]:
    """Say what runs, before anything else is written; answers the symbols followed so far, none if the settings decide."""
    settings = service.settings
    configured = orjson.dumps([settings.symbols, str(settings.replay), settings.simulator_symbols]).decode()
    while not service.stop.is_set():
        try:
            before = await bus.source()
            followed = await intake.standing.announce(choice.source, choice.reason, configured)
        except Unavailable as error:
            service.health.unready("redis", str(error))
            await pause(service.stop, _RETRY_S)
            continue
        if before is None or (before.source, before.namespace) != (choice.source, bus.keyspace.namespace):
            # The exchange's time of it is known with the first trade; without a source there is none but ours.
            at_ms = time.time_ns() // 1_000_000 if choice.source == "none" else 0
            intake.declare(Event("source_changed", at_ms, ": ".join(filter(None, (choice.source, choice.reason)))))
        return followed
    return []


def _source(service: Service[IngestorSettings], choice: Choice, followed: list[str], intake: Intake) -> Source:
    settings, health, log = service.settings, service.health, service.log
    match choice.source:
        case "binance":
            return BinanceFeed(settings, followed or settings.symbols, intake, health, log)
        case "replay":
            named = settings.symbols if "symbols" in settings.model_fields_set else []
            return Replay(settings, followed or named, intake, health, log)
        case "simulator":
            return Simulator(settings, followed, intake, health, log)
        case "none":
            return Nothing(followed or settings.symbols, intake.standing, health)


async def _feed(service: Service[IngestorSettings], source: Source) -> None:
    """Run the source until the service stops; while Redis is away it is begun again, from where the ticks end."""
    while not service.stop.is_set():
        try:
            await source.run(service.stop)
        except Unavailable as error:
            service.log.warning("the source waits for Redis", reason=str(error))
            await pause(service.stop, _RETRY_S)
        except BadInput as error:
            service.log.error("the source cannot be used", reason=str(error))
            service.health.unready("feed", str(error))
            await service.stop.wait()


if __name__ == "__main__":
    run_service("ingestor", IngestorSettings, body)
