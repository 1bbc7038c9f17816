"""The grid's rules on small hand-made streams, and restarts at any point against an undisturbed run."""

from collections.abc import Sequence
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from services.sampler.builder import BarBuilder
from shared.messages import Bar, Event, Message, Table, TickBatch, Watermark
from shared.topics import Keyspace

Row = tuple[int, int, str, str]
"""time_ms, trade_id, price, size."""


def batch(rows: Sequence[Row], notes: dict[int, tuple[int, int | None, bool]] | None = None) -> TickBatch:
    times, ids, prices, sizes = (list(column) for column in zip(*rows, strict=True))
    sides: list[str | None] = ["buy" if i % 2 else "sell" for i in ids]
    return TickBatch("AAA", times, ids, prices, sizes, sides, [1] * len(rows), notes or {}, f"{times[-1]}-{ids[-1]}")


def step(intervals: Sequence[str] = ("1s", "5s")) -> BarBuilder:
    made = BarBuilder(intervals, Keyspace())
    made.on_messages([Table("symbols", {"AAA": ""})])
    return made


def seen(messages: Sequence[Message]) -> list[tuple[str, int, str, int | None]]:
    return [(m.interval, m.open_time_ms, m.status, m.trades) for m in messages if isinstance(m, Bar)]


def test_the_first_bar_is_partial_and_seconds_without_a_trade_are_quiet() -> None:
    made = step()
    output = made.on_messages([batch([(10_100, 1, "5", "1"), (10_900, 2, "7", "1"), (13_000, 3, "6", "2")])])
    assert seen(output.messages) == [
        ("1s", 10_000, "partial", 2), ("1s", 11_000, "quiet", 0), ("1s", 12_000, "quiet", 0),
    ]  # fmt: skip
    quiet = output.messages[1]
    assert isinstance(quiet, Bar)
    assert (quiet.open, quiet.high, quiet.low, quiet.close) == (Decimal(7),) * 4
    assert quiet.volume == 0
    assert quiet.first_id is quiet.last_id is quiet.vwap is None


def test_the_watermark_closes_a_quiet_symbols_bars_and_folds_them() -> None:
    made = step()
    made.on_messages([batch([(10_100, 1, "5", "1")])])
    assert seen(made.on_messages([Watermark("AAA", 10_999)]).messages) == []
    assert seen(made.on_messages([Watermark("AAA", 11_000)]).messages) == [("1s", 10_000, "partial", 1)]
    assert seen(made.on_messages([Watermark("AAA", 15_500)]).messages)[-1] == ("5s", 10_000, "partial", 1)
    output = made.on_messages([batch([(20_000, 2, "5", "1")])])
    assert seen(output.messages)[-1] == ("5s", 15_000, "quiet", 0)


def test_a_hole_in_the_ids_marks_every_bar_that_it_may_touch_once_and_no_other() -> None:
    made = step()
    output = made.on_messages(
        [
            batch(
                [
                    (10_100, 1, "5", "1"),
                    (11_100, 2, "5", "1"),
                    (13_100, 6, "5", "1"),
                    (14_100, 7, "5", "1"),
                    (20_000, 8, "5", "1"),
                ]
            )
        ]
    )
    bars = [m for m in output.messages if isinstance(m, Bar)]
    assert [(b.open_time_ms, b.status, b.missing) for b in bars if b.interval == "1s"][:5] == [
        (10_000, "partial", None), (11_000, "gap", 3), (12_000, "gap", 3), (13_000, "gap", 3), (14_000, "complete", None),
    ]  # fmt: skip
    assert [(b.open_time_ms, b.status, b.missing) for b in bars if b.interval == "5s"] == [
        (10_000, "gap", 3), (15_000, "quiet", None),
    ]  # fmt: skip


def test_ids_that_are_accounted_for_make_no_gap() -> None:
    made = step()
    output = made.on_messages(
        [batch([(10_100, 1, "5", "1"), (11_100, 4, "5", "1"), (12_000, 5, "5", "1")], {1: (2, None, False)})]
    )
    assert seen(output.messages) == [("1s", 10_000, "partial", 1), ("1s", 11_000, "complete", 1)]


def test_a_trade_of_a_closed_bar_is_declared_late_and_left_out() -> None:
    made = step()
    output = made.on_messages(
        [batch([(10_100, 1, "5", "1"), (11_100, 2, "5", "1"), (10_900, 3, "9", "1"), (12_000, 4, "5", "1")])]
    )
    assert seen(output.messages) == [("1s", 10_000, "partial", 1), ("1s", 11_000, "complete", 1)]
    (late,) = [m for m in output.messages if isinstance(m, Event)]
    assert (late.kind, late.symbol, late.first_id, late.last_id, late.affected) == ("late", "AAA", 3, 3, 1)


def test_after_a_long_silence_the_grid_starts_again_without_filling() -> None:
    made = step()
    rows = [(10_100, 1, "5", "1"), (11_100, 2, "5", "1"), (900_100, 3, "6", "1"), (901_000, 4, "6", "1")]
    output = made.on_messages([batch(rows, {2: (0, 12_300, False)})])
    assert seen(output.messages) == [
        ("1s", 10_000, "partial", 1), ("1s", 11_000, "complete", 1), ("5s", 10_000, "partial", 2),
        ("1s", 900_000, "partial", 1),
    ]  # fmt: skip


