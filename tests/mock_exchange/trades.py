"""What the mock exchange trades, and the frames of it, written from the venue's documents and not from the product's parser."""

import gzip
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.recording import RECORDING


class MarketTrade(NamedTuple):
    """One trade of the venue."""

    symbol: str
    trade_id: int
    time_ms: int
    price: str
    size: str
    buyer_is_maker: bool
    event_ms: int
    after_s: float
    """Seconds after the first trade at which the venue sends it."""
    kind: str = "MARKET"

    def frame(self, stream: str, *, wrapped: bool, aggregated: bool) -> str:
        """The frame as the venue sends it on that stream."""
        data: dict[str, object] = {"e": "aggTrade" if aggregated else "trade", "E": self.event_ms}
        if aggregated:
            data |= {"a": self.trade_id, "s": self.symbol, "p": self.price, "q": self.size, "nq": self.size}
            data |= {"f": self.trade_id, "l": self.trade_id, "T": self.time_ms, "m": self.buyer_is_maker}
        else:
            data |= {"T": self.time_ms, "s": self.symbol, "t": self.trade_id, "p": self.price, "q": self.size}
            data |= {"X": self.kind, "m": self.buyer_is_maker}
        return json.dumps({"stream": stream, "data": data} if wrapped else data, separators=(",", ":"))


def recorded_trades(path: Path = RECORDING) -> list[MarketTrade]:
    """The trades of a raw capture, sent at the pace of their arrival then."""
    found: list[MarketTrade] = []
    first_ns = 0
    with gzip.open(path, "rt") as lines:
        for line in lines:
            receive_ns, _, frame = line.partition(" ")
            d = json.loads(frame)["data"]
            first_ns = first_ns or int(receive_ns)
            after_s = (int(receive_ns) - first_ns) / 1e9
            found.append(MarketTrade(d["s"], d["t"], d["T"], d["p"], d["q"], d["m"], d["E"], after_s, d["X"]))
    return found


def made_up_trades(
    symbols: Sequence[str], count: int, rate: float = 1000.0, start_ms: int = 1_700_000_000_000, seed: int = 1
) -> list[MarketTrade]:
    """`count` trades of random symbols at `rate` a second, ids 1, 2, 3 … of each symbol, times even."""
    rng = random.Random(seed)
    ids = dict.fromkeys(symbols, 0)
    found = []
    for i in range(count):
        symbol = symbols[i] if i < len(symbols) else rng.choice(symbols)  # each at least once
        ids[symbol] += 1
        after_s = i / rate
        time_ms = start_ms + int(after_s * 1000)
        price, size = f"{rng.uniform(90, 110):.2f}", f"{rng.uniform(0.001, 2):.3f}"
        found.append(MarketTrade(symbol, ids[symbol], time_ms, price, size, rng.random() < 0.5, time_ms + 3, after_s))
    return found
