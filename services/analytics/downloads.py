"""The routes that read: ``/history`` as JSON, ``/export`` as CSV in a stream."""

from collections.abc import AsyncIterator, Callable
from typing import Annotated
from urllib.parse import quote

import orjson
from fastapi import APIRouter, HTTPException, Query, Response
from fastapi.responses import StreamingResponse

from services.analytics.history import Span, bars_csv, json_rows, pairs_csv, ticks_csv
from services.analytics.parameters import parse_name
from shared.bus import Bus
from shared.errors import BadInput
from shared.intervals import interval_ms
from shared.symbols import symbol_name
from shared.topics import BARS, PAIRS, TICKS, Channel

_MS = Query(description="milliseconds UTC, by entry id, included", ge=0, le=10**15)
FromMs = Annotated[int | None, _MS]
ToMs = Annotated[int | None, _MS]
Limit = Annotated[int, Query(ge=1, le=10_000, description="rows at most")]


def downloads(bus: Callable[[], Bus], intervals: list[str]) -> APIRouter:
    """The routes; `bus` answers the bus of the moment or raises `Unavailable`."""
    router = APIRouter()

    async def ticks(symbol: str) -> Channel:
        return await _existing(bus(), Channel(TICKS.name, (symbol_name(symbol),)))

    async def bars(interval: str, symbol: str) -> Channel:
        return await _existing(bus(), Channel(BARS.name, (known(interval, intervals), symbol_name(symbol))))

    async def pairs(interval: str, name: str) -> Channel:
        pair, variant = parse_name(name)
        full = f"{pair}@{variant}" if variant else str(pair)
        return await _existing(bus(), Channel(PAIRS.name, (known(interval, intervals), full)))

    async def answer(channel: Channel, span: Span, limit: int) -> Response:
        rows = await json_rows(bus(), channel, span, limit)
        body = {"topic": str(channel), "rows": rows, "limit_reached": len(rows) == limit}
        return Response(orjson.dumps(body), media_type="application/json")

    @router.get("/history/ticks/{symbol}", tags=["history"], summary="Ticks; the newest if no from_ms is given")
    async def history_ticks(symbol: str, from_ms: FromMs = None, to_ms: ToMs = None, limit: Limit = 1000) -> Response:
        return await answer(await ticks(symbol), Span(from_ms, to_ms), limit)

    @router.get("/history/bars/{interval}/{symbol}", tags=["history"], summary="Bars; the newest if no from_ms is given")
    async def history_bars(
        interval: str, symbol: str, from_ms: FromMs = None, to_ms: ToMs = None, limit: Limit = 1000
    ) -> Response:
        return await answer(await bars(interval, symbol), Span(from_ms, to_ms), limit)

    @router.get("/history/pairs/{interval}/{pair}", tags=["history"], summary="Statistics; the newest if no from_ms is given")
    async def history_pairs(
        interval: str, pair: str, from_ms: FromMs = None, to_ms: ToMs = None, limit: Limit = 1000
    ) -> Response:
        return await answer(await pairs(interval, pair), Span(from_ms, to_ms), limit)

    @router.get("/export/ticks/{symbol}", tags=["export"], summary="Ticks as CSV", response_class=StreamingResponse)
    async def export_ticks(symbol: str, from_ms: FromMs = None, to_ms: ToMs = None) -> StreamingResponse:
        channel = await ticks(symbol)
        return _csv(channel, ticks_csv(bus(), channel, Span(from_ms, to_ms)))

    @router.get("/export/bars/{interval}/{symbol}", tags=["export"], summary="Bars as CSV", response_class=StreamingResponse)
    async def export_bars(interval: str, symbol: str, from_ms: FromMs = None, to_ms: ToMs = None) -> StreamingResponse:
        channel = await bars(interval, symbol)
        return _csv(channel, bars_csv(bus(), channel, Span(from_ms, to_ms)))

    @router.get(
        "/export/pairs/{interval}/{pair}",
        tags=["export"],
        summary="Bars of both legs with the pair's statistics as CSV",
        response_class=StreamingResponse,
    )
    async def export_pairs(interval: str, pair: str, from_ms: FromMs = None, to_ms: ToMs = None) -> StreamingResponse:
        channel = await pairs(interval, pair)
        return _csv(channel, pairs_csv(bus(), channel, Span(from_ms, to_ms)))

    return router


def known(interval: str, intervals: list[str]) -> str:
    """The interval, if it is one of those that are computed. Raises `BadInput`."""
    interval_ms(interval)
    if interval not in intervals:
        raise BadInput(f"{interval} bars are not computed; choose one of {', '.join(intervals)} (PAIRSTREAM_INTERVALS)")
    return interval


async def _existing(bus: Bus, channel: Channel) -> Channel:
    if not await bus.length(channel):
        raise HTTPException(404, f"there is nothing in {channel} yet; GET /pairs and GET /symbols of the ingestor show what runs")
    return channel


def _csv(channel: Channel, chunks: AsyncIterator[str]) -> StreamingResponse:
    name = quote("_".join((channel.topic, *channel.parameters)) + ".csv")
    return StreamingResponse(
        chunks,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{name}"},
    )
