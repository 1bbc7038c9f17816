"""``python -m services.alerter``"""

import asyncio
import time

from services.alerter.api import alerter_app
from services.alerter.engine import AlertEngine
from services.alerter.settings import AlerterSettings
from services.alerter.stamp import Metrics, StampedEngine
from services.alerter.store import RuleStore
from shared.bus import Bus
from shared.errors import Unavailable
from shared.runtime import Service, follow_source, pause, run_service, serve_http, until_stopped
from shared.step_loop import StepLoop
from shared.topics import Keyspace

_KEEP_S = 5.0


async def run(service: Service[AlerterSettings]) -> None:
    settings, health = service.settings, service.health
    store = RuleStore(settings.intervals, settings.rules())
    metrics = Metrics(health)

    def new_engine(_keyspace: Keyspace, _partition: int) -> StampedEngine:
        return StampedEngine(AlertEngine(settings.intervals), metrics, lambda: time.time_ns() // 1_000_000)

    loop = StepLoop(service, new_engine, tables=("rules", "pairs"))

    async def keep_rules(stop: asyncio.Event) -> None:
        """Keep the configured rules in the table, whatever Redis forgets."""
        while not stop.is_set():
            await pause(stop, _KEEP_S)
            try:
                if written := await store.keep_configured():
                    service.log.warning("rules were lost and are written again", rules=written)
                health.ready("rules")
            except Unavailable as error:
                health.unready("rules", str(error))

    async def follow(bus: Bus, stop: asyncio.Event) -> None:
        store.move(bus)
        while not stop.is_set():
            try:
                overruled = await store.refresh()
            except Unavailable as error:
                health.unready("rules", str(error))
                await pause(stop, 1.0)
            else:
                health.ready("rules")
                if overruled:
                    service.log.warning("rules changed over HTTP stay as they are", rules=overruled)
                await until_stopped(stop, loop.run(bus, stop), keep_rules(stop))

    await until_stopped(
        service.stop,
        serve_http(alerter_app(health, store), settings.host, settings.alerter_port, service.stop),
        follow_source(service, follow),
    )


if __name__ == "__main__":
    run_service("alerter", AlerterSettings, run)
