"""Tests of stationarity and cointegration of two price series, by statsmodels.

Each test answers a dict of plain values: `name`, `null` (the null hypothesis), `statistic`, `p_value`, `critical_values`
at 1, 5 and 10 %, `lags` and `lag_choice`, `nobs` (observations of the test's own regression), `trend` and `note`; or
`name`, `null` and `refused`, the reason.
"""

import warnings
from typing import Any, NamedTuple

import numpy as np

from services.analytics.regression import Floats, Line, fit_line
from services.analytics.spread import CONSTANT

MIN_ROWS = 50
"""Fewer rows leave the lag search nothing to choose from and the critical values no meaning."""
COLLINEAR_R2 = 1 - 100 * float(np.sqrt(np.finfo(np.float64).eps))
"""The R² from which on statsmodels itself answers -inf, as if the legs were cointegrated beyond doubt."""

_ADF_NULL = "the spread has a unit root: it does not revert to a mean"
_EG_NULL = "the legs are not cointegrated: no spread of them reverts to a mean"
_ADF_NOTE = (
    "The hedge ratio comes from the same bars, for which these p-values are too small: independent random walks are "
    "rejected in 15 % of cases at a nominal 5 %. Engle-Granger takes that into account."
)


class Verdict(NamedTuple):
    """What the tests of one window say together."""

    text: str
    line: Line | None
    """Y on X over the window."""
    tests: list[dict[str, Any]]


def cointegration_tests(y: Floats, x: Floats, intercept: bool = True, names: tuple[str, str] = ("Y", "X")) -> Verdict:
    """ADF of the least-squares spread, and Engle-Granger in both directions, of rows of equal length, oldest first.

    The verdict is on both directions: ``p = min(1, 2 min(p1, p2))``, because taking the better of two tests unadjusted
    rejects 9 % at 5 %.

    >>> rng = np.random.default_rng(5)
    >>> x = np.cumsum(rng.normal(size=500))
    >>> cointegration_tests(2 * x + rng.normal(size=500), x).text
    'cointegrated at the 5 % level (Engle-Granger, both directions: p < 0.0001)'
    >>> cointegration_tests(x[:20], x[20:40]).text
    'no test: 20 bars that both legs have, 50 needed'
    """
    reason = _reason_to_refuse(y, x)
    line = fit_line(y, x, intercept) if len(y) else None
    directions = (("Y", "X"), ("X", "Y"))
    titles = [f"Engle-Granger, {names[a == 'X']} on {names[b == 'X']}" for a, b in directions]
    if reason or line is None:
        refused = [{"name": "ADF of the spread", "null": _ADF_NULL, "refused": reason}]
        refused += [{"name": title, "null": _EG_NULL, "refused": reason} for title in titles]
        return Verdict(f"no test: {reason}", line, refused)
    tests = [_adf_of_spread(line.residuals(y, x), abs(y[-1]) + abs(line.slope * x[-1]))]
    tests += [_engle_granger(titles[0], y, x), _engle_granger(titles[1], x, y)]
    refusals = [test["refused"] for test in tests[1:] if "refused" in test]
    if refusals:
        return Verdict(f"no verdict: {refusals[0]}", line, tests)
    p = min(1.0, 2.0 * min(test["p_value"] for test in tests[1:]))
    shown = "p < 0.0001" if p < 0.0001 else f"p = {p:.4f}"
    finding = "cointegrated at the 5 % level" if p < 0.05 else "no cointegration found at the 5 % level"
    return Verdict(f"{finding} (Engle-Granger, both directions: {shown})", line, tests)


def _reason_to_refuse(y: Floats, x: Floats) -> str:
    if len(y) < MIN_ROWS:
        return f"{len(y)} bars that both legs have, {MIN_ROWS} needed"
    for name, values in (("Y", y), ("X", x)):
        if values.min() == values.max():
            return f"the price of {name} does not change in the window; choose a longer one"
    centred = fit_line(y, x)
    if centred is None or centred.r_squared is None or centred.r_squared >= COLLINEAR_R2:
        return "the legs move as one (R² is 1 but for rounding): there is no spread to test"
    return ""


def _adf_of_spread(spread: Floats, scale: float) -> dict[str, Any]:
    from statsmodels.tsa.stattools import adfuller

    head = {"name": "ADF of the spread", "null": _ADF_NULL}
    if float(np.std(spread)) < CONSTANT * scale:
        return {**head, "refused": "the spread does not change"}
    result = adfuller(spread, regression="c", autolag="AIC", result_object=False)
    statistic, p_value, lags, nobs, critical = result[:5]
    if not np.isfinite(statistic):
        return {**head, "refused": "the spread is an exact function of its own past"}
    return {
        **head,
        "statistic": float(statistic),
        "p_value": float(p_value),
        "critical_values": {level: float(value) for level, value in critical.items()},
        "lags": int(lags),
        "lag_choice": "AIC",
        "nobs": int(nobs),
        "trend": "c",
        "note": _ADF_NOTE,
    }


def _engle_granger(name: str, y: Floats, x: Floats) -> dict[str, Any]:
    from statsmodels.tools.sm_exceptions import CollinearityWarning
    from statsmodels.tsa.stattools import adfuller, coint

    head = {"name": name, "null": _EG_NULL}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CollinearityWarning)
        result = coint(y, x, trend="c", autolag="aic")
    statistic, p_value, critical = float(result[0]), float(result[1]), result[2]
    line = fit_line(y, x)
    if line is None or not np.isfinite(statistic):
        return {**head, "refused": "the legs move as one (R² is 1 but for rounding): there is no spread to test"}
    # `coint` keeps to itself how many lags it chose; its second step is this very call.
    _, _, lags, nobs, *_ = adfuller(line.residuals(y, x), regression="n", autolag="AIC", result_object=False)
    return {
        **head,
        "statistic": statistic,
        "p_value": p_value,
        "critical_values": {level: float(value) for level, value in zip(("1%", "5%", "10%"), critical, strict=True)},
        "lags": int(lags),
        "lag_choice": "AIC",
        "nobs": int(nobs),
        "trend": "c",
        "note": "MacKinnon's (2010) surface for two variables.",
    }