def test_the_end_of_the_source_gives_the_same_bars_whether_it_is_told_or_read_from_the_next_tick() -> None:
    rows = [(10_100, 1, "5", "1"), (12_100, 2, "5", "1")]
    later = batch([(900_100, 3, "6", "1"), (900_900, 4, "6", "1"), (901_000, 5, "6", "1")], {0: (0, 13_500, False)})
    told, read = step(), step()
    first = [*told.on_messages([batch(rows)]).messages, *told.on_messages([Watermark("AAA", 13_500, end=True)]).messages]
    assert [*first, *told.on_messages([later]).messages] == [
        *read.on_messages([batch(rows)]).messages,
        *read.on_messages([later]).messages,
    ]


def test_an_end_that_the_trades_have_passed_closes_nothing() -> None:
    made = step()
    end = Watermark("AAA", 13_500, end=True)
    made.on_messages([batch([(10_100, 1, "5", "1"), (12_100, 2, "5", "1")]), end])
    # The end is still the stored watermark when the first trades of the next pass are read.
    later = batch([(900_100, 3, "6", "1"), (900_900, 4, "6", "1")], {0: (0, 13_500, False)})
    assert seen(made.on_messages([later, end]).messages) == []
    assert seen(made.on_messages([batch([(901_000, 5, "6", "1")])]).messages) == [("1s", 900_000, "partial", 2)]


def test_a_late_trade_still_counts_in_the_longer_bar_that_is_open() -> None:
    made = step()
    rows = [(10_100, 1, "5", "1"), (11_100, 2, "5", "1"), (10_900, 3, "9", "1"), (12_000, 4, "4", "1"), (15_000, 5, "1", "1")]
    (longer,) = [m for m in made.on_messages([batch(rows)]).messages if isinstance(m, Bar) and m.interval == "5s"]
    assert (longer.trades, longer.high, longer.low, longer.close) == (4, Decimal(9), Decimal(4), Decimal(4))
    assert (longer.volume, longer.first_id, longer.last_id) == (Decimal(4), 1, 4)


def test_a_late_last_trade_of_a_longer_bar_is_its_close() -> None:
    made = step()
    rows = [(10_100, 1, "5", "1"), (13_900, 2, "6", "1"), (14_100, 3, "7", "1"), (13_950, 4, "8", "1"), (15_000, 5, "1", "1")]
    (longer,) = [m for m in made.on_messages([batch(rows)]).messages if isinstance(m, Bar) and m.interval == "5s"]
    assert (longer.trades, longer.close, longer.last_id) == (4, Decimal(8), 4)


def test_a_longer_bar_goes_on_over_a_silence_that_ends_within_it() -> None:
    made = step(("1s", "1h"))
    rows = [
        (10_100, 1, "5", "1"),
        (11_100, 2, "7", "1"),
        (900_100, 3, "6", "1"),
        (901_000, 4, "4", "1"),
        (3_600_000, 5, "1", "1"),
    ]
    output = made.on_messages([batch(rows, {2: (0, 12_300, False)})])
    (hour,) = [m for m in output.messages if isinstance(m, Bar) and m.interval == "1h"]
    assert (hour.open_time_ms, hour.status, hour.trades) == (0, "partial", 4)
    assert (hour.open, hour.high, hour.low, hour.close) == (Decimal(5), Decimal(7), Decimal(4), Decimal(4))


def test_a_jump_of_more_than_a_day_is_not_filled() -> None:
    made = step(("1s", "5s"))
    far_ms = 10**15
    output = made.on_messages([batch([(10_100, 1, "5", "1"), (far_ms, 2, "5", "1"), (far_ms + 1_000, 3, "5", "1")])])
    assert seen(output.messages) == [("1s", 10_000, "partial", 1), ("5s", 10_000, "partial", 1), ("1s", far_ms, "partial", 1)]
    assert seen(made.on_messages([Watermark("AAA", 10**17)]).messages)[0] == ("1s", far_ms + 1_000, "partial", 1)


def test_sums_are_exact_where_floats_are_not() -> None:
    made = step(("1s",))
    rows = [(10_000 + i, i + 1, "0.1", "0.1") for i in range(10)] + [(11_000, 11, "123456789012.1", "0.000000000001")]
    bar = made.on_messages([batch([*rows, (12_000, 12, "1", "1")])]).messages
    first, second = (m for m in bar if isinstance(m, Bar))
    assert (str(first.volume), str(first.quote_volume), str(first.taker_buy_volume)) == ("1.0", "0.10", "0.5")
    assert str(second.quote_volume) == "0.1234567890121"


times = st.lists(st.tuples(st.integers(0, 2_500), st.integers(1, 9), st.integers(0, 3)), min_size=1, max_size=60)


@settings(max_examples=150, deadline=None)
@given(times, st.data())
def test_a_restart_at_any_point_changes_nothing(moves: list[tuple[int, int, int]], data: st.DataObject) -> None:
    rows: list[Row] = []
    time_ms, trade_id = 10_000, 0
    for forward_ms, price, hole in moves:
        time_ms += forward_ms
        trade_id += 1 + (hole == 3)
        rows.append((time_ms, trade_id, str(price), "0.5"))
    undisturbed = step().on_messages([batch(rows)]).messages

    made, checkpoints, published = step(), {}, []
    position = 0
    while position < len(rows):
        size = data.draw(st.integers(1, 7))
        output = made.on_messages([batch(rows[position : position + size])])
        position += size
        if data.draw(st.booleans()):  # killed before the commit: neither bars nor checkpoint are there
            made = step()
            made.restore(checkpoints)
        else:
            published += output.messages
            checkpoints.update(output.checkpoints)
            if data.draw(st.booleans()):
                made = step()
                made.restore(checkpoints)
            else:
                continue
        made.on_messages([Table("symbols", {"AAA": ""})])
        (offset,) = made.wants().values()
        last = int(offset.rpartition("-")[2]) if "-" in offset else 0
        position = sum(1 for row in rows if row[1] <= last)
    assert published == list(undisturbed)
