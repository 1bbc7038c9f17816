"""Passes of a looped recording, pure arithmetic: the shift of time and ids, and where a restart goes on.

Pass k moves every trade's time by ``k * S`` and its id by ``k * N``. S is the smallest multiple of the largest bar interval
that leaves more than ten minutes between two passes: they share no bar, the silence between them is declared and not
filled, and every pass gives the same bars. N is the symbol's number of ids, so that ids never jump.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from services.ingestor.binance import Print
from services.ingestor.link_clock import SILENCE_MS
from shared.intervals import open_time_ms


class Extent(NamedTuple):
    """What a recording holds."""

    ids: Mapping[str, tuple[int, int]]
    """Symbol → smallest and largest id."""
    final: Mapping[str, int]
    """Symbol → id of its last market trade."""
    first_ms: int
    last_ms: int
    """Trade times of all symbols together."""
    prints: int

    def count(self, symbol: str) -> int:
        """The ids of a symbol, holes included."""
        first, last = self.ids[symbol]
        return last - first + 1


class Place(NamedTuple):
    """A tick as it lies in Redis."""

    time_ms: int
    trade_id: int


class Pass(NamedTuple):
    """One pass through the recording."""

    number: int
    shift_ms: int

    def shifted(self, print_: Print, count: int) -> Print:
        """The print as this pass publishes it; `count` is the ids of its symbol."""
        if not self.number and not self.shift_ms:
            return print_
        tick = print_.tick
        return print_._replace(
            event_ms=print_.event_ms + self.shift_ms,
            tick=tick._replace(time_ms=tick.time_ms + self.shift_ms, trade_id=tick.trade_id + self.number * count),
        )


class Start(NamedTuple):
    """Where a run begins."""

    first: Pass
    """The pass that is played first; what Redis has of it is refused at the door."""
    ended: Pass | None = None
    """The finished pass before it: its end is said again, in case the run before was cut off just there."""


def extent(prints: Iterable[Print]) -> Extent:
    """The extent of a recording. Prints of a stream other than the symbol's first are left out, as the door does."""
    kinds: dict[str, str] = {}
    ids: dict[str, tuple[int, int]] = {}
    final: dict[str, int] = {}
    first_ms, last_ms, number = 0, 0, 0
    for kind, _, tick, market in prints:
        symbol, trade_id = tick.symbol, tick.trade_id
        if kinds.setdefault(symbol, kind) != kind:
            continue
        low, high = ids.get(symbol, (trade_id, trade_id))
        ids[symbol] = (min(low, trade_id), max(high, trade_id))
        first_ms = min(first_ms or tick.time_ms, tick.time_ms)
        last_ms = max(last_ms, tick.time_ms)
        number += 1
        if market:
            final[symbol] = max(final.get(symbol, 0), trade_id)
    return Extent(ids, final, first_ms, last_ms, number)


def shift_ms(extent: Extent, largest_ms: int) -> int:
    """The shift between passes: the smallest multiple of `largest_ms` that leaves more than ten minutes of silence.

    >>> shift_ms(Extent({}, {}, 1_721_347_022_707, 1_721_347_502_000, 0), 300_000) // 60_000
    25
    """
    least = extent.last_ms + SILENCE_MS + 1 - open_time_ms(extent.first_ms, largest_ms)
    return -(-least // largest_ms) * largest_ms


def recorded_ids(extent: Extent, tails: Mapping[str, Place]) -> dict[str, int]:
    """The ids within the recording that the newest ticks in Redis would have there; symbols that have no tail are left out."""
    found = {}
    for symbol, tail in tails.items():
        first, _ = extent.ids[symbol]
        if tail.trade_id >= first:
            found[symbol] = first + (tail.trade_id - first) % extent.count(symbol)
    return found


def start(
    extent: Extent, largest_ms: int, symbols: Sequence[str], tails: Mapping[str, Place], recorded_ms: Mapping[str, int]
) -> Start:
    """Where to begin, given what Redis holds: with the pass that was interrupted, or with the one after a finished one.

    `symbols`: those to be published. `tails`: the newest tick of each that has one. `recorded_ms`: the trade time of those
    `recorded_ids` that the recording has. Where that and the tail differ by anything but whole intervals, the ticks in
    Redis are from something else (another recording, other intervals): the recording begins after them, with a silence.
    """
    known: list[tuple[int, int, str]] = []
    for symbol, time_ms in recorded_ms.items():
        shift = tails[symbol].time_ms - time_ms
        if shift >= 0 and shift % 1000 == 0:
            known.append(((tails[symbol].trade_id - extent.ids[symbol][0]) // extent.count(symbol), shift, symbol))
    if not tails:
        return Start(Pass(0, 0))
    number, shift, _ = max(known, default=(-1, 1, ""))
    if shift % largest_ms:
        behind_ms = max(tail.time_ms for tail in tails.values()) + SILENCE_MS + 1 - open_time_ms(extent.first_ms, largest_ms)
        return Start(Pass(number + 1, max(0, -(-behind_ms // largest_ms) * largest_ms)))
    current = Pass(number, shift)
    finished = all(
        symbol in tails and tails[symbol].trade_id == extent.final[symbol] + number * extent.count(symbol)
        for symbol in symbols
        if symbol in extent.final
    )
    return Start(following(extent, largest_ms, current), current) if finished else Start(current)


def following(extent: Extent, largest_ms: int, current: Pass) -> Pass:
    """The pass after this one."""
    return Pass(current.number + 1, current.shift_ms + shift_ms(extent, largest_ms))
