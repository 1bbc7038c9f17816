"""The report on a pair's cointegration over a window of bars."""

from collections.abc import Sequence

from services.analytics.cointegration import MIN_ROWS, Verdict, cointegration_tests
from services.analytics.window import NOTHING_BEFORE, Leg, common_rows, coverage
from shared.errors import BadInput
from shared.intervals import interval_ms
from shared.messages import Bar, CointegrationReport
from shared.settings import Price
from shared.symbols import Pair


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
    """The tests over the newest `window` bars that end where both legs have one; fewer where the legs begin later.

    Raises `BadInput` when the legs have no bar in common.
    """
    y, x = _leg(interval, y_bars), _leg(interval, x_bars)
    ends = set(y.numbers.tolist()) & set(x.numbers.tolist())
    if not ends:
        raise BadInput(f"{pair} has no {interval} bar that both legs have; wait until both trade, or look at GET /history/bars")
    last = max(ends)
    first = max(last - window + 1, min(ends))
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
    return CointegrationReport(
        interval=interval,
        pair=str(pair),
        bar_ms=last * y.width_ms,
        window_start_ms=first * y.width_ms,
        window_bars=places,
        nobs=nobs,
        price=price,
        verdict=text,
        hedge_ratio=verdict.line.slope if verdict.line else None,
        intercept=verdict.line.intercept if verdict.line else None,
        tests=verdict.tests,
        request_id=request_id,
    )


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
