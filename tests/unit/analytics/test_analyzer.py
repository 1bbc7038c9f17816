"""The step: the same bytes whatever the batches, restarts and delays; no row knows the future; pairs come and go."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.analytics import analyzer
from shared.messages import Bar, Table
from shared.topics import Channel, Keyspace
from tests.builders import START_MS, bar
from tests.oracle import expected_pair_rows
from tests.unit.analytics.streams import Desk, row
from tests.unit.analytics.test_pair_rows import compare, walk

WINDOW = 20
TABLE = {"Y~X": row(), "Y~X@wide": row(window=40, z_window=10, fit="inclusive"), "X~Y": row(price="raw", intercept=False)}


def leg(symbol: str, closes: list[str], at: range | None = None, status: Callable[[int], str] | None = None) -> list[Bar]:
    seconds = at or range(len(closes))
    found = []
    for second, close in zip(seconds, closes, strict=True):
        how = status(second) if status else "complete"
        if how != "missing":
            found.append(bar(symbol, START_MS + second * 1000, close, status=how))  # type: ignore[arg-type]
    return found


@st.composite
def legs(draw: st.DrawFn) -> tuple[list[Bar], list[Bar]]:
    """Two legs with holes, quiet bars and different starts."""
    count = draw(st.integers(30, 90))
    closes = walk(count, seed=draw(st.integers(0, 50)))
    kinds = st.lists(st.sampled_from(["complete"] * 12 + ["quiet", "gap", "missing"]), min_size=count, max_size=count)
    y_kinds, x_kinds = draw(kinds), draw(kinds)
    start = draw(st.integers(0, 15))
    y = leg("Y", closes[0], status=lambda second: y_kinds[second])
    x = leg("X", closes[1], status=lambda second: "missing" if second < start else x_kinds[second])
    return y, x


def undisturbed(y: list[Bar], x: list[Bar]) -> Desk:
    desk = Desk({"1s": WINDOW}, TABLE)
    desk.append(y + x)
    return desk.run()


@settings(max_examples=60, deadline=None)
@given(legs(), st.data())
def test_batches_delays_and_restarts_leave_no_trace(market: tuple[list[Bar], list[Bar]], data: st.DataObject) -> None:
    y, x = market
    expected = undisturbed(y, x)
    desk = Desk({"1s": WINDOW}, TABLE)
    waiting = {"Y": list(y), "X": list(x)}
    while waiting["Y"] or waiting["X"]:
        symbol = data.draw(st.sampled_from([name for name, bars in waiting.items() if bars]))
        come = data.draw(st.integers(1, 30))
        desk.append(waiting[symbol][:come])
        del waiting[symbol][:come]
        desk.turn(data.draw(st.lists(st.integers(0, 25), min_size=1, max_size=3)))
        match data.draw(st.sampled_from(["go on", "go on", "restart", "table"])):
            case "restart":
                desk.start()
            case "table":
                desk.read_table()
    desk.run()

    assert desk.refused == 0
    for name in TABLE:
        assert desk.wire(name) == expected.wire(name)


@settings(max_examples=40, deadline=None)
@given(legs(), st.data())
def test_no_row_knows_the_future(market: tuple[list[Bar], list[Bar]], data: st.DataObject) -> None:
    y, x = market
    cut_ms = START_MS + 1000 * data.draw(st.integers(0, 90))
    whole = undisturbed(y, x)
    cut = undisturbed([b for b in y if b.open_time_ms <= cut_ms], [b for b in x if b.open_time_ms <= cut_ms])

    for name in TABLE:
        assert cut.wire(name) == [entry for entry in whole.wire(name) if entry[0] <= cut_ms]


@settings(max_examples=10, deadline=None)
@given(legs())
def test_the_rows_are_the_oracles(market: tuple[list[Bar], list[Bar]]) -> None:
    desk = undisturbed(*market)
    compare(desk.published(), expected_pair_rows(*desk.expected_inputs(), WINDOW))
    compare(desk.published("Y~X@wide"), expected_pair_rows(*desk.expected_inputs(), 40, 10, fit="inclusive"))


def test_a_value_depends_on_no_bar_before_its_window() -> None:
    y, x = walk(200)
    whole = undisturbed(leg("Y", y), leg("X", x)).wire()
    tail = undisturbed(leg("Y", y[100:], range(100, 200)), leg("X", x[100:], range(100, 200))).wire()
    assert tail[WINDOW:] == whole[100 + WINDOW :]


def test_a_new_pair_is_computed_back_over_all_kept_bars_and_the_others_go_on() -> None:
    y, x = walk(3000)
    desk = Desk({"1s": WINDOW}, {"Y~X": row()})
    desk.append(leg("Y", y[:2900], range(2900)) + leg("X", x[:2900], range(2900)))
    desk.run()
    desk.table["Y~X@late"] = row(window=100)
    desk.read_table()
    desk.append(leg("Y", y[2900:], range(2900, 3000)) + leg("X", x[2900:], range(2900, 3000)))
    desk.run()

    fresh = Desk({"1s": WINDOW}, desk.table)
    fresh.append(leg("Y", y) + leg("X", x))
    fresh.run()
    for name in desk.table:
        assert desk.wire(name) == fresh.wire(name)
        assert len(desk.wire(name)) == 3000
    assert desk.refused == 0


def test_a_pair_that_is_taken_away_loses_its_stream_and_its_checkpoint_and_may_come_back() -> None:
    y, x = walk(100)
    desk = Desk({"1s": WINDOW}, TABLE)
    desk.append(leg("Y", y) + leg("X", x))
    desk.run()
    expected = desk.wire("Y~X@wide")
    text = desk.table.pop("Y~X@wide")
    desk.read_table()
    desk.run()

    assert desk.wire("Y~X@wide") == []
    assert set(desk.checkpoints) == {"1s:Y~X", "1s:X~Y"}
    desk.table["Y~X@wide"] = text
    desk.read_table()
    desk.run()
    assert desk.wire("Y~X@wide") == expected
    assert desk.refused == 0


def test_a_pair_taken_away_while_nothing_ran_is_dropped_at_the_start() -> None:
    y, x = walk(50)
    desk = Desk({"1s": WINDOW}, TABLE)
    desk.append(leg("Y", y) + leg("X", x))
    desk.run()
    del desk.table["X~Y"]
    desk.start()

    assert "1s:X~Y" not in desk.checkpoints
    assert desk.wire("X~Y") == []
    assert len(desk.wire()) == 50


def test_streams_of_intervals_that_are_no_longer_configured_go_with_their_pair() -> None:
    step = analyzer.PairAnalyzer({"1s": 20}, Keyspace(), 0, 0.8)
    step.restore({"1s:Y~X": str(START_MS), "5m:Y~X": str(START_MS), "5m:A~B": str(START_MS)})
    at_start = step.on_messages([Table("pairs", {"Y~X": row()})])
    assert at_start.dropped == [Channel("pairs", ("5m", "A~B"))]
    removed = step.on_messages([Table("pairs", {})])
    assert set(removed.dropped) == {Channel("pairs", ("1s", "Y~X")), Channel("pairs", ("5m", "Y~X"))}
    assert set(removed.checkpoints.items()) == {("1s:Y~X", ""), ("5m:Y~X", "")}


def test_after_a_restart_only_the_window_is_read_again() -> None:
    y, x = walk(2000)
    desk = Desk({"1s": WINDOW}, {"Y~X": row()})
    desk.append(leg("Y", y) + leg("X", x))
    desk.run()
    desk.start()

    assert desk.turn() == 2 * WINDOW
    assert desk.refused == 0


def test_the_bars_kept_are_bounded_though_a_leg_is_silent_and_nothing_is_lost_when_it_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(analyzer, "AHEAD_BARS", 50)
    y, x = walk(2000)
    table = {"Y~X": row(), "Z~X": row()}
    desk = Desk({"1s": WINDOW}, table)
    desk.append(leg("X", x) + leg("Z", y) + leg("Y", y[:30], range(30)))
    desk.run([10])
    for kept in desk._step._legs.values():
        assert len(kept) <= 2 * (WINDOW + 50) + 10
    assert len(desk.wire()) == 30
    desk.append(leg("Y", y[30:], range(30, 2000)))
    desk.run([10])

    fresh = Desk({"1s": WINDOW}, table)
    fresh.append(leg("X", x) + leg("Z", y) + leg("Y", y))
    fresh.run()
    assert desk.wire() == fresh.wire()
    assert desk.wire("Z~X") == fresh.wire("Z~X")
    assert desk.refused == 0


def test_many_rows_are_answered_in_parts() -> None:
    y, x = walk(1000)
    desk = Desk({"1s": WINDOW}, TABLE)
    desk.append(leg("Y", y) + leg("X", x))
    desk._step.wants()
    output = desk._step.on_messages(leg("Y", y) + leg("X", x))

    assert len(output.messages) == analyzer.ROWS_AT_ONCE
    assert output.unfinished


def test_a_pair_belongs_to_one_partition() -> None:
    names = [f"A{n}~B" for n in range(20)] + ["A1~B@w600"]
    keyspace = Keyspace("", 4)
    wanted: list[str] = []
    for partition in range(4):
        step = analyzer.PairAnalyzer({"1s": WINDOW}, keyspace, partition, 0.8)
        desk = Desk({"1s": WINDOW}, {})
        desk._step = step
        desk.table = {name: row() for name in names}
        desk.read_table()
        mine = [name for name in names if keyspace.partition(name.partition("@")[0]) == partition]
        symbols = {name.partition("@")[0].split("~")[0] for name in mine} | ({"B"} if mine else set())
        assert {channel.parameters[1] for channel in step.wants()} == symbols
        wanted += mine
    assert sorted(wanted) == sorted(names)


def test_rows_that_nobody_can_read_are_left_out() -> None:
    desk = Desk({"1s": WINDOW}, {"Y~X": row(), "nonsense": row(), "Y~Y": row(), "A~B": "{", "C~D": '{"window": 1}'})
    assert set(desk._step.wants()) == {Channel("bars", ("1s", "Y")), Channel("bars", ("1s", "X"))}


def test_prices_that_have_no_logarithm_are_left_out() -> None:
    y, x = walk(60)
    y[30] = "0"
    desk = undisturbed(leg("Y", y), leg("X", x))
    assert START_MS + 30_000 not in [ms for ms, _ in desk.wire()]
    assert len(desk.wire()) == 59


def test_a_leg_that_began_hours_before_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analyzer, "AHEAD_BARS", 50)
    y, x = walk(1500)
    desk = Desk({"1s": WINDOW}, {"Y~X": row()})
    desk.append(leg("X", x) + leg("Y", y[900:], range(900, 1500)))
    desk.run([10])

    assert len(desk.wire()) == 600
    compare(desk.published(), expected_pair_rows(*desk.expected_inputs(), WINDOW))
    for kept in desk._step._legs.values():
        assert len(kept) <= 2 * (WINDOW + 50) + 10
