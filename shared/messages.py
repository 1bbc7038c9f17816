"""The messages of the topics, each declared once.

A message is an immutable named tuple whose annotations carry the documentation of every field; ``digits`` after it marks
text that is a plain decimal. Publisher, consumer, tests and the AsyncAPI document all use these declarations;
`shared.topics` says which parts of a message stand in the stream's key and in the entry's id, and `shared.codec` writes
and reads the rest.

Unknown is ``None`` here and an absent field on the wire, never 0 or ``nan``.
Times are integer milliseconds UTC on the exchange's clock. Prices are in quote units, sizes in base units.
"""

from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple

Side = Literal["buy", "sell"]
BarStatus = Literal["complete", "repaired", "gap", "unverified", "quiet", "partial", "imported", "exchange"]
PairStatus = Literal["ok", "warming_up", "low_coverage", "constant_leg", "constant_spread"]
AlertState = Literal["fired", "resolved", "acknowledged"]
EventKind = Literal["gap", "repaired", "late", "rejected", "feed_down", "feed_up", "source_changed"]


class Tick(NamedTuple):
    """One trade print. `price` and `size` are plain decimals in the venue's own digits."""

    symbol: Annotated[str, "the venue's symbol, upper case"]
    time_ms: Annotated[int, "trade time; a field only where the entry id shows a later one"]
    trade_id: Annotated[int, "the venue's trade id, or a counter within the millisecond"]
    price: Annotated[str, "price, quote units", "digits"]
    size: Annotated[str, "size, base units", "digits"]
    side: Annotated[Side | None, "side of the taker; absent if unknown"] = None
    trades: Annotated[int, "exchange trades in this print; absent = 1"] = 1
    skipped: Annotated[int, "trade ids right before this one that are accounted for but no market trades; absent = 0"] = 0
    resumed_ms: Annotated[
        int | None,
        "the source was watched until this time and then silent for more than 10 minutes: the bar grid restarts here",
    ] = None
    late: Annotated[int, "1 if the trade came after the watermark of its time: kept here, left out of the bars; absent = 0"] = 0


class TickBatch(NamedTuple):
    """Consecutive ticks of one symbol as columns of equal length, in stream order: the hot path's form of `Tick`."""

    symbol: str
    time_ms: list[int]
    trade_id: list[int]
    price: list[str]
    size: list[str]
    side: list[str | None]
    trades: list[int]
    notes: dict[int, tuple[int, int | None, bool]]
    """Row → (skipped, resumed_ms, late), for the few rows that carry one of them."""
    last_entry_id: str


class Watermark(NamedTuple):
    """No trade of `symbol` before `time_ms` is still to come. With `end`, the source has ended there: open bars close."""

    symbol: str
    time_ms: int
    end: bool = False


class Table(NamedTuple):
    """A side input as it stands now: the followed symbols, the pairs or the alert rules. `rows`: name → JSON text."""

    name: str
    rows: dict[str, str]


class Bar(NamedTuple):
    """Open, high, low, close and volumes of the trades in ``[open_time_ms, open_time_ms + interval)``."""

    interval: Annotated[str, "bar interval, such as 1s"]
    symbol: Annotated[str, "the venue's symbol, upper case"]
    open_time_ms: Annotated[int, "start of the interval"]
    open: Annotated[Decimal, "price of the first trade by id"]
    high: Annotated[Decimal, "highest price"]
    low: Annotated[Decimal, "lowest price"]
    close: Annotated[Decimal, "price of the last trade by id; the previous close in a quiet bar"]
    volume: Annotated[Decimal, "sum of sizes, base units"]
    quote_volume: Annotated[Decimal | None, "sum of price times size, quote units; absent if unknown"]
    taker_buy_volume: Annotated[Decimal | None, "volume whose taker bought, base units; absent if a side is unknown"]
    trades: Annotated[int | None, "number of exchange trades; absent if unknown"]
    status: Annotated[BarStatus, "how much of the interval is accounted for"]
    vwap: Annotated[Decimal | None, "quote_volume / volume; absent without volume"] = None
    first_id: Annotated[int | None, "id of the first trade; absent in a quiet bar"] = None
    last_id: Annotated[int | None, "id of the last trade; absent in a quiet bar"] = None
    missing: Annotated[int | None, "trade ids known to be missing that may belong to this bar; with status gap"] = None


