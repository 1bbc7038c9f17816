"""The sampler's step: ticks and watermarks of many symbols in, bars and checkpoints out."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Context, Inexact, localcontext

from services.sampler.grid import Late, SymbolGrid, Width
from shared.errors import BadInput
from shared.intervals import interval_ms
from shared.messages import Event, Message, StepInput, Table, TickBatch, Watermark
from shared.step import Output
from shared.topics import TICKS, Channel, Keyspace

_EXACT = Context(prec=200, traps=[Inexact])
"""Sums and products of prices and sizes are exact; a rounding would be a bug and ends the process."""


class BarBuilder:
    """A `shared.step.Step` for the symbols of one partition."""

    def __init__(self, intervals: Sequence[str], keyspace: Keyspace, partition: int = 0) -> None:
        """`intervals` as in the settings: each a multiple of the shortest."""
        self._widths = sorted((Width(interval, interval_ms(interval)) for interval in intervals), key=lambda w: w.ms)
        self._keyspace = keyspace
        self._partition = partition
        self._grids: dict[str, SymbolGrid] = {}
        self._followed: dict[str, None] = {}
        self._wanted: dict[Channel, str] = {}

    def restore(self, checkpoints: Mapping[str, str]) -> None:
        for symbol, text in checkpoints.items():
            try:
                self._grids[symbol] = SymbolGrid.restore(symbol, self._widths, text)
            except BadInput:
                # Other intervals than last time: begin with the oldest tick kept; bars already there are refused by id.
                self._grids[symbol] = SymbolGrid(symbol, self._widths)

    def wants(self) -> Mapping[Channel, str]:
        return self._wanted

    def on_messages(self, batch: Sequence[StepInput]) -> Output:
        touched: dict[str, SymbolGrid] = {}
        with localcontext(_EXACT):
            for message in batch:
                if isinstance(message, TickBatch):
                    grid = self._grids[message.symbol]
                    grid.on_ticks(message)
                    touched[message.symbol] = grid
                elif isinstance(message, Watermark):
                    known = self._grids.get(message.symbol)
                    if known is None or message.symbol not in self._followed:
                        continue
                    (known.on_end if message.end else known.on_watermark)(message.time_ms)
                    touched[message.symbol] = known
                elif isinstance(message, Table):
                    self._follow(message)
        return self._output(touched.values())

    def on_clock(self, now_ms: int) -> Output:
        return Output()

    def _follow(self, table: Table) -> None:
        self._followed = {symbol: None for symbol in table.rows if self._keyspace.partition(symbol) == self._partition}
        for symbol in self._followed:
            if symbol not in self._grids:
                self._grids[symbol] = SymbolGrid(symbol, self._widths)
        # Kept, for the loop asks before every read, and an offset counts only where a stream is new to it.
        self._wanted = {Channel(TICKS.name, (symbol,)): self._grids[symbol].offset for symbol in self._followed}

    def _output(self, touched: Iterable[SymbolGrid]) -> Output:
        messages: list[Message] = []
        checkpoints: dict[str, str] = {}
        for grid in touched:
            if not grid.closed and not grid.late:
                continue
            messages += grid.closed
            messages += _declared(grid.symbol, grid.late)
            checkpoints[grid.symbol] = grid.checkpoint()
            grid.closed, grid.late = [], []
        return Output(messages, checkpoints)


def _declared(symbol: str, late: Sequence[Late]) -> list[Event]:
    if not late:
        return []
    return [
        Event(
            kind="late",
            bar_ms=max(trade.time_ms for trade in late),
            reason="trades came after their bar had closed and are left out of it",
            symbol=symbol,
            first_id=min(trade.trade_id for trade in late),
            last_id=max(trade.trade_id for trade in late),
            affected=len(late),
        )
    ]
