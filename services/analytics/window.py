"""The bars of a leg, and the rows of a window that two legs have in common.

Windows are spans of the bar grid. A bar's place on the grid is its number, open time / interval; a quiet bar stays in its
place, a missing one (before the leg's first, or in a silence of the source) leaves its place empty.
"""

from decimal import Decimal
from math import log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.analytics.regression import Floats
from shared.messages import Bar

NOTHING_BEFORE = -1
"""`Leg.complete_from` of a leg that is read from the oldest entry of its stream on."""
_NOT_COVERED = frozenset({"quiet", "gap"})
_MIN_CAPACITY = 1024

Integers = NDArray[np.int64]


class Leg:
    """The bars of one symbol at one interval, from some number on, in order and without repetition.

    Columns of arrays with room to grow; only bars that exist take room, so that a silence of days costs nothing.
    """

    def __init__(self, width_ms: int, complete_from: int, begins: int = 0) -> None:
        self.width_ms = width_ms
        self.begins = begins
        """Number that no bar of the symbol comes before, as far as is known."""
        self.complete_from = complete_from
        """No bar from this number on is lacking here, as far as the stream has been read."""
        self.newest = -1
        """Number of the newest bar; -1 before the first."""
        self._start = self._stop = 0
        self._allocate(_MIN_CAPACITY)

    def _allocate(self, capacity: int) -> None:
        self._numbers: Integers = np.empty(capacity, np.int64)
        self._closes: Floats = np.empty(capacity)
        self._logs: Floats = np.empty(capacity)
        self._covered: Integers = np.empty(capacity + 1, np.int64)
        self._decimals: list[Decimal] = []
        self._covered[0] = 0

    def __len__(self) -> int:
        return self._stop - self._start

    @property
    def numbers(self) -> Integers:
        """The places on the grid that have a bar."""
        return self._numbers[self._start : self._stop]

    def numbers_after(self, number: int) -> Integers:
        """Those of them that are later than `number`."""
        return self._numbers[self.row(number + 1) : self._stop]

    def append(self, bar: Bar) -> None:
        """Take the next bar. One that is not later than the newest, or has no positive price, is left out."""
        number = bar.open_time_ms // self.width_ms
        close = float(bar.close)
        if number <= self.newest or not close > 0:
            return
        if self.newest < 0 and self.complete_from == NOTHING_BEFORE:
            self.begins = number
        at = self._stop
        if at == len(self._numbers):
            self._make_room()
            at = self._stop
        self._numbers[at] = self.newest = number
        self._closes[at] = close
        self._logs[at] = log(close)  # one by one: numpy's vector log may round the same price differently by its place
        self._covered[at + 1] = self._covered[at] + (bar.status not in _NOT_COVERED)
        self._decimals.append(bar.close)
        self._stop = at + 1

    def _make_room(self) -> None:
        kept, rows, decimals = slice(self._start, self._stop), len(self), self._decimals
        numbers, closes, logs = self._numbers[kept], self._closes[kept], self._logs[kept]
        covered = self._covered[self._start : self._stop + 1] - self._covered[self._start]
        self._allocate(max(_MIN_CAPACITY, 2 * rows))
        self._numbers[:rows], self._closes[:rows], self._logs[:rows] = numbers, closes, logs
        self._covered[: rows + 1] = covered
        self._decimals = decimals[kept]
        self._start, self._stop = 0, rows

    def discard(self, before: int) -> None:
        """Forget the bars with a lower number."""
        if before > self.complete_from:
            self.complete_from = before
            self._start = self.row(before)

    def row(self, number: int) -> int:
        """The row of the first bar that is not before `number`."""
        return self._start + int(self.numbers.searchsorted(number))

    def number(self, row: int) -> int | None:
        """The place of a row; ``None`` outside of what is kept."""
        return int(self._numbers[row]) if self._start <= row < self._stop else None

    def close(self, row: int) -> Decimal:
        """The close as published."""
        return self._decimals[row]

    def covered(self, first: int, last: int) -> int:
        """How many bars from one row to another, the latter excluded, had trades and no known hole."""
        return int(self._covered[last] - self._covered[first])

    def columns(self, first: int, last: int) -> tuple[Floats, Floats]:
        """Closes and their logarithms from one row to another, the latter excluded."""
        return self._closes[first:last], self._logs[first:last]

    def places(self, first: int, last: int) -> Integers:
        """Numbers of the bars from one row to another, the latter excluded."""
        return self._numbers[first:last]


class Rows(NamedTuple):
    """The bars that both legs have in a span of the grid, oldest first; the last is the bar that is judged."""

    places: Integers | None
    """Place of each row relative to the judged bar, ``-span … 0``; ``None`` if none is missing."""
    span: int
    y: Floats
    x: Floats
    y_log: Floats
    x_log: Floats

    def first(self, place: int) -> int:
        """Index of the first row that is not before `place` (0 or negative)."""
        return place + self.span if self.places is None else int(self.places.searchsorted(place))

    def next_to(self, first: int) -> NDArray[np.bool_] | None:
        """For each row after `first`, whether the place before it has a row too; ``None`` if all have."""
        return None if self.places is None else np.diff(self.places[first:]) == 1


def common_rows(y: Leg, x: Leg, number: int, span: int) -> Rows:
    """The rows of the places ``number - span … number``. Both legs must have the last."""
    y_last, x_last = y.row(number), x.row(number)
    y_first, x_first = y_last - span, x_last - span
    if y.number(y_first) == x.number(x_first) == number - span:  # the grid has no holes here: nothing to match
        y_close, y_log = y.columns(y_first, y_last + 1)
        x_close, x_log = x.columns(x_first, x_last + 1)
        return Rows(None, span, y_close, x_close, y_log, x_log)
    y_first, x_first = y.row(number - span), x.row(number - span)
    common, y_rows, x_rows = np.intersect1d(
        y.places(y_first, y_last + 1), x.places(x_first, x_last + 1), assume_unique=True, return_indices=True
    )
    y_close, y_log = y.columns(y_first, y_last + 1)
    x_close, x_log = x.columns(x_first, x_last + 1)
    return Rows(common - number, span, y_close[y_rows], x_close[x_rows], y_log[y_rows], x_log[x_rows])


class Coverage(NamedTuple):
    """How much of a window there is to go by."""

    share: float
    """Bars with trades and without known holes, over the bars of the window: the smaller of the two legs."""
    begins_later: bool
    """The window begins before a leg's bars do: at the start, and after a silence."""


def coverage(y: Leg, x: Leg, first: int, last: int) -> Coverage:
    """The coverage of the places ``first … last``, both included."""
    shares = []
    begins_later = False
    for leg in (y, x):
        first_row, end_row = leg.row(first), leg.row(last + 1)
        shares.append(leg.covered(first_row, end_row) / (last - first + 1))
        begins_later = begins_later or leg.number(first_row) != first
    return Coverage(min(shares), begins_later)
