"""Rows of pair statistics and of the rules table for the tests of the alerter."""

import json
from decimal import Decimal
from typing import Any

from shared.messages import PairStats, Table

T0 = 1_700_000_040_000
"""A time on the grid of 1s and 1m."""


def row(time_ms: int, zscore: float | None, pair: str = "ETHUSDT~BTCUSDT", interval: str = "1s") -> PairStats:
    return PairStats(
        interval=interval,
        pair=pair,
        open_time_ms=time_ms,
        hedge_ratio=0.8125,
        intercept=-0.75,
        r_squared=0.9,
        spread=0.004,
        spread_mean=0.001,
        spread_std=0.0015,
        zscore=zscore,
        correlation=0.66,
        half_life_bars=None,
        y=Decimal("3421.55"),
        x=Decimal("64100.10"),
        window_bars=300,
        coverage=0.9875,
        status="ok" if zscore is not None else "low_coverage",
        price="log",
        fit="lagged",
    )


def rule_row(name: str = "zscore", **fields: Any) -> tuple[str, str]:
    """A row as the documentation describes it: JSON text with the rule's fields and its origin."""
    base = {"name": name, "enter": 2.0, "exit": 0.5, "cooldown_s": 0, "origin": "file"}
    return name, json.dumps(base | fields)


def rules(*rows: tuple[str, str]) -> Table:
    return Table("rules", dict(rows))


def pairs(*names: str) -> Table:
    return Table("pairs", dict.fromkeys(names, "{}"))
