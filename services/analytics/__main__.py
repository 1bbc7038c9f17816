"""Wiring of the analytics: ``python -m services.analytics``."""

import asyncio
import time

from services.analytics.analyzer import PairAnalyzer
from services.analytics.api import Followed, analytics_app
from services.analytics.pair_table import TABLE, PairTable
from services.analytics.settings import AnalyticsSettings
from services.analytics.timing import Timed
from services.analytics.unfollowed import warn_of_unfollowed
from shared.bus import Bus
from shared.errors import Unavailable
from shared.runtime import Service, follow_source, pause, run_service, serve_http, until_stopped
from shared.step import Step
from shared.step_loop import StepLoop
from shared.topics import Keyspace

_KEEP_S = 5.0


async def analyze(service: Service[AnalyticsSettings]) -> None:
    settings, health, log = service.settings, service.health, service.log
    followed = Followed()
    windows = {interval: settings.window_bars(interval) for interval in settings.intervals}
    computing = health.histogram("compute_seconds", "Time of one step", (0.001, 0.005, 0.02, 0.1, 0.5, 2.0))
    rows = health.counter("rows_computed", "Rows of statistics computed")
    pairs = health.gauge("pairs", "Pairs and variants that are computed")

    def new_step(keyspace: Keyspace, partition: int) -> Step:
        return Timed(PairAnalyzer(windows, keyspace, partition, settings.min_coverage), computing, rows)

    loop = StepLoop(service, new_step, tables=(TABLE,))

    async def keep_table(table: PairTable, stop: asyncio.Event) -> None:
        """Keep the configured pairs in the table, whatever Redis forgets, and unwanted variants out of it."""
        while not stop.is_set():
            try:
                await table.keep_configured()
                for name in await table.drop_unwanted(time.time_ns() // 1_000_000):
                    log.info("dropped, for nobody has wanted it for an hour", pair=name)
                pairs.set(len(await table.rows()))
                health.ready("pairs")
            except Unavailable as error:
                health.unready("pairs", str(error))
            await pause(stop, _KEEP_S)

    async def follow(bus: Bus, stop: asyncio.Event) -> None:
        table = PairTable(bus, settings)
        while not stop.is_set():
            try:
                await table.prepare()
                break
            except Unavailable as error:
                health.unready("pairs", str(error))
                await pause(stop, 0.5)
        followed.enter(bus, table)
        try:
            await until_stopped(
                stop,
                loop.run(bus, stop),
                keep_table(table, stop),
                warn_of_unfollowed(bus, settings.pairs, log, stop),
            )
        finally:
            followed.leave()

    await until_stopped(
        service.stop,
        serve_http(analytics_app(health, settings, followed), settings.host, settings.analytics_port, service.stop),
        follow_source(service, follow),
    )


if __name__ == "__main__":
    run_service("analytics", AnalyticsSettings, analyze)
