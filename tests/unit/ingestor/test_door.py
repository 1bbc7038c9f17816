"""The sequence at the door, with lists."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingestor.binance import IdKind, Print
from services.ingestor.door import Admitted, Door
from services.ingestor.link_clock import SILENCE_MS
from shared.messages import Tick

GRACE_MS = 1000
T0 = 1_700_000_000_000


def print_(
    trade_id: int, time_ms: int, symbol: str = "BTCUSDT", *, market: bool = True, kind: IdKind = "aggTrade", event_ms: int = 0
) -> Print:
    return Print(kind, event_ms or time_ms, Tick(symbol, time_ms, trade_id, "1", "1", "buy"), market)


def door(*symbols: str, **tails: Any) -> Door:
    made = Door(GRACE_MS)
    for symbol in symbols:
        made.open(symbol, **tails)
    return made


def ids(admitted: Admitted) -> list[int]:
    return [tick.trade_id for tick in admitted.ticks]


def test_the_first_ever_trade_of_a_symbol_begins_its_sequence() -> None:
    admitted = door("BTCUSDT").admit([print_(500, T0), print_(501, T0 + 1)])
    assert ids(admitted) == [500, 501]
    assert all(tick.resumed_ms is None and tick.skipped == 0 for tick in admitted.ticks)
    assert admitted.events == []


def test_it_goes_on_after_what_redis_holds() -> None:
    admitted = door("BTCUSDT", last_ms=T0, last_id=500, watermark_ms=T0 - 1000).admit(
        [print_(499, T0 - 5), print_(500, T0), print_(501, T0 + 1)]
    )
    assert ids(admitted) == [501]
    assert admitted.duplicates == 2
    assert admitted.events == []


def test_a_hole_is_declared_and_the_ticks_go_on() -> None:
    admitted = door("BTCUSDT", last_ms=T0, last_id=10).admit([print_(11, T0 + 1), print_(15, T0 + 9), print_(16, T0 + 10)])
    assert ids(admitted) == [11, 15, 16]
    (gap,) = admitted.events
    assert (gap.kind, gap.symbol, gap.first_id, gap.last_id, gap.affected) == ("gap", "BTCUSDT", 12, 14, 3)
    assert (gap.from_ms, gap.to_ms) == (T0 + 1, T0 + 9)
    assert [tick.skipped for tick in admitted.ticks] == [0, 0, 0]


def test_prints_that_are_no_market_trades_are_accounted_for() -> None:
    made = door("BTCUSDT")
    first = made.admit([print_(1, T0), print_(2, T0, market=False)])
    second = made.admit([print_(3, T0, market=False), print_(4, T0 + 5), print_(5, T0 + 6)])
    assert ids(first) + ids(second) == [1, 4, 5]
    assert [tick.skipped for tick in second.ticks] == [2, 0]
    assert first.skipped + second.skipped == 2
    assert first.events == second.events == []


def test_a_hole_beside_skipped_ids_leaves_only_the_hole_missing() -> None:
    admitted = door("BTCUSDT").admit([print_(1, T0), print_(2, T0, market=False), print_(6, T0 + 5)])
    tick = admitted.ticks[-1]
    assert tick.trade_id - 1 - 1 - tick.skipped == 3  # ids 3, 4, 5
    assert admitted.events[0].affected == 3


def test_symbols_that_are_not_followed_and_other_streams_ids_are_refused() -> None:
    made = door("BTCUSDT")
    admitted = made.admit([print_(1, T0), print_(900, T0 + 1, kind="trade"), print_(1, T0, "ETHUSDT"), print_(2, T0 + 2)])
    assert ids(admitted) == [1, 2]
    assert admitted.rejected == {"ids of another stream": 1, "symbol not followed": 1}
    assert admitted.events == []


def test_the_watermark_is_the_newest_exchange_time_minus_the_grace() -> None:
    made = door("BTCUSDT", "ETHUSDT")
    made.admit([print_(1, T0), print_(1, T0 + 10, "ETHUSDT")])
    assert made.watermarks() == {"BTCUSDT": str(T0 + 10 - GRACE_MS), "ETHUSDT": str(T0 + 10 - GRACE_MS)}
    assert made.watermarks() == {}
    made.admit([print_(2, T0 + 5000, event_ms=T0 + 5003)])
    assert made.watermarks() == {"BTCUSDT": str(T0 + 4003), "ETHUSDT": str(T0 + 4003)}


def test_a_watermark_stands_still_until_the_symbol_itself_is_joined() -> None:
    made = door("BTCUSDT", "ETHUSDT", last_ms=T0, last_id=10, watermark_ms=T0 - 500)
    made.admit([print_(11, T0 + 5000)])
    assert made.watermarks() == {"BTCUSDT": str(T0 + 4000)}
    made.admit([print_(9, T0 - 3, "ETHUSDT")])  # a duplicate from before the end proves nothing
    assert made.watermarks() == {}
    made.admit([print_(10, T0, "ETHUSDT")])  # the very last one does
    assert made.watermarks() == {"ETHUSDT": str(T0 + 4000)}


def test_after_a_disconnect_it_stands_still_again() -> None:
    made = door("BTCUSDT", "ETHUSDT")
    made.admit([print_(1, T0), print_(1, T0 + 1, "ETHUSDT")])
    made.watermarks()
    made.disconnected(["ETHUSDT"])
    made.admit([print_(2, T0 + 9000)])
    assert made.watermarks() == {"BTCUSDT": str(T0 + 8000)}
    made.admit([print_(2, T0 + 9001, "ETHUSDT")])
    assert made.watermarks()["ETHUSDT"] == str(T0 + 8001)


def test_a_watermark_never_goes_back() -> None:
    made = door("BTCUSDT", last_ms=T0, last_id=1, watermark_ms=T0 + 60_000)
    made.admit([print_(2, T0 + 100)])
    assert made.watermarks() == {}
    assert made.end(["BTCUSDT"], T0 + 200) == {"BTCUSDT": f"{T0 + 60_000} end"}


def test_the_end_is_said_of_symbols_that_have_had_a_trade() -> None:
    made = door("BTCUSDT", "ETHUSDT")
    made.admit([print_(1, T0)])
    assert made.end(["BTCUSDT", "ETHUSDT"], T0 + 1) == {"BTCUSDT": f"{T0 + 1} end"}
    assert made.watermarks() == {}


def test_a_trade_behind_the_watermark_is_late_but_kept() -> None:
    made = door("BTCUSDT", "ETHUSDT")
    made.admit([print_(1, T0), print_(1, T0, "ETHUSDT"), print_(2, T0 + 5000)])
    admitted = made.admit([print_(2, T0 + 3999, "ETHUSDT", event_ms=T0 + 5001), print_(3, T0 + 4001, "ETHUSDT")])
    assert [(tick.trade_id, tick.late) for tick in admitted.ticks] == [(2, 1), (3, 0)]
    assert admitted.late == 1
    (event,) = admitted.events
    assert (event.kind, event.symbol, event.first_id, event.affected) == ("late", "ETHUSDT", 2, 1)


def test_a_prints_own_delay_does_not_make_it_late() -> None:
    made = door("BTCUSDT")
    made.admit([print_(1, T0)])
    assert made.admit([print_(2, T0 + 100, event_ms=T0 + 10_000)]).late == 0


def test_a_long_silence_is_declared_with_the_time_up_to_which_the_source_was_watched() -> None:
    made = door("BTCUSDT", last_ms=T0, last_id=7, watermark_ms=T0 + 3000)
    later = T0 + 3000 + SILENCE_MS
    assert made.admit([print_(8, later)]).ticks[0].resumed_ms is None
    made = door("BTCUSDT", last_ms=T0, last_id=7, watermark_ms=T0 + 3000)
    admitted = made.admit([print_(8, later + 1), print_(9, later + 2), print_(10, later + 2)])
    assert [tick.resumed_ms for tick in admitted.ticks] == [T0 + 3000, None, None]
    (gap,) = admitted.events
    assert (gap.kind, gap.symbol, gap.from_ms, gap.to_ms) == ("gap", "BTCUSDT", T0 + 3000, later + 1)
    assert (gap.first_id, gap.affected) == (None, None)
    assert "from 2023-11-14 22:13:23 to 2023-11-14 22:23:23 UTC" in gap.reason


def test_a_quiet_symbol_of_a_feed_that_is_watched_has_not_resumed() -> None:
    made = door("BTCUSDT", "ETHUSDT")
    made.admit([print_(1, T0, "ETHUSDT"), *(print_(i, T0 + i * 60_000) for i in range(1, 30))])
    assert made.admit([print_(2, T0 + 30 * 60_000, "ETHUSDT")]).ticks[0].resumed_ms is None


def test_when_the_whole_source_falls_silent_every_symbol_resumes_from_there() -> None:
    made = door("BTCUSDT", "ETHUSDT")
    made.admit([print_(1, T0), print_(1, T0 + 5000, "ETHUSDT")])
    later = T0 + 5000 + SILENCE_MS + 1
    admitted = made.admit([print_(2, later), print_(3, later + 50_000), print_(2, later + 60_000, "ETHUSDT")])
    assert [tick.resumed_ms for tick in admitted.ticks] == [T0 + 4000, None, T0 + 5000]


def test_ids_that_go_back_are_refused_until_it_is_plain_that_they_have_begun_again() -> None:
    made = door("BTCUSDT")
    made.admit([print_(1000, T0)])
    stray = made.admit([print_(5, T0 + 1), print_(1001, T0 + 2)])
    assert ids(stray) == [1001]
    assert stray.rejected == {"trade id went back": 1}
    admitted = made.admit([print_(i, T0 + 10 + i) for i in range(1, 31)])
    assert ids(admitted) == list(range(1, 31))
    assert [event.kind for event in admitted.events] == ["gap"]
    assert admitted.rejected == {}
    assert admitted.late == 0


def test_trades_with_ids_that_have_begun_again_are_not_late_for_having_been_held() -> None:
    made = door("BTCUSDT", "ETHUSDT")
    made.admit([print_(1000, T0), print_(1, T0, "ETHUSDT")])
    back = [print_(i, T0 + i * 1000) for i in range(1, 20)]
    other = [print_(1 + i, T0 + i * 1000, "ETHUSDT") for i in range(1, 20)]
    held = made.admit([item for both in zip(back, other, strict=True) for item in both])
    assert {tick.symbol for tick in held.ticks} == {"ETHUSDT"}
    assert made.watermarks() == {"BTCUSDT": str(T0 - GRACE_MS), "ETHUSDT": str(T0 + 19_000 - GRACE_MS)}
    admitted = made.admit([back[3], print_(20, T0 + 20_000), print_(21, T0 + 21_000)])
    assert ids(admitted) == list(range(1, 22))
    assert (admitted.late, admitted.duplicates) == (0, 1)
    assert made.watermarks()["BTCUSDT"] == str(T0 + 20_000)


@pytest.mark.parametrize("ahead_ms", [SILENCE_MS + 1, 3_600_000, 50 * 365 * 86_400_000])
def test_one_print_far_ahead_stops_nothing(ahead_ms: int) -> None:
    made = door("BTCUSDT", "ETHUSDT")
    first = made.admit([print_(1, T0), print_(1, T0, "ETHUSDT")])
    wrong = print_(2, T0 + 50 + ahead_ms)
    second = made.admit([wrong, wrong, wrong, print_(2, T0 + 100, "ETHUSDT"), print_(3, T0 + 200)])
    assert [(t.symbol, t.trade_id, t.late, t.resumed_ms) for t in second.ticks] == [
        ("ETHUSDT", 2, 0, None), ("BTCUSDT", 3, 0, None),
    ]  # fmt: skip
    assert second.rejected == {"time far ahead of the feed's": 1}
    assert [event.affected for event in second.events] == [1]  # its id is missing, and that is said
    assert made.clock_ms == T0 + 200
    assert len(first.ticks) == 2


def test_what_is_refused_or_a_duplicate_does_not_move_the_clock() -> None:
    made = door("BTCUSDT")
    made.admit([print_(1, T0), print_(2, T0 + 10)])
    later = T0 + 300_000
    made.admit([print_(2, T0 + 10, event_ms=later), print_(7, later, "XRPUSDT"), print_(3, later, kind="trade")])
    assert made.clock_ms == T0 + 10
    made.admit([print_(1, T0 + 20, event_ms=later)])
    assert made.clock_ms == T0 + 10


def test_after_a_silence_no_print_is_lost_wherever_the_batches_are_cut() -> None:
    later = T0 + SILENCE_MS + 60_000
    prints = [print_(1, T0), print_(1, T0 + 1, "ETHUSDT")]
    prints += [print_(2, later), print_(2, later - 3, "ETHUSDT"), print_(3, later + 1), print_(4, later + 2)]
    whole = door("BTCUSDT", "ETHUSDT").admit(prints)
    one_by_one = door("BTCUSDT", "ETHUSDT")
    parts = [one_by_one.admit([item]) for item in prints]
    assert [t for part in parts for t in part.ticks] == whole.ticks
    assert [(t.symbol, t.trade_id) for t in whole.ticks] == [(p.tick.symbol, p.tick.trade_id) for p in prints]
    assert [t.resumed_ms is not None for t in whole.ticks] == [False, False, True, True, False, False]
    assert whole.late == 0


def test_after_an_end_and_at_the_end_nothing_is_held() -> None:
    made = door("BTCUSDT")
    made.admit([print_(1, T0)])
    made.end(["BTCUSDT"], T0 + 1)
    assert ids(made.admit([print_(2, T0 + 10 * SILENCE_MS)])) == [2]
    assert ids(made.admit([print_(3, T0 + 20 * SILENCE_MS)])) == []
    released = made.release()
    assert ids(released) == [3]
    assert released.ticks[0].resumed_ms == T0 + 10 * SILENCE_MS
    assert made.release().ticks == []


def test_the_clock_of_one_connection_says_nothing_about_another_one() -> None:
    made = door("BTCUSDT", "ETHUSDT")
    made.admit([print_(1, T0)], 1)
    made.admit([print_(1, T0, "ETHUSDT")], 2)
    made.watermarks()
    made.admit([print_(2, T0 + 5000, "ETHUSDT")], 2)
    assert made.watermarks() == {"ETHUSDT": str(T0 + 4000)}
    assert made.clock_ms == T0 + 5000
    lagging = made.admit([print_(i, T0 + i * 500) for i in range(2, 12)], 1)
    assert lagging.late == 0
    assert made.watermarks() == {"BTCUSDT": str(T0 + 4500)}


def test_a_symbol_that_was_only_quiet_after_a_disconnect_has_not_resumed() -> None:
    made = door("BTCUSDT", "ETHUSDT")
    made.admit([print_(1, T0), print_(1, T0, "ETHUSDT")])
    made.disconnected(["BTCUSDT", "ETHUSDT"])
    made.admit([print_(i, T0 + i * 60_000) for i in range(2, 15)])
    admitted = made.admit([print_(2, T0 + 14 * 60_000, "ETHUSDT")])
    assert admitted.ticks[0].resumed_ms is None
    assert [event.kind for event in admitted.events] == []
    # With an id missing nobody knows.
    made.disconnected(["ETHUSDT"])
    made.admit([print_(i, T0 + i * 60_000) for i in range(15, 30)])
    admitted = made.admit([print_(4, T0 + 29 * 60_000, "ETHUSDT")])
    assert admitted.ticks[0].resumed_ms is not None
    assert [event.affected for event in admitted.events] == [1, None]


@pytest.mark.parametrize("trade_id", [9_000_000_000, 40, 501])
def test_ids_of_another_stream_than_those_in_redis_begin_a_new_sequence(trade_id: int) -> None:
    made = door("BTCUSDT", last_ms=T0, last_id=500, watermark_ms=T0 - 500, kind="aggTrade")
    prints = [print_(trade_id - 1, T0, kind="trade"), *(print_(trade_id + i, T0 + 1 + i, kind="trade") for i in range(3))]
    admitted = made.admit(prints)
    assert ids(admitted) == [trade_id, trade_id + 1, trade_id + 2]
    (gap,) = admitted.events
    assert (gap.kind, gap.affected, gap.first_id) == ("gap", None, None)
    assert "trade stream" in gap.reason
    assert admitted.ticks[0].trade_id - 500 - 1 - admitted.ticks[0].skipped <= 1
    assert made.kinds == {"BTCUSDT": "trade"}


def test_ids_of_another_sequence_after_a_restart_begin_it_at_once() -> None:
    made = door("BTCUSDT", last_ms=T0, last_id=1000, watermark_ms=T0)
    admitted = made.admit([print_(5, T0 + 1), print_(6, T0 + 2)])
    assert ids(admitted) == [5, 6]
    assert "begun again" in admitted.events[0].reason


def accounted(n: int, admitted: Sequence[Admitted]) -> int:
    gaps = sum(event.affected or 0 for part in admitted for event in part.events if event.kind == "gap")
    return sum(len(part.ticks) + part.skipped for part in admitted) + gaps


@given(
    st.lists(st.sampled_from(["sent", "twice", "lost", "other", "reconnect"]), min_size=1, max_size=60),
    st.lists(st.integers(1, 10), min_size=1, max_size=10),
)
def test_every_id_is_a_tick_or_accounted_for_whatever_the_batches(fates: list[str], cuts: list[int]) -> None:
    prints: list[Print | None] = [print_(1, T0)]
    for trade_id, fate in enumerate(fates, start=2):
        made = print_(trade_id, T0 + trade_id, market=fate != "other")
        prints += {"lost": [], "twice": [made, made], "reconnect": [None, made]}.get(fate, [made])
    last = print_(len(fates) + 2, T0 + len(fates) + 2)
    prints.append(last)

    def through(sizes: Iterable[int]) -> tuple[list[Tick], list[Admitted]]:
        one = door("BTCUSDT")
        rest, parts = list(prints), []
        for size in [*sizes, len(rest)]:
            batch, rest = rest[:size], rest[size:]
            for item in batch:
                if item is None:
                    one.disconnected(["BTCUSDT"])
                else:
                    parts.append(one.admit([item]))
        return [tick for part in parts for tick in part.ticks], parts

    ticks, parts = through(cuts)
    lost = fates.count("lost")
    assert accounted(len(fates) + 2, parts) == len(fates) + 2
    assert sum(part.duplicates for part in parts) == fates.count("twice")
    assert [tick.trade_id for tick in ticks] == sorted({tick.trade_id for tick in ticks})
    # What a reader of the ticks alone finds missing is what was lost.
    missing = sum(after.trade_id - before.trade_id - 1 - after.skipped for before, after in pairwise(ticks))
    assert missing == lost
    whole = door("BTCUSDT")
    assert whole.admit([item for item in prints if item is not None]).ticks == ticks
