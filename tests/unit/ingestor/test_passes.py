"""Where a replay goes on: the arithmetic of passes, against a simulation of Redis that is cut off anywhere."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingestor import passes
from services.ingestor.binance import Print
from services.ingestor.passes import Extent, Pass, Place
from shared.messages import Tick
from tests.recording import trades

LARGEST_MS = 300_000
T0 = 1_700_000_123_456


def recording(prints: list[tuple[str, int, int]]) -> list[Print]:
    return [
        Print("trade", time_ms, Tick(symbol, time_ms, trade_id, "1", "1", "buy"), True) for symbol, trade_id, time_ms in prints
    ]


def test_extent_of_the_bundled_recording() -> None:
    found = passes.extent(recording([(t.symbol, t.trade_id, t.time_ms) for t in trades()]))
    for symbol in ("BTCUSDT", "ETHUSDT"):
        numbers = [t.trade_id for t in trades() if t.symbol == symbol]
        assert found.ids[symbol] == (min(numbers), max(numbers))
        assert found.count(symbol) == len(numbers)
    assert passes.shift_ms(found, LARGEST_MS) == 25 * 60_000


@given(st.integers(1, 10**13), st.integers(0, 10**9), st.sampled_from([1_000, 60_000, 300_000, 3_600_000]))
def test_the_shift_is_the_smallest_that_leaves_a_silence_of_more_than_ten_minutes(first: int, length: int, largest: int) -> None:
    shift = passes.shift_ms(Extent({}, {}, first, first + length, 0), largest)
    start_of_bar = first // largest * largest
    assert shift % largest == 0
    assert start_of_bar + shift - (first + length) > 600_000
    assert start_of_bar + shift - largest - (first + length) <= 600_000


def resume(prints: list[Print], published: list[Print], symbols: list[str]) -> passes.Start:
    """What `Replay` does: the tails, their ids in the recording, and the times that it finds there."""
    extent = passes.extent(prints)
    tails = {p.tick.symbol: Place(p.tick.time_ms, p.tick.trade_id) for p in published}
    ids = passes.recorded_ids(extent, tails)
    times = {p.tick.symbol: p.tick.time_ms for p in prints if ids.get(p.tick.symbol) == p.tick.trade_id}
    return passes.start(extent, LARGEST_MS, symbols, tails, times)


def play(prints: list[Print], start: Pass, number: int) -> list[Print]:
    """Everything from the begin of a pass on, for some passes."""
    extent = passes.extent(prints)
    found = []
    for _ in range(number):
        found += [start.shifted(p, extent.count(p.tick.symbol)) for p in prints]
        start = passes.following(extent, LARGEST_MS, start)
    return found


def small() -> list[Print]:
    return recording([("A", 7, T0), ("B", 100, T0 + 3), ("A", 8, T0 + 3), ("A", 10, T0 + 90_000), ("B", 101, T0 + 400_000)])


@pytest.mark.parametrize("cut", range(16))
def test_a_run_cut_off_anywhere_goes_on_with_exactly_the_rest(cut: int) -> None:
    prints = small()
    undisturbed = play(prints, Pass(0, 0), 6)
    published = undisturbed[:cut]
    start = resume(prints, published, ["A", "B"])
    again = play(prints, start.first, 2)
    newest = {p.tick.symbol: p.tick.trade_id for p in published}
    rest = [p for p in again if p.tick.trade_id > newest.get(p.tick.symbol, -1)]
    assert rest == undisturbed[cut : cut + len(rest)]
    assert len(rest) > 0
    finished = cut > 0 and cut % len(prints) == 0
    assert (start.ended is not None) == finished
    if finished:
        assert start.ended == Pass(cut // 5 - 1, start.first.shift_ms - passes.shift_ms(passes.extent(prints), LARGEST_MS))


def test_ids_never_jump_and_time_never_goes_back_over_passes() -> None:
    played = play(recording([("A", 7, T0), ("A", 8, T0 + 3), ("A", 9, T0 + 90_000)]), Pass(0, 0), 5)
    assert [p.tick.trade_id for p in played] == list(range(7, 22))
    assert all(b.event_ms >= a.event_ms for a, b in pairwise(played))


def test_a_symbol_that_joins_later_plays_the_pass_that_the_others_are_in() -> None:
    prints = small()
    published = [p for p in play(prints, Pass(0, 0), 2)[:7] if p.tick.symbol == "A"]
    assert resume(prints, published, ["A", "B"]).first.number == 1


def test_ticks_of_another_recording_are_left_behind_by_more_than_ten_minutes() -> None:
    foreign = recording([("A", 5_000_000, T0 + 10**9 + 17)])
    start = resume(small(), foreign, ["A", "B"])
    assert start.ended is None
    assert start.first.shift_ms % LARGEST_MS == 0
    first_ms = small()[0].tick.time_ms + start.first.shift_ms
    assert first_ms // LARGEST_MS * LARGEST_MS - foreign[0].tick.time_ms > 600_000


def test_after_a_change_of_the_intervals_the_next_pass_begins_on_the_new_grid() -> None:
    prints = small()
    extent = passes.extent(prints)
    old = play(prints, passes.following(extent, 60_000, Pass(0, 0)), 1)[:3]
    assert (old[0].tick.time_ms - T0) % LARGEST_MS  # the old shift is no multiple of the new largest interval
    start = resume(prints, old, ["A", "B"])
    assert start.first.number == 2
    assert start.first.shift_ms % LARGEST_MS == 0
    assert T0 + start.first.shift_ms > max(p.tick.time_ms for p in old) + 600_000
