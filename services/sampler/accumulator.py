"""One open bar: trades go into the shortest interval's, closed bars of that one are folded into the longer ones."""

from collections.abc import Mapping
from decimal import Context, Decimal
from typing import Any

from shared.messages import Bar, BarStatus

ZERO = Decimal(0)
_VWAP_DIGITS = Context(prec=12)


class Accumulator:
    """Open, high, low, close and sums of a bar that is still open. Decimals throughout: sums are exact in any order."""

    __slots__ = (
        "close", "first_id", "high", "last_id", "low", "missing", "open", "open_ms", "partial", "quote_volume",
        "taker_buy_volume", "trades", "volume",
    )  # fmt: skip

    def __init__(self, open_ms: int, *, partial: bool = False, missing: int = 0) -> None:
        self.open_ms = open_ms
        self.partial = partial
        """Whether a part of the interval was not watched."""
        self.missing = missing
        """Trade ids known to be missing that may belong here."""
        self.open: Decimal | None = None
        self.high = self.low = self.close = ZERO
        self.volume = self.quote_volume = ZERO
        self.taker_buy_volume: Decimal | None = ZERO
        self.trades = 0
        self.first_id: int | None = None
        self.last_id: int | None = None

    def add(self, trade_id: int, price: Decimal, size: Decimal, side: str | None, trades: int) -> None:
        """Take one trade; trades come in order of id."""
        if self.open is None:
            self.open = self.high = self.low = price
            self.first_id = trade_id
        elif price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price
        self.volume += size
        self.quote_volume += price * size
        if side == "buy":
            if self.taker_buy_volume is not None:
                self.taker_buy_volume += size
        elif side is None:
            self.taker_buy_volume = None
        self.trades += trades
        self.last_id = trade_id

    def fold(self, bar: "Accumulator") -> None:
        """Take the next closed bar of a shorter interval. Missing ids are counted by the caller, once a hole."""
        self.partial = self.partial or bar.partial
        if bar.open is None:
            return
        if self.open is None:
            self.open, self.high, self.low, self.close = bar.open, bar.high, bar.low, bar.close
            self.first_id, self.last_id = bar.first_id, bar.last_id
        else:
            self.high = max(self.high, bar.high)
            self.low = min(self.low, bar.low)
            # By id: a trade that came after its shortest bar had closed may stand here already.
            if _known(bar.first_id) < _known(self.first_id):
                self.open, self.first_id = bar.open, bar.first_id
            if _known(bar.last_id) > _known(self.last_id):
                self.close, self.last_id = bar.close, bar.last_id
        self.volume += bar.volume
        self.quote_volume += bar.quote_volume
        if self.taker_buy_volume is not None:
            known = bar.taker_buy_volume
            self.taker_buy_volume = None if known is None else self.taker_buy_volume + known
        self.trades += bar.trades

    @property
    def status(self) -> BarStatus:
        if self.missing:
            return "gap"
        if self.partial:
            return "partial"
        return "complete" if self.open is not None else "quiet"

    def bar(self, interval: str, symbol: str, previous_close: Decimal) -> Bar:
        """The finished bar; without a trade its prices are the close before."""
        traded = self.open is not None
        return Bar(
            interval=interval,
            symbol=symbol,
            open_time_ms=self.open_ms,
            open=self.open if self.open is not None else previous_close,
            high=self.high if traded else previous_close,
            low=self.low if traded else previous_close,
            close=self.close if traded else previous_close,
            volume=self.volume,
            quote_volume=self.quote_volume,
            taker_buy_volume=self.taker_buy_volume,
            trades=self.trades,
            status=self.status,
            vwap=_VWAP_DIGITS.divide(self.quote_volume, self.volume) if self.volume else None,
            first_id=self.first_id,
            last_id=self.last_id,
            missing=self.missing or None,
        )

    def state(self) -> dict[str, Any]:
        """What `from_state` needs, ready for JSON."""
        return {
            name: format(value, "f") if isinstance(value, Decimal) else value
            for name in self.__slots__
            if (value := getattr(self, name)) is not None
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> "Accumulator":
        found = cls(state["open_ms"], partial=state["partial"], missing=state["missing"])
        for name in ("open", "high", "low", "close", "volume", "quote_volume", "taker_buy_volume"):
            setattr(found, name, Decimal(state[name]) if name in state else None)
        found.trades = state["trades"]
        found.first_id = state.get("first_id")
        found.last_id = state.get("last_id")
        return found


def _known(trade_id: int | None) -> int:
    assert trade_id is not None, "a bar with trades has their ids"
    return trade_id
