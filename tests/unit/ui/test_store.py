"""The store's rings, deltas by sequence number, and holes, against plain lists."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ui.store import KEPT_ALERTS, NOTHING_YET, Cursor, Ring, Series, Store
from shared.topics import ALERTS, Channel
from tests.builders import START_MS, alert, bar, pair_stats, report

BARS = Channel("bars", ("1s", "BTCUSDT"))
STATS = Channel("pairs", ("1s", "ETHUSDT~BTCUSDT"))


@given(capacity=st.integers(1, 12), steps=st.lists(st.integers(0, 30), max_size=8))
def test_a_reader_of_deltas_has_the_ring_of_a_list(capacity: int, steps: list[int]) -> None:
    """Whatever the rhythm of reading, rows come once, in order, and only those beyond the capacity are missing."""
    ring, everything, sequence = Ring(2, capacity), [], 0
    for step in steps:
        for _ in range(step):
            row = (float(len(everything)), float(-len(everything)))
            everything.append(row)
            ring.append(row)
        read = [tuple(row) for row in ring.since(sequence)]
        assert read == everything[max(sequence, len(everything) - capacity) :]
        assert len(ring) == min(capacity, len(everything))
        sequence = ring.next_sequence
        assert sequence == len(everything)


def test_bars_become_rows_of_time_and_prices() -> None:
    series = Series(BARS, 10, 1)
    series.append(bar("BTCUSDT", START_MS, "64123.40"))
    delta = series.since(NOTHING_YET)
    assert delta.reset
    assert dict(zip(series.columns, delta.rows[0], strict=True)) == {
        "time": START_MS, "open": 64116.99, "high": 64136.22, "low": 64110.58, "close": 64123.4,
    }  # fmt: skip


def test_a_session_gets_each_row_once() -> None:
    series, cursor, got = Series(STATS, 100, 1), NOTHING_YET, []
    for number in range(30):
        series.append(pair_stats("ETHUSDT~BTCUSDT", START_MS + number * 1000, zscore=number / 10))
        if number % 7 == 3:
            delta = series.since(cursor)
            assert delta.reset == (cursor == NOTHING_YET)
            got += delta.rows[:, 0].tolist()
            cursor = delta.cursor
    assert got == [START_MS + number * 1000.0 for number in range(25)]
    assert not len(series.since(series.cursor).rows)


def test_a_session_that_is_too_far_behind_starts_anew() -> None:
    series = Series(STATS, 5, 1)
    series.append(pair_stats("ETHUSDT~BTCUSDT", START_MS))
    behind = series.cursor
    for number in range(1, 12):
        series.append(pair_stats("ETHUSDT~BTCUSDT", START_MS + number * 1000))
    delta = series.since(behind)
    assert delta.reset
    assert delta.rows[:, 0].tolist() == [START_MS + number * 1000.0 for number in range(7, 12)]


def test_a_hole_in_the_grid_is_one_row_of_nothing() -> None:
    series = Series(BARS, 10, 1)
    for second in (0, 1, 5, 6):
        series.append(bar("BTCUSDT", START_MS + second * 1000, "100.00"))
    rows = series.since(NOTHING_YET).rows
    assert ((rows[:, 0] - START_MS) / 1000).tolist() == [0, 1, 2, 5, 6]
    assert np.isnan(rows[2, 1:]).all()
    assert not np.isnan(np.delete(rows, 2, axis=0)).any()


def test_unknown_statistics_are_no_zeros() -> None:
    series = Series(STATS, 10, 1)
    series.append(pair_stats("ETHUSDT~BTCUSDT", START_MS, zscore=None))
    assert np.isnan(series.since(NOTHING_YET).rows[0, 1:]).all()


@pytest.mark.parametrize("second", [-1, 0])
def test_an_entry_that_is_not_later_is_left_out(second: int) -> None:
    series = Series(BARS, 10, 1)
    assert series.append(bar("BTCUSDT", START_MS, "100.00"))
    assert not series.append(bar("BTCUSDT", START_MS + second * 1000, "101.00"))
    assert len(series) == 1


def test_a_restarted_stream_comes_anew_and_generations_never_repeat() -> None:
    store, generations = Store(10), []
    for _ in range(3):
        store.begin(BARS)
        store.apply(BARS, f"{START_MS}-0", bar("BTCUSDT", START_MS, "100.00"))
        generations.append(store.series[BARS].generation)
        assert store.series[BARS].since(Cursor(generations[0] - 1, 1)).reset
    assert all(earlier < later for earlier, later in pairwise(generations))
    store.forget(BARS)
    store.apply(BARS, f"{START_MS + 1000}-0", bar("BTCUSDT", START_MS + 1000, "100.00"))
    assert BARS not in store.series


def test_alerts_come_once_and_the_newest_are_kept() -> None:
    store, channel = Store(10), Channel(ALERTS.name)
    store.begin(channel)
    rows, reset, cursor = store.alerts_since(NOTHING_YET)
    assert (rows, reset) == ([], True)
    seen = []
    for number in range(KEPT_ALERTS + 50):
        store.apply(channel, f"{START_MS + number}-0", alert("ETHUSDT~BTCUSDT", START_MS + number, 2.5))
        if number < 20 and number % 3 == 0:
            rows, reset, cursor = store.alerts_since(cursor)
            assert not reset
            seen += [entry_id for entry_id, _ in rows]
    assert seen == [f"{START_MS + number}-0" for number in range(19)]
    rows, reset, _ = store.alerts_since(cursor)
    assert reset
    assert [entry_id for entry_id, _ in rows] == [f"{START_MS + number}-0" for number in range(50, KEPT_ALERTS + 50)]


def test_the_newest_report_is_kept_until_the_stream_is_forgotten() -> None:
    store, channel = Store(10), Channel("tests", ("1s", "ETHUSDT~BTCUSDT"))
    store.begin(channel)
    for second in (0, 1):
        store.apply(channel, f"{START_MS + second}-0", report("ETHUSDT~BTCUSDT", START_MS + second))
    assert store.reports[channel].bar_ms == START_MS + 1
    store.forget(channel)
    assert not store.reports
