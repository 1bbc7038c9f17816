"""The bar grid of one symbol: which bar a trade belongs to, when a bar closes, and what a hole in the ids touches."""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from services.sampler.accumulator import ZERO, Accumulator
from shared.errors import BadInput
from shared.intervals import open_time_ms
from shared.messages import Bar, TickBatch

_MAX_FILL_MS = 86_400_000
"""A jump of time of more than a day is not filled with quiet bars, whatever caused it: the grid starts again."""


class Width(NamedTuple):
    """A bar interval and its width."""

    interval: str
    ms: int


class Late(NamedTuple):
    """A trade whose bar had been closed when it came."""

    trade_id: int
    time_ms: int


_NO_BAR = Accumulator(1 << 62)
"""Stands for the open bar where there is none: no time lies in it."""


class SymbolGrid:
    """Bars of one symbol at all intervals. `widths` ascend, each a multiple of the first.

    Closed bars gather in `closed`, late trades in `late`; the caller takes and clears them.
    A bar of the grid closes when a trade of a later one comes, or when the watermark passes its end.
    """

    def __init__(self, symbol: str, widths: Sequence[Width]) -> None:
        self.symbol = symbol
        self._widths = tuple(widths)
        self._base_ms = widths[0].ms
        self._open: list[Accumulator] = []
        """One open bar per interval; empty before the first trade and after the source has ended."""
        self._last_id: int | None = None
        self._close = ZERO
        self._closed_ms = 0
        """End of the last closed bar of the shortest interval; no bar begins before it."""
        self.offset = "0"
        """Id of the last tick entry taken."""
        self.closed: list[Bar] = []
        self.late: list[Late] = []

    def on_ticks(self, batch: TickBatch) -> None:
        """Take the next ticks of this symbol, in stream order."""
        base_ms = self._base_ms
        bar = self._open[0] if self._open else _NO_BAR
        expected = -1 if self._last_id is None else self._last_id + 1
        notes = batch.notes
        rows = zip(batch.time_ms, batch.trade_id, batch.price, batch.size, batch.side, batch.trades, strict=True)
        for row, (time_ms, trade_id, price, size, side, trades) in enumerate(rows):
            if trade_id != expected or not 0 <= time_ms - bar.open_ms < base_ms or row in notes:
                skipped, resumed_ms, late = notes.get(row, (0, None, False))
                if expected >= 0:
                    self._last_id = expected - 1
                if not self._admit(time_ms, trade_id, skipped, resumed_ms, late):
                    if not late:
                        self._add_to_longer(time_ms, trade_id, Decimal(price), Decimal(size), side, trades)
                    expected = trade_id + 1
                    bar = self._open[0] if self._open else _NO_BAR
                    continue
                bar = self._open[0]
            expected = trade_id + 1
            bar.add(trade_id, Decimal(price), Decimal(size), side, trades)
        self._last_id = expected - 1
        self.offset = batch.last_entry_id

    def _admit(self, time_ms: int, trade_id: int, skipped: int, resumed_ms: int | None, late: bool) -> bool:
        """Make the trade's bar the open one; ``False`` if that bar is closed already."""
        kept: list[Accumulator | None] = [None] * len(self._widths)
        if self._open and resumed_ms is None and time_ms - self._open[0].open_ms > _MAX_FILL_MS:
            resumed_ms = self._open[0].open_ms
        if resumed_ms is not None and self._open and self._open[0].open_ms <= resumed_ms:
            self.on_watermark(resumed_ms)
            kept = self._cut(time_ms)
        missing = 0
        if self._last_id is not None:
            missing = max(0, trade_id - self._last_id - 1 - skipped)
        self._last_id = trade_id
        if missing:
            for bar in (*self._open, *filter(None, kept)):
                bar.missing += missing
        open_ms = open_time_ms(time_ms, self._base_ms)
        if late or open_ms < (self._open[0].open_ms if self._open else self._closed_ms):
            self.late.append(Late(trade_id, time_ms))
            return False
        if not self._open:
            self._open = [
                bar or Accumulator(open_time_ms(time_ms, width.ms), partial=True, missing=missing)
                for width, bar in zip(self._widths, kept, strict=True)
            ]
            return True
        while self._open[0].open_ms < open_ms:
            self._close_base(missing)
        return True

    def _add_to_longer(self, time_ms: int, trade_id: int, price: Decimal, size: Decimal, side: str | None, trades: int) -> None:
        """A trade whose shortest bar is closed still belongs to the longer ones that are open."""
        for width, bar in zip(self._widths[1:], self._open[1:], strict=True):
            if bar.open_ms <= time_ms < bar.open_ms + width.ms:
                bar.add(trade_id, price, size, side, trades)

    def on_watermark(self, time_ms: int) -> None:
        """No trade before `time_ms` is still to come."""
        if self._open and time_ms - self._open[0].open_ms > _MAX_FILL_MS:
            self._cut(None)
        while self._open and self._open[0].open_ms + self._base_ms <= time_ms:
            self._close_base(0)

    def on_end(self, time_ms: int) -> None:
        """The source was watched until `time_ms` and then ended: close everything; the next trade starts a new grid."""
        if not self._open or self._open[0].open_ms > time_ms:
            return  # nothing is open, or the trades are past that end already: it was said of an earlier pass
        self.on_watermark(time_ms)
        self._cut(None)

    def _cut(self, next_ms: int | None) -> list[Accumulator | None]:
        """End the grid: close what holds trades, as partial. Bars that hold `next_ms` too, the time of the next trade, are not
        closed but answered, in their places: they go on in the next grid."""
        kept: list[Accumulator | None] = [None] * len(self._widths)
        for index, bar in enumerate(self._open):
            bar.partial = True
            if index and kept[0] is None:
                bar.fold(self._open[0])
            if next_ms is not None and open_time_ms(next_ms, self._widths[index].ms) == bar.open_ms:
                kept[index] = bar
            elif bar.open is not None or bar.open_ms < self._open[0].open_ms:
                self._publish(index)
        self._open = []
        return kept

    def _close_base(self, missing: int) -> None:
        """Close the open bar of the shortest interval, and the longer ones that end with it. `missing`: the hole being
        crossed, which may belong to every bar opened on the way."""
        base = self._open[0]
        end_ms = base.open_ms + self._base_ms
        self._publish(0)
        self._open[0] = Accumulator(end_ms, missing=missing)
        for index in range(1, len(self._widths)):
            bar = self._open[index]
            bar.fold(base)
            if bar.open_ms + self._widths[index].ms == end_ms:
                self._publish(index)
                self._open[index] = Accumulator(end_ms, missing=missing)

    def _publish(self, index: int) -> None:
        bar = self._open[index]
        finished = bar.bar(self._widths[index].interval, self.symbol, self._close)
        self.closed.append(finished)
        if index == 0:
            self._close = finished.close
            self._closed_ms = bar.open_ms + self._base_ms

    def checkpoint(self) -> str:
        """The state as JSON text, from which `restore` goes on after entry `offset`."""
        return json.dumps(
            {
                "offset": self.offset,
                "last_id": self._last_id,
                "close": format(self._close, "f"),
                "closed_ms": self._closed_ms,
                "intervals": [width.interval for width in self._widths],
                "open": [bar.state() for bar in self._open],
            }
        )

    @classmethod
    def restore(cls, symbol: str, widths: Sequence[Width], text: str) -> "SymbolGrid":
        """Raises `BadInput` when the checkpoint was written for other intervals."""
        state: Mapping[str, Any] = json.loads(text)
        if state["intervals"] != [width.interval for width in widths]:
            raise BadInput(f"{symbol}: checkpoint is for intervals {state['intervals']}")
        grid = cls(symbol, widths)
        grid.offset = state["offset"]
        grid._last_id = state["last_id"]
        grid._close = Decimal(state["close"])
        grid._closed_ms = state["closed_ms"]
        grid._open = [Accumulator.from_state(bar) for bar in state["open"]]
        return grid
