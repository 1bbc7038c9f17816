"""One entry or two of each topic, as examples of the documentation: topic → (entry id, message)."""

from decimal import Decimal

from shared.messages import Alert, Bar, CointegrationReport, Event, Message, PairStats, Tick

_PAIR = "ETHUSDT~BTCUSDT"

_TICKS = [
    ("1721347200123-5127612001", Tick("BTCUSDT", 1721347200123, 5127612001, "64013.20", "0.015", "buy")),
    ("1721347200123-5127612004", Tick("BTCUSDT", 1721347200123, 5127612004, "64013.10", "0.250", "sell", trades=3, skipped=2)),
]

_BARS = [
    (
        "1721347200000-0",
        Bar(
            interval="1s",
            symbol="BTCUSDT",
            open_time_ms=1721347200000,
            open=Decimal("64013.20"),
            high=Decimal("64013.20"),
            low=Decimal("64013.10"),
            close=Decimal("64013.10"),
            volume=Decimal("0.265"),
            quote_volume=Decimal("16963.473"),
            taker_buy_volume=Decimal("0.015"),
            trades=4,
            status="complete",
            vwap=Decimal("64013.10566"),
            first_id=5127612001,
            last_id=5127612004,
        ),
    ),
    (
        "1721347201000-0",
        Bar(
            interval="1s",
            symbol="BTCUSDT",
            open_time_ms=1721347201000,
            open=Decimal("64013.10"),
            high=Decimal("64013.10"),
            low=Decimal("64013.10"),
            close=Decimal("64013.10"),
            volume=Decimal(0),
            quote_volume=Decimal(0),
            taker_buy_volume=Decimal(0),
            trades=0,
            status="quiet",
        ),
    ),
]

_STATISTICS = PairStats(
    interval="1s",
    pair=_PAIR,
    open_time_ms=1721347200000,
    hedge_ratio=0.8713442197,
    intercept=-1.504536091,
    r_squared=0.9127733051,
    spread=0.0004127719,
    spread_mean=-0.0000318842,
    spread_std=0.0002066415,
    zscore=2.151823811,
    correlation=0.6714093352,
    half_life_bars=14.20718852,
    y=Decimal("3425.17"),
    x=Decimal("64013.10"),
    window_bars=300,
    coverage=0.99,
    status="ok",
    price="log",
    fit="lagged",
)

_PAIRS = [
    ("1721347200000-0", _STATISTICS),
    (
        "1721346960000-0",
        PairStats(
            interval="1s",
            pair=_PAIR,
            open_time_ms=1721346960000,
            hedge_ratio=None,
            intercept=None,
            r_squared=None,
            spread=None,
            spread_mean=None,
            spread_std=None,
            zscore=None,
            correlation=None,
            half_life_bars=None,
            y=Decimal("3424.80"),
            x=Decimal("64009.90"),
            window_bars=300,
            coverage=0.2,
            status="warming_up",
            price="log",
            fit="lagged",
        ),
    ),
]

_TESTS = [
    (
        "1721347200000-0",
        CointegrationReport(
            interval="1s",
            pair=_PAIR,
            bar_ms=1721347200000,
            window_start_ms=1721346901000,
            window_bars=300,
            nobs=300,
            price="log",
            verdict="Cointegrated at 5 %: the Engle-Granger test refuses a unit root in the spread (p = 0.018).",
            hedge_ratio=0.8713442197,
            intercept=-1.504536091,
            tests=[
                {
                    "name": "engle_granger",
                    "null_hypothesis": "the legs are not cointegrated",
                    "statistic": -3.704,
                    "p_value": 0.018,
                    "critical_values": {"1%": -3.932, "5%": -3.355, "10%": -3.057},
                    "nobs": 300,
                    "trend": "c",
                }
            ],
            request_id="b1946ac9",
        ),
    )
]

_ALERTS = [
    (
        "1721347200000-0",
        Alert(
            rule="zscore",
            kind="zscore",
            pair=_PAIR,
            interval="1s",
            state="fired",
            value=2.151823811,
            threshold=2.0,
            bar_ms=1721347200000,
            explain={
                "zscore": 2.151823811,
                "spread": 0.0004127719,
                "spread_mean": -0.0000318842,
                "spread_std": 0.0002066415,
                "hedge_ratio": 0.8713442197,
                "previous_state": "armed",
                "close_ms": 1721347201000,
                "rule": {"name": "zscore", "enter": 2.0, "exit": 0.5, "cooldown_s": 60.0, "side": "both"},
            },
            at_ms=1721347201164,
        ),
    )
]

_EVENTS = [
    (
        "1721347200123-0",
        Event(
            kind="gap",
            bar_ms=1721347200123,
            reason="trades were missed while the connection was down",
            symbol="BTCUSDT",
            first_id=5127611967,
            last_id=5127612000,
            affected=34,
        ),
    )
]

SAMPLES: dict[str, list[tuple[str, Message]]] = {
    "ticks": list(_TICKS),
    "bars": list(_BARS),
    "pairs": list(_PAIRS),
    "tests": list(_TESTS),
    "alerts": list(_ALERTS),
    "events": list(_EVENTS),
}
