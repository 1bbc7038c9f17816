"""The tests on demand against statsmodels called directly, and when they refuse."""

import json

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.tsa.stattools import adfuller, coint

from services.analytics.cointegration import MIN_ROWS, cointegration_tests
from services.analytics.report import cointegration_report
from shared.codec import decode, encode
from shared.errors import BadInput
from shared.symbols import Pair
from shared.topics import TESTS
from tests.builders import START_MS, bar
from tests.unit.analytics.test_pair_rows import walk


def walks(seed: int, count: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return 100 + np.cumsum(rng.normal(size=count)), 100 + np.cumsum(rng.normal(size=count))


@pytest.mark.parametrize("cointegrated", [True, False])
def test_every_figure_is_statsmodels(cointegrated: bool) -> None:
    y, x = walks(11)
    if cointegrated:
        y = 5 + 0.7 * x + 0.3 * np.random.default_rng(1).normal(size=len(x))

    found = cointegration_tests(y, x, names=("ETH", "BTC"))

    adf, y_on_x, x_on_y = found.tests
    fit = sm.OLS(y, sm.add_constant(x)).fit()
    expected = adfuller(fit.resid, result_object=False)
    assert adf["statistic"] == pytest.approx(expected[0], abs=1e-8)
    assert adf["p_value"] == pytest.approx(expected[1], abs=1e-8)
    assert (adf["lags"], adf["nobs"], adf["trend"], adf["lag_choice"]) == (expected[2], expected[3], "c", "AIC")
    assert adf["critical_values"] == pytest.approx(expected[4])
    for test, legs in ((y_on_x, (y, x)), (x_on_y, (x, y))):
        statistic, p_value, critical = coint(*legs)
        assert test["statistic"] == pytest.approx(statistic, abs=1e-8)
        assert test["p_value"] == pytest.approx(p_value, abs=1e-8)
        assert list(test["critical_values"].values()) == pytest.approx(list(critical))
        # the lags of its second step are those with which the same statistic comes out
        fit = sm.OLS(legs[0], sm.add_constant(legs[1])).fit()
        again = adfuller(fit.resid, maxlag=test["lags"], autolag=None, regression="n", result_object=False)
        assert again[0] == pytest.approx(statistic, abs=1e-6)
        assert test["nobs"] == again[3]
    assert y_on_x["name"] == "Engle-Granger, ETH on BTC"
    assert x_on_y["name"] == "Engle-Granger, BTC on ETH"
    assert all(test["null"] for test in found.tests)
    p = min(1.0, 2 * min(coint(y, x)[1], coint(x, y)[1]))
    assert (p < 0.05) is cointegrated
    assert found.text.startswith("cointegrated at the 5 %" if cointegrated else "no cointegration found")
    assert f"{p:.4f}" in found.text or p < 0.0001


def test_the_spread_of_the_seed_formula() -> None:
    y, x = walks(12)
    beta = sm.OLS(y, x).fit().params[0]
    expected = adfuller(y - beta * x, result_object=False)
    assert cointegration_tests(y, x, intercept=False).tests[0]["statistic"] == pytest.approx(expected[0], abs=1e-8)


@pytest.mark.parametrize(
    ("y", "x", "reason"),
    [
        (np.arange(1.0, 31), np.arange(30.0) ** 2, f"30 bars that both legs have, {MIN_ROWS} needed"),
        (np.array([]), np.array([]), f"0 bars that both legs have, {MIN_ROWS} needed"),
        (np.full(100, 7.0), walks(1)[0][:100], "the price of Y does not change"),
        (walks(1)[0][:100], np.full(100, 7.0), "the price of X does not change"),
        (3 + 2 * walks(1)[0], walks(1)[0], "the legs move as one"),
    ],
)
def test_it_refuses_with_a_reason(y: np.ndarray, x: np.ndarray, reason: str) -> None:
    found = cointegration_tests(y, x)
    assert found.text.startswith("no test: ")
    assert reason in found.text
    assert len(found.tests) == 3
    assert all(reason in test["refused"] and "statistic" not in test for test in found.tests)


def report(count: int, window: int, status: str = "complete", without: frozenset[int] = frozenset()):  # type: ignore[no-untyped-def]
    y, x = walk(count)
    legs = [
        [
            bar(symbol, START_MS + at * 1000, close, status=status if at % 3 == 0 else "complete")  # type: ignore[arg-type]
            for at, close in enumerate(closes)
            if symbol == "X" or at not in without
        ]
        for symbol, closes in (("Y", y), ("X", x))
    ]
    return cointegration_report(Pair("Y", "X"), "1s", *legs, window, "log", True, 0.8, "request-1"), y, x


def test_a_report_says_what_it_was_made_of() -> None:
    found, y, x = report(500, 300)

    assert found.bar_ms == START_MS + 499_000
    assert found.window_start_ms == START_MS + 200_000
    assert (found.window_bars, found.nobs, found.price, found.request_id) == (300, 300, "log", "request-1")
    legs = [np.log(np.array(closes[200:], float)) for closes in (y, x)]
    assert found.tests[1]["statistic"] == pytest.approx(coint(*legs)[0], abs=1e-6)
    fit = sm.OLS(legs[0], sm.add_constant(legs[1])).fit()
    assert found.hedge_ratio == pytest.approx(fit.params[1], abs=1e-8)
    assert found.intercept == pytest.approx(fit.params[0], abs=1e-6)
    channel = TESTS.channel(found)
    assert decode(channel, f"{found.bar_ms}-0", encode(found)).tests == found.tests


def test_a_report_of_fewer_bars_than_asked_for() -> None:
    found, _, _ = report(120, 3600)
    assert (found.window_bars, found.nobs, found.window_start_ms) == (120, 120, START_MS)
    short, _, _ = report(20, 3600)
    assert "20 bars that both legs have, 50 needed" in short.verdict


def test_a_report_counts_what_is_missing() -> None:
    found, _, _ = report(200, 3600, without=frozenset(range(50, 60)))
    assert (found.window_bars, found.nobs) == (200, 190)
    assert "10 of 200 bars are missing" in found.verdict


def test_a_report_begins_after_the_last_silence_of_the_source() -> None:
    """Trades until 00:01:40, none for more than 10 minutes, then 480 bars; a minute without them is no silence."""
    resumed = 100 + 601
    found, y, x = report(
        resumed + 480, 3600, without=frozenset(range(100, resumed)) | frozenset(range(resumed + 30, resumed + 90))
    )
    assert found.window_start_ms == START_MS + resumed * 1000
    assert (found.window_bars, found.nobs) == (480, 420)
    kept = [*range(resumed, resumed + 30), *range(resumed + 90, resumed + 480)]
    legs = [np.log(np.array(closes, float)[kept]) for closes in (y, x)]
    assert found.tests[1]["p_value"] == pytest.approx(coint(*legs)[1], abs=1e-8)
    assert found.verdict.endswith("; 480 bars since 00:11:41 UTC; before that the source was silent")

    short, _, _ = report(resumed + 480, 200, without=frozenset(range(100, resumed)))
    assert (short.window_bars, "silent" in short.verdict) == (200, False)
    whole, _, _ = report(resumed + 480, 3600, without=frozenset(range(100, resumed - 1)))
    assert whole.window_start_ms == START_MS, "exactly 10 minutes are no silence"


def test_a_report_reads_the_same_over_http_and_in_the_topic() -> None:
    found, _, _ = report(300, 300)
    fields = encode(found)
    for name in ("hedge_ratio", "intercept"):
        assert json.dumps(getattr(found, name)) == json.dumps(float(fields[name]))
    figures = [value for test in found.tests for value in test.values() if isinstance(value, float)]
    figures += [value for test in found.tests for value in test["critical_values"].values()]
    assert len(figures) == 15
    assert all(value == float(f"{value:.9e}") for value in (*figures, found.hedge_ratio, found.intercept))


def test_a_report_refuses_thin_bars() -> None:
    found, _, _ = report(200, 3600, status="quiet")
    assert "only 66% of the bars have trades" in found.verdict
    assert all("refused" in test for test in found.tests)


def test_legs_that_never_met() -> None:
    y, x = [bar("Y", START_MS, "1")], [bar("X", START_MS + 1000, "1")]
    with pytest.raises(BadInput, match="no 1s bar that both legs have"):
        cointegration_report(Pair("Y", "X"), "1s", y, x, 100, "log", True, 0.8)
