"""The bar grid of one symbol: which bar a trade belongs to, when a bar closes, and what a hole in the ids touches."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import orjson

from services.sampler.accumulator import ZERO, Accumulator
from shared.errors import BadInput
from shared.intervals import open_time_ms
from shared.messages import Bar, TickBatch


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
        if resumed_ms is not None:
            self.on_end(resumed_ms)
        missing = 0
        if self._last_id is not None:
            missing = max(0, trade_id - self._last_id - 1 - skipped)
        self._last_id = trade_id
        if missing:
            for bar in self._open:
                bar.missing += missing
        open_ms = open_time_ms(time_ms, self._base_ms)
        if late or open_ms < (self._open[0].open_ms if self._open else self._closed_ms):
            self.late.append(Late(trade_id, time_ms))
            return False
        if not self._open:
            self._open = [Accumulator(open_time_ms(time_ms, width.ms), partial=True, missing=missing) for width in self._widths]
            return True
        while self._open[0].open_ms < open_ms:
            self._close_base(missing)
        return True

    def on_watermark(self, time_ms: int) -> None:
        """No trade before `time_ms` is still to come."""
        while self._open and self._open[0].open_ms + self._base_ms <= time_ms:
            self._close_base(0)

    def on_end(self, time_ms: int) -> None:
        """The source was watched until `time_ms` and then ended: close everything; the next trade starts a new grid."""
        if not self._open or self._open[0].open_ms > time_ms:
            return  # nothing is open, or the trades are past that end already: it was said of an earlier pass
        self.on_watermark(time_ms)
        base = self._open[0]
        if base.open is not None:
            base.partial = True
            self._publish(0)
            for bar in self._open[1:]:
                bar.fold(base)
        for index in range(1, len(self._open)):
            bar = self._open[index]
            if bar.open is not None or bar.open_ms < base.open_ms:
                bar.partial = True
                self._publish(index)
        self._open = []

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
        return orjson.dumps(
            {
                "offset": self.offset,
                "last_id": self._last_id,
                "close": format(self._close, "f"),
                "closed_ms": self._closed_ms,
                "intervals": [width.interval for width in self._widths],
                "open": [bar.state() for bar in self._open],
            }
        ).decode()

    @classmethod
    def restore(cls, symbol: str, widths: Sequence[Width], text: str) -> "SymbolGrid":
        """Raises `BadInput` when the checkpoint was written for other intervals."""
        state: Mapping[str, Any] = orjson.loads(text)
        if state["intervals"] != [width.interval for width in widths]:
            raise BadInput(f"{symbol}: checkpoint is for intervals {state['intervals']}")
        grid = cls(symbol, widths)
        grid.offset = state["offset"]
        grid._last_id = state["last_id"]
        grid._close = Decimal(state["close"])
        grid._closed_ms = state["closed_ms"]
        grid._open = [Accumulator.from_state(bar) for bar in state["open"]]
        return grid
