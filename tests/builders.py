"""Messages with plausible content, and a market that publishes them: for tests of whatever reads the topics."""

from collections.abc import Iterator
from decimal import Decimal

import numpy as np
import redis

from shared.codec import encode
from shared.intervals import interval_ms
from shared.messages import Alert, Bar, BarStatus, CointegrationReport, Message, PairStats, Tick
from shared.topics import Keyspace, topic_of

START_MS = 1_721_347_200_000
"""A round hour of 2024."""


def bar(symbol: str, open_time_ms: int, close: str, *, interval: str = "1s", status: BarStatus = "complete") -> Bar:
    """A bar of ten trades around a close."""
    price = Decimal(close)
    step = price / 10_000
    quiet = status == "quiet"
    return Bar(
        interval,
        symbol,
        open_time_ms,
        open=price if quiet else (price - step).quantize(price),
        high=price if quiet else (price + 2 * step).quantize(price),
        low=price if quiet else (price - 2 * step).quantize(price),
        close=price,
        volume=Decimal(0) if quiet else Decimal("1.5"),
        quote_volume=Decimal(0) if quiet else Decimal("1.5") * price,
        taker_buy_volume=Decimal(0) if quiet else Decimal("0.7"),
        trades=0 if quiet else 10,
        status=status,
        vwap=None if quiet else price,
    )


def pair_stats(
    pair: str,
    open_time_ms: int,
    *,
    interval: str = "1s",
    zscore: float | None = 0.5,
    correlation: float | None = 0.6,
    y: str = "3420.15",
    x: str = "64123.4",
    window_bars: int = 300,
    coverage: float = 1.0,
    spread: float | None = None,
) -> PairStats:
    """Statistics as they look for log prices; without a z-score, of a window that is still filling."""
    known = zscore is not None
    return PairStats(
        interval,
        pair,
        open_time_ms,
        hedge_ratio=0.8312345678 if known else None,
        intercept=-1.0612345 if known else None,
        r_squared=0.8123 if known else None,
        spread=(spread if spread is not None else 0.0004 * (zscore or 0.0)) if known else None,
        spread_mean=0.00001 if known else None,
        spread_std=0.0004 if known else None,
        zscore=zscore,
        correlation=correlation if known else None,
        half_life_bars=12.5 if known else None,
        y=Decimal(y),
        x=Decimal(x),
        window_bars=window_bars,
        coverage=coverage,
        status="ok" if known else "warming_up",
        price="log",
        fit="lagged",
    )


def alert(pair: str, bar_ms: int, value: float, *, interval: str = "1s", state: str = "fired", rule: str = "zscore") -> Alert:
    """A z-score rule that changed its state."""
    return Alert(
        rule,
        "zscore",
        pair,
        interval,
        state,  # type: ignore[arg-type]
        value,
        2.0,
        bar_ms,
        {"hedge_ratio": 0.83, "spread": 0.0009, "window_bars": 300},
        bar_ms + 120,
    )


def report(pair: str, bar_ms: int, *, interval: str = "1s") -> CointegrationReport:
    """A report of two tests."""
    return CointegrationReport(
        interval,
        pair,
        bar_ms,
        bar_ms - 299_000,
        300,
        300,
        "log",
        "The legs look cointegrated: p = 0.012.",
        0.83,
        -1.06,
        [
            {"name": "Engle-Granger, Y on X", "null": "no cointegration", "statistic": -3.9, "p_value": 0.012, "nobs": 299},
            {"name": "ADF of the spread", "statistic": None, "p_value": None, "note": "too few bars"},
        ],
    )


def add(client: redis.Redis, keyspace: Keyspace, *messages: Message) -> None:
    """Append messages to their streams as the services do."""
    with client.pipeline(transaction=False) as pipe:
        for message in messages:
            topic = topic_of(message)
            sequence = {"zero": "0", "trade_id": str(getattr(message, "trade_id", 0)), "counter": "*"}[topic.sequence]
            fields = {name: text for name, text in encode(message).items()}
            pipe.xadd(keyspace.key(topic.channel(message)), fields, id=f"{getattr(message, topic.time)}-{sequence}")
        pipe.execute()


class Market:
    """A seeded walk of two cointegrated legs, one bar after the other, with its statistics made up to match."""

    def __init__(self, y: str = "ETHUSDT", x: str = "BTCUSDT", interval: str = "1s", start_ms: int = START_MS) -> None:
        self.y, self.x, self.interval = y, x, interval
        self.now_ms = start_ms
        self.z = 0.0
        self._random = np.random.default_rng(7)
        self._log_x = np.log(64_000.0)
        self._trade_id = 1

    @property
    def pair(self) -> str:
        return f"{self.y}~{self.x}"

    def bars(self, count: int, *, warm_up: int = 0) -> Iterator[list[Message]]:
        """The next `count` bar times: a tick and a bar of each leg and the pair's statistics; an alert where |z| passes 2."""
        for number in range(count):
            before = self.z
            self.z = 0.93 * self.z + 0.42 * float(self._random.standard_normal())
            self._log_x += 0.0002 * float(self._random.standard_normal())
            x = f"{np.exp(self._log_x):.1f}"
            y = f"{np.exp(0.83 * self._log_x - 1.06 + 0.0004 * self.z):.2f}"
            made: list[Message] = []
            for symbol, price in ((self.y, y), (self.x, x)):
                made.append(Tick(symbol, self.now_ms + 500, self._trade_id, price, "0.1", "buy"))
                made.append(bar(symbol, self.now_ms, price, interval=self.interval))
            self._trade_id += 1
            warm = number >= warm_up
            made.append(
                pair_stats(
                    self.pair, self.now_ms, interval=self.interval, zscore=round(self.z, 6) if warm else None,
                    correlation=round(0.6 + 0.2 * float(np.sin(self.now_ms / 2e5)), 6), y=y, x=x,
                    coverage=1.0 if warm else round(number / max(warm_up, 1), 4),
                )
            )  # fmt: skip
            if warm and abs(self.z) >= 2.0 > abs(before):
                made.append(alert(self.pair, self.now_ms, round(self.z, 6), interval=self.interval))
            self.now_ms += interval_ms(self.interval)
            yield made