class PairStats(NamedTuple):
    """Statistics of a pair at the bar that opens at `open_time_ms`, from bars up to and with that one."""

    interval: Annotated[str, "bar interval, such as 1s"]
    pair: Annotated[str, "Y~X, or Y~X@VARIANT for parameters other than the configured ones"]
    open_time_ms: Annotated[int, "open time of the bars"]
    hedge_ratio: Annotated[float | None, "OLS slope of Y on X: an elasticity for log prices, units of X per unit of Y for raw"]
    intercept: Annotated[float | None, "OLS intercept; absent without one"]
    r_squared: Annotated[float | None, "coefficient of determination of the regression (uncentred without intercept)"]
    spread: Annotated[float | None, "y - intercept - hedge_ratio * x, in (log) price units"]
    spread_mean: Annotated[float | None, "mean of the spread over the z-score window"]
    spread_std: Annotated[float | None, "sample standard deviation (ddof 1) of the spread over the z-score window"]
    zscore: Annotated[float | None, "(spread - spread_mean) / spread_std"]
    correlation: Annotated[float | None, "Pearson correlation of the log returns over the window"]
    half_life_bars: Annotated[float | None, "-ln 2 / ln(1 + g), g the slope of the spread's change on its level, in bars"]
    y: Annotated[Decimal, "close of Y"]
    x: Annotated[Decimal, "close of X"]
    window_bars: Annotated[int, "regression window, in bars"]
    coverage: Annotated[float, "share of the window's bars with trades and without known holes, the smaller of the legs"]
    status: Annotated[PairStatus, "ok, or why statistics are absent"]
    price: Annotated[str, "log or raw: what y and x of the regression are"]
    fit: Annotated[str, "lagged or inclusive: which bars the coefficients come from"]


class CointegrationReport(NamedTuple):
    """One cointegration and stationarity report on demand."""

    interval: Annotated[str, "bar interval, such as 1s"]
    pair: Annotated[str, "Y~X"]
    bar_ms: Annotated[int, "open time of the newest bar used"]
    window_start_ms: Annotated[int, "open time of the oldest bar used"]
    window_bars: Annotated[int, "bars on the grid between the two, both included"]
    nobs: Annotated[int, "bars of the window that both legs have"]
    price: Annotated[str, "log or raw"]
    verdict: Annotated[str, "the result in one plain sentence"]
    hedge_ratio: Annotated[float | None, "OLS slope over the window"]
    intercept: Annotated[float | None, "OLS intercept over the window"]
    tests: Annotated[
        list[dict[str, Any]],
        "per test: name, null hypothesis, statistic, p_value, critical_values, lags, nobs, trend, note, or why it was refused",
    ]
    request_id: Annotated[str | None, "correlation id of the request"] = None


class Alert(NamedTuple):
    """An alert rule changed its state at a bar."""

    rule: Annotated[str, "name of the rule"]
    kind: Annotated[str, "what the rule watches, such as zscore"]
    pair: Annotated[str, "Y~X"]
    interval: Annotated[str, "bar interval, such as 1s"]
    state: Annotated[AlertState, "what happened"]
    value: Annotated[float, "the watched value at that bar"]
    threshold: Annotated[float, "the threshold it was held against"]
    bar_ms: Annotated[int, "open time of the bar"]
    explain: Annotated[dict[str, Any], "every number behind it"]
    at_ms: Annotated[int | None, "wall time of publication; outside the promise of determinism"] = None


class Event(NamedTuple):
    """A fact about the data that a consumer of numbers must know."""

    kind: Annotated[EventKind, "what happened"]
    bar_ms: Annotated[int, "exchange time of the fact"]
    reason: Annotated[str, "in plain words"]
    symbol: Annotated[str | None, "the symbol concerned; absent if all"] = None
    first_id: Annotated[int | None, "first trade id of the range"] = None
    last_id: Annotated[int | None, "last trade id of the range"] = None
    from_ms: Annotated[int | None, "start of the time range"] = None
    to_ms: Annotated[int | None, "end of the time range"] = None
    affected: Annotated[int | None, "how many trades are concerned"] = None


Message = Tick | Bar | PairStats | CointegrationReport | Alert | Event
StepInput = TickBatch | Watermark | Table | Bar | PairStats
