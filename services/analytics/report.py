"""The report on a pair's cointegration over a window of bars."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from services.analytics.cointegration import MIN_ROWS, Verdict, cointegration_tests
from services.analytics.window import NOTHING_BEFORE, Leg, common_rows, coverage
from shared.codec import float_text
from shared.errors import BadInput
from shared.intervals import interval_ms
from shared.messages import Bar, CointegrationReport
from shared.settings import Price
from shared.symbols import Pair

_SILENCE_MS = 600_000
"""A longer stretch without bars is a silence of the source: prices from before it are no neighbours of those after."""


def cointegration_report(
    pair: Pair,
    interval: str,
    y_bars: Sequence[Bar],
    x_bars: Sequence[Bar],
    window: int,
    price: Price,
    intercept: bool,
    min_coverage: float,
    request_id: str | None = None,
) -> CointegrationReport:
    """The tests over the newest `window` bars that end where both legs have one; fewer where the legs begin later, and after
    the last silence of the source. Figures have the 10 digits that the topic has.

    Raises `BadInput` when the legs have no bar in common.
    """
    y, x = _leg(interval, y_bars), _leg(interval, x_bars)
    ends = np.intersect1d(y.numbers, x.numbers, assume_unique=True)
    if not len(ends):
        raise BadInput(f"{pair} has no {interval} bar that both legs have; wait until both trade, or look at GET /history/bars")
    last = int(ends[-1])
    first = max(last - window + 1, int(ends[0]))
    after_silence = ends[1:][(np.diff(ends) - 1) * y.width_ms > _SILENCE_MS]
    cut = len(after_silence) > 0 and int(after_silence[-1]) > first
    if cut:
        first = int(after_silence[-1])
    rows = common_rows(y, x, last, last - first)
    prices = (rows.y_log, rows.x_log) if price == "log" else (rows.y, rows.x)
    nobs, places = len(rows.y), last - first + 1
    share = coverage(y, x, first, last).share
    verdict = cointegration_tests(*prices, intercept, names=(pair.y, pair.x))
    if nobs >= MIN_ROWS and share < min_coverage:
        verdict = _thin(verdict, share, min_coverage)
    text = verdict.text
    if nobs < places:
        text += f"; {places - nobs} of {places} bars are missing and what remains was taken as adjacent"
    if cut:
        text += f"; {places} bars since {_time(first * y.width_ms, last * y.width_ms)}; before that the source was silent"
    return CointegrationReport(
        interval=interval,
        pair=str(pair),
        bar_ms=last * y.width_ms,
        window_start_ms=first * y.width_ms,
        window_bars=places,
        nobs=nobs,
        price=price,
        verdict=text,
        hedge_ratio=_rounded(verdict.line.slope) if verdict.line else None,
        intercept=_rounded(verdict.line.intercept) if verdict.line else None,
        tests=_rounded(verdict.tests),
        request_id=request_id,
    )


def _time(ms: int, seen_from_ms: int) -> str:
    """Time of day in UTC, with the date if it is another day's."""
    date, time = str(np.datetime64(ms // 1000, "s")).split("T")
    same_day = str(np.datetime64(seen_from_ms // 1000, "s")).startswith(date)
    return f"{time} UTC" if same_day else f"{date} {time} UTC"


def _rounded(value: Any) -> Any:
    """The same with the digits of `float_text` in every float, so that it reads the same over HTTP and in the topic."""
    if isinstance(value, float):
        return float(float_text(value))
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, list) else value


def _leg(interval: str, bars: Sequence[Bar]) -> Leg:
    leg = Leg(interval_ms(interval), NOTHING_BEFORE)
    for bar in bars:
        leg.append(bar)
    return leg


def _thin(verdict: Verdict, share: float, min_coverage: float) -> Verdict:
    reason = (
        f"only {share:.0%} of the bars have trades and no holes, {min_coverage:.0%} are needed; "
        "repeated closes look like a mean: choose a longer interval"
    )
    tests = [{"name": test["name"], "null": test["null"], "refused": reason} for test in verdict.tests]
    return Verdict(f"no test: {reason}", verdict.line, tests)
