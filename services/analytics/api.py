"""HTTP of the analytics: the pairs that are computed, and the tests on demand."""

import asyncio
import re
import secrets
import time
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException, Query
from fastapi.responses import JSONResponse

from services.analytics.downloads import downloads, known
from services.analytics.pair_table import PairRequest, PairTable
from services.analytics.parameters import PairParameters, parse_name
from services.analytics.report import cointegration_report
from services.analytics.settings import AnalyticsSettings
from shared.bus import Bus
from shared.errors import BadInput, Unavailable
from shared.health import Health
from shared.http_app import http_app
from shared.messages import Bar
from shared.symbols import Pair
from shared.topics import BARS, PAIRS, Channel

TEST_WINDOW_BARS = 3600
"""Cointegration needs a longer window than a z-score: with 300 bars the power at a half-life of 30 bars is 10 %."""
_PAGE = 1000
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)


class Followed:
    """The table and the bus of the namespace that is followed now."""

    def __init__(self) -> None:
        self._place: tuple[Bus, PairTable] | None = None

    def enter(self, bus: Bus, table: PairTable) -> None:
        self._place = bus, table

    def leave(self) -> None:
        self._place = None

    def bus(self) -> Bus:
        """Raises `Unavailable` while the source is not known."""
        return self._known()[0]

    def table(self) -> PairTable:
        """Raises `Unavailable` while the source is not known."""
        return self._known()[1]

    def _known(self) -> tuple[Bus, PairTable]:
        if self._place is None:
            raise Unavailable("the ingestor has not said yet what it runs on; start it, or set PAIRSTREAM_NAMESPACE")
        return self._place


def analytics_app(health: Health, settings: AnalyticsSettings, followed: Followed) -> FastAPI:
    """The whole application."""
    app = http_app(health, "Turns bars into statistics of pairs, tests cointegration, and hands out what is kept.")
    app.include_router(downloads(followed.bus, settings.intervals))
    one_test = asyncio.Semaphore(1)
    run_id = secrets.token_hex(4)

    def shown(name: str, parameters: PairParameters) -> dict[str, Any]:
        pair, variant = parse_name(name)
        models = {interval: parameters.model(settings.window_bars(interval)) for interval in settings.intervals}
        return {
            "name": name,
            "pair": str(pair),
            "variant": variant or None,
            "window_bars": {interval: model.window for interval, model in models.items()},
            "z_window_bars": {interval: model.z_window for interval, model in models.items()},
            "fit": parameters.fit,
            "price": parameters.price,
            "intercept": parameters.intercept,
            "origin": parameters.origin,
            "wanted_ms": parameters.wanted_ms,
            "topics": [str(Channel(PAIRS.name, (interval, name))) for interval in settings.intervals],
        }

    @app.get("/pairs", tags=["pairs"], summary="The pairs and variants that are computed, with their parameters")
    async def pairs() -> list[dict[str, Any]]:
        return [shown(name, parameters) for name, parameters in (await followed.table().rows()).items()]

    @app.post("/pairs", tags=["pairs"], summary="Have a pair computed, or a variant of it with other parameters")
    async def want(request: PairRequest) -> JSONResponse:
        """Answers the name under which it is published. A variant is kept for an hour after it was last asked for."""
        wanted = await followed.table().want(request, time.time_ns() // 1_000_000)
        pair, _ = parse_name(wanted.name)
        without = await _without_bars(followed.bus(), pair, settings.intervals[0])
        note = f"no {settings.intervals[0]} bars yet of {' and '.join(without)}: POST /symbols of the ingestor follows a symbol"
        body = {**shown(wanted.name, wanted.parameters), "new": wanted.new, "note": note if without else None}
        return JSONResponse(body, status_code=201 if wanted.new else 200)

    @app.delete("/pairs/{name}", tags=["pairs"], summary="Stop computing a pair or variant and delete its statistics")
    async def drop(name: str) -> dict[str, Any]:
        pair, variant = parse_name(name)
        full = f"{pair}@{variant}" if variant else str(pair)
        if not await followed.table().drop(full):
            raise HTTPException(404, f"{full} is not computed; GET /pairs shows what is")
        back = "it comes back at the next start, for PAIRSTREAM_PAIRS names it" if full in settings.pairs else None
        return {"name": full, "deleted": True, "note": back}

    @app.post("/tests/{pair}", tags=["tests"], summary="Test a pair for cointegration now")
    async def test(
        pair: str,
        interval: Annotated[str | None, Query(description="bar interval; the shortest if left out")] = None,
        window: Annotated[
            int,
            Query(ge=10, le=20_000, description="newest bars to use; fewer if fewer are kept or the source was silent"),
        ] = TEST_WINDOW_BARS,
        x_request_id: Annotated[str | None, Header(description="comes back in the report")] = None,
    ) -> dict[str, Any]:
        """ADF of the spread and Engle-Granger in both directions; published to `tests:` and answered."""
        legs, variant = parse_name(pair)
        if variant:
            raise BadInput(f"tests are of a pair, not of a variant; write {legs} and give the window")
        interval = known(interval or settings.intervals[0], settings.intervals)
        request_id = x_request_id if x_request_id and _REQUEST_ID.fullmatch(x_request_id) else f"{run_id}-{secrets.token_hex(4)}"
        bus = followed.bus()
        y, x = [await _newest_bars(bus, Channel(BARS.name, (interval, symbol)), window) for symbol in legs]
        async with one_test:
            report = await asyncio.to_thread(
                cointegration_report,
                *(legs, interval, y, x, window, settings.price, settings.intercept, settings.min_coverage, request_id),
            )
        return {"id": await bus.publish(report), **report._asdict()}

    return app


async def _without_bars(bus: Bus, pair: Pair, interval: str) -> list[str]:
    return [symbol for symbol in pair if await bus.last_id(Channel(BARS.name, (interval, symbol))) is None]


async def _newest_bars(bus: Bus, channel: Channel, count: int) -> list[Bar]:
    """The newest bars, oldest first. Raises `BadInput` if there is none."""
    bars: list[Bar] = []
    end = "+"
    while len(bars) < count:
        page = await bus.messages(channel, "-", end, min(_PAGE, count - len(bars)), newest_first=True)
        if not page:
            break
        bars += page
        end = f"({page[-1].open_time_ms}-0"
    if not bars:
        raise BadInput(f"there are no {channel.parameters[0]} bars of {channel.parameters[1]}; GET /pairs shows what is computed")
    return bars[::-1]
