"""Stretches of a stream, page by page: as JSON rows, as CSV, and the bars of two legs joined with a pair's statistics."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from services.analytics import csv_text
from services.analytics.parameters import parse_name
from shared.bus import Bus
from shared.codec import wire_specs
from shared.topics import BARS, PAIRS, TOPICS, Channel

_PAGE = 1000

Fields = Mapping[str, str]


class Span(NamedTuple):
    """A range of entry ids by their milliseconds, both ends included; ``None`` for open."""

    from_ms: int | None = None
    to_ms: int | None = None

    @property
    def start(self) -> str:
        return "-" if self.from_ms is None else str(self.from_ms)

    @property
    def end(self) -> str:
        return "+" if self.to_ms is None else str(self.to_ms)


async def pages(bus: Bus, channel: Channel, span: Span) -> AsyncIterator[list[tuple[str, Fields]]]:
    """The usable entries of a stretch, oldest first, a page at a time. Raises `Unavailable`."""
    start = span.start
    while page := await bus.usable_entries(channel, start, span.end, _PAGE):
        yield [(entry_id, fields) for entry_id, fields, _ in page]
        if len(page) < _PAGE:
            return
        start = f"({page[-1][0]}"


async def json_rows(bus: Bus, channel: Channel, span: Span, limit: int) -> list[dict[str, Any]]:
    """At most `limit` usable entries, oldest first: from `from_ms` on if that is given, else the newest up to `to_ms`.

    Numbers stand in the digits they have in the stream.
    """
    newest_first = span.from_ms is None
    found = await bus.usable_entries(channel, span.start, span.end, limit, newest_first=newest_first)
    topic = TOPICS[channel.topic]
    structured = {spec.name for spec in wire_specs(topic) if spec.kind == "json"}
    rows = []
    for entry_id, fields, _ in reversed(found) if newest_first else found:
        row: dict[str, Any] = {"id": entry_id, topic.time: int(entry_id.partition("-")[0])}
        for name, text in fields.items():
            row[name] = orjson.Fragment(text) if name in structured or csv_text.is_number(text) else text
        rows.append(row)
    return rows


def _columns(channel: Channel, without: Sequence[str] = ()) -> list[str]:
    return [spec.name for spec in wire_specs(TOPICS[channel.topic]) if spec.name not in without]


async def ticks_csv(bus: Bus, channel: Channel, span: Span) -> AsyncIterator[str]:
    """Every tick: its own time, which is earlier than its entry's where trades came out of order, its id and its fields."""
    names = _columns(channel, without=("time_ms", "resumed_ms"))
    yield csv_text.header("time_ms", ["trade_id", *names])
    async for page in pages(bus, channel, span):
        rows = []
        for entry_id, fields in page:
            ms, _, trade_id = entry_id.partition("-")
            rows.append((int(fields.get("time_ms", ms)), [trade_id, *(fields.get(name, "") for name in names)]))
        yield csv_text.lines(rows)


async def bars_csv(bus: Bus, channel: Channel, span: Span) -> AsyncIterator[str]:
    """Every bar."""
    names = _columns(channel)
    yield csv_text.header("open_time_ms", names)
    async for page in pages(bus, channel, span):
        yield csv_text.lines((_ms(entry), [fields.get(name, "") for name in names]) for entry, fields in page)


async def pairs_csv(bus: Bus, channel: Channel, span: Span) -> AsyncIterator[str]:
    """The bars of both legs at every time that both have, with the statistics where there are any."""
    interval, name = channel.parameters
    pair, _ = parse_name(name)
    legs = [Channel(BARS.name, (interval, symbol)) for symbol in pair]
    bar_names, names = _columns(legs[0]), _columns(channel, without=("y", "x"))
    yield csv_text.header("open_time_ms", [f"{leg}_{name}" for leg in ("y", "x") for name in bar_names] + names)
    x, statistics = _Cursor(bus, legs[1], span), _Cursor(bus, Channel(PAIRS.name, channel.parameters), span)
    async for page in pages(bus, legs[0], span):
        rows = []
        for entry_id, y_fields in page:
            ms = _ms(entry_id)
            x_fields = await x.at(ms)
            if x_fields is None:
                continue
            found = await statistics.at(ms) or {}
            texts = [leg.get(name, "") for leg in (y_fields, x_fields) for name in bar_names]
            rows.append((ms, texts + [found.get(name, "") for name in names]))
        yield csv_text.lines(rows)


class _Cursor:
    """A stream beside another: its entry at a time, asked for in ascending order."""

    def __init__(self, bus: Bus, channel: Channel, span: Span) -> None:
        self._pages = pages(bus, channel, span)
        self._page: list[tuple[str, Fields]] = []
        self._at = 0

    async def at(self, ms: int) -> Fields | None:
        while True:
            while self._at < len(self._page):
                found, fields = self._page[self._at]
                if _ms(found) >= ms:
                    return fields if _ms(found) == ms else None
                self._at += 1
            page = await anext(self._pages, None)
            if page is None:
                return None
            self._page, self._at = page, 0


def _ms(entry_id: str) -> int:
    return int(entry_id.partition("-")[0])
