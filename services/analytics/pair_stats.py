"""The row of a pair at one bar: a function of the bars of its window, computed afresh each time.

Computing afresh costs some 40 µs and leaves nothing to drift: the same bars give the same bytes after any restart.
"""

from typing import NamedTuple

import numpy as np

from services.analytics.correlation import correlation
from services.analytics.half_life import half_life
from services.analytics.parameters import Model
from services.analytics.regression import Floats, Line, fit_line
from services.analytics.spread import Location, locate
from services.analytics.window import Coverage, Leg, Rows, common_rows, coverage
from shared.messages import PairStats, PairStatus


class Estimate(NamedTuple):
    """The statistics at a bar; those that are absent are ``None``, and the status says why."""

    status: PairStatus
    line: Line | None = None
    spread: float | None = None
    location: Location | None = None
    correlation: float | None = None
    half_life: float | None = None


def pair_stats(interval: str, pair: str, model: Model, min_coverage: float, y: Leg, x: Leg, number: int) -> PairStats:
    """The row at the bar with this number, which both legs have; the legs must reach `model.span` places further back.

    With the `lagged` fit the line comes from the places t-W … t-1 and is held against the bar t; with `inclusive` from
    t-W+1 … t. A window with less than `min_coverage` gives no statistics.
    """
    lag = 1 if model.fit == "lagged" else 0
    regressed = coverage(y, x, number - model.window - lag + 1, number - lag)
    scored = regressed
    if model.z_window > model.window:
        scored = coverage(y, x, number - model.z_window - lag + 1, number - lag)
    if regressed.share < min_coverage:
        estimate = Estimate(_lack(regressed))
    else:
        lacking = _lack(scored) if scored.share < min_coverage else None
        estimate = _estimate(common_rows(y, x, number, model.span), model, lag, lacking)
    line, location = estimate.line, estimate.location
    return PairStats(
        interval=interval,
        pair=pair,
        open_time_ms=number * y.width_ms,
        hedge_ratio=line.slope if line else None,
        intercept=line.intercept if line else None,
        r_squared=line.r_squared if line else None,
        spread=estimate.spread,
        spread_mean=location.mean if location else None,
        spread_std=location.std if location else None,
        zscore=location.zscore if location else None,
        correlation=estimate.correlation,
        half_life_bars=estimate.half_life,
        y=y.close(y.row(number)),
        x=x.close(x.row(number)),
        window_bars=model.window,
        coverage=regressed.share,
        status=estimate.status,
        price=model.price,
        fit=model.fit,
    )


def _lack(window: Coverage) -> PairStatus:
    return "warming_up" if window.begins_later else "low_coverage"


def _estimate(rows: Rows, model: Model, lag: int, lacking: PairStatus | None) -> Estimate:
    """`lacking` is why the longer z-score window cannot be used."""
    y, x = (rows.y_log, rows.x_log) if model.price == "log" else (rows.y, rows.x)
    first, end = rows.first(1 - lag - model.window), rows.first(1 - lag)
    if end - first < 3:
        return Estimate("low_coverage")
    y_fit, x_fit = y[first:end], x[first:end]
    line = fit_line(y_fit, x_fit, model.intercept)
    if line is None or y_fit.min() == y_fit.max():
        return Estimate("constant_leg")
    scored = rows.first(1 - lag - model.z_window)
    begin = min(first, scored)
    spread = line.residuals(y[begin:], x[begin:])
    together = _correlation(rows, rows.first(-model.window))
    if lacking:
        return Estimate(lacking, line, float(spread[-1]), None, together, _half_life(rows, first, spread[first - begin :]))
    # Prices are rounded to 1e-16 of themselves, their logarithms by as much.
    scale = abs(float(y[-1])) + abs(line.slope * float(x[-1])) + (1.0 if model.price == "log" else 0.0)
    location = locate(float(spread[-1]), spread[scored - begin : end - begin], scale)
    if location is None:
        return Estimate("low_coverage", line, float(spread[-1]), None, together)
    if location.zscore is None:
        return Estimate("constant_spread", line, float(spread[-1]), location, together)
    return Estimate("ok", line, float(spread[-1]), location, together, _half_life(rows, first, spread[first - begin :]))


def _correlation(rows: Rows, first: int) -> float | None:
    y, x = np.diff(rows.y_log[first:]), np.diff(rows.x_log[first:])
    adjacent = rows.next_to(first)
    return correlation(y, x) if adjacent is None else correlation(y[adjacent], x[adjacent])


def _half_life(rows: Rows, first: int, spread: Floats) -> float | None:
    before, change = spread[:-1], np.diff(spread)
    adjacent = rows.next_to(first)
    return half_life(before, change) if adjacent is None else half_life(before[adjacent], change[adjacent])
