"""Bars against the exchange's own klines and an independent computation, on the real recording."""

import pytest

from services.sampler.builder import BarBuilder
from shared.codec import encode
from shared.messages import Bar, Table, TickBatch, Watermark
from shared.topics import Keyspace
from tests.recording import SYMBOLS, Trade, differences_from_klines, differences_from_reference, trades

INTERVALS = ("1s", "1m", "5m")


def batches(rows: list[Trade], size: int) -> list[TickBatch]:
    """The trades as the sampler reads them: a batch of one symbol after the other, `size` trades of the market a time."""
    found = []
    for start in range(0, len(rows), size):
        for symbol in SYMBOLS:
            mine = [t for t in rows[start : start + size] if t.symbol == symbol]
            if mine:
                found.append(tick_batch(mine))
    return found


def tick_batch(rows: list[Trade]) -> TickBatch:
    return TickBatch(
        rows[0].symbol,
        [t.time_ms for t in rows],
        [t.trade_id for t in rows],
        [t.price for t in rows],
        [t.size for t in rows],
        [t.side for t in rows],
        [1] * len(rows),
        {},
        f"{rows[-1].time_ms}-{rows[-1].trade_id}",
    )


def bars_of(rows: list[Trade], size: int) -> list[Bar]:
    step = BarBuilder(INTERVALS, Keyspace())
    step.on_messages([Table("symbols", dict.fromkeys(SYMBOLS, ""))])
    end = max(t.event_ms for t in rows)
    outputs = [step.on_messages([batch]) for batch in batches(rows, size)]
    outputs.append(step.on_messages([Watermark(symbol, end, end=True) for symbol in SYMBOLS]))
    return [message for output in outputs for message in output.messages if isinstance(message, Bar)]


def fields(bars: list[Bar], interval: str) -> dict[tuple[str, int], dict[str, str]]:
    return {(bar.symbol, bar.open_time_ms): encode(bar) for bar in bars if bar.interval == interval}


@pytest.mark.parametrize("size", [1, 7, 1000, 10**9])
def test_one_minute_bars_equal_the_exchanges_klines_digit_for_digit(size: int) -> None:
    assert differences_from_klines(fields(bars_of(trades(), size), "1m")) == []


@pytest.mark.parametrize("interval", INTERVALS)
def test_all_bars_equal_the_independent_ones(interval: str) -> None:
    assert differences_from_reference(interval, fields(bars_of(trades(), 500), interval)) == []
