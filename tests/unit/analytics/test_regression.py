"""Regression, correlation, z-score and half-life against NIST's certified figures, statsmodels, scipy and pandas."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.regression.rolling import RollingOLS

from services.analytics.correlation import correlation
from services.analytics.half_life import half_life
from services.analytics.regression import fit_line
from services.analytics.spread import locate

# NIST Statistical Reference Datasets, Norris: y, x.
NORRIS = np.array([
    (0.1, 0.2), (338.8, 337.4), (118.1, 118.2), (888.0, 884.6), (9.2, 10.1), (228.1, 226.5), (668.5, 666.3), (998.5, 996.3),
    (449.1, 448.6), (778.9, 777.0), (559.2, 558.2), (0.3, 0.4), (0.1, 0.6), (778.1, 775.5), (668.8, 666.9), (339.3, 338.0),
    (448.9, 447.5), (10.8, 11.6), (557.7, 556.0), (228.3, 228.1), (998.0, 995.8), (888.8, 887.6), (119.6, 120.2), (0.3, 0.3),
    (0.6, 0.3), (557.6, 556.8), (339.3, 339.1), (888.0, 887.2), (998.5, 999.0), (778.9, 779.0), (10.2, 11.1), (117.6, 118.3),
    (228.9, 229.2), (668.4, 669.1), (449.2, 448.9), (0.2, 0.5),
])  # fmt: skip


def test_norris() -> None:
    line = fit_line(NORRIS[:, 0], NORRIS[:, 1])

    assert line is not None
    assert line.intercept == pytest.approx(-0.262323073774029, rel=1e-11)
    assert line.slope == pytest.approx(1.00211681802045, rel=1e-13)
    assert line.r_squared == pytest.approx(0.999993745883712, rel=1e-13)
    residuals = line.residuals(NORRIS[:, 0], NORRIS[:, 1])
    assert np.sqrt(np.sum(residuals**2) / 34) == pytest.approx(0.884796396144373, rel=1e-11)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("scale", [1e-8, 1.0, 64_000.0])
def test_a_line_is_statsmodels_ols(intercept: bool, scale: float) -> None:
    rng = np.random.default_rng(3)
    x = scale * (1 + 0.001 * np.cumsum(rng.normal(size=300)))
    y = 0.05 * x + scale * 1e-4 * rng.normal(size=300)
    expected = sm.OLS(y, sm.add_constant(x) if intercept else x).fit()

    line = fit_line(y, x, intercept)

    assert line is not None
    assert line.slope == pytest.approx(expected.params[-1], rel=1e-8)
    assert line.r_squared == pytest.approx(expected.rsquared, rel=1e-8)
    if intercept:
        assert line.intercept == pytest.approx(expected.params[0], rel=1e-6, abs=1e-8 * scale)
    else:
        assert line.intercept is None
    np.testing.assert_allclose(line.residuals(y, x), expected.resid, atol=1e-10 * scale)


def test_a_moving_line_is_rolling_ols_at_every_bar() -> None:
    rng = np.random.default_rng(4)
    x = np.log(64_000) + 1e-4 * np.cumsum(rng.normal(size=500))
    y = 0.8 * x + 1e-4 * rng.normal(size=500)
    rolling = RollingOLS(y, sm.add_constant(x), window=60).fit().params

    for end in range(60, 501):
        line = fit_line(y[end - 60 : end], x[end - 60 : end])
        assert line is not None
        # RollingOLS updates uncentred moments, which costs it digits at these prices.
        assert line.slope == pytest.approx(rolling[end - 1, 1], abs=1e-4)
        exact = stats.linregress(x[end - 60 : end], y[end - 60 : end])
        assert line.slope == pytest.approx(exact.slope, abs=1e-8)
        assert line.intercept == pytest.approx(exact.intercept, abs=1e-7)


def test_lines_that_are_not_there() -> None:
    assert fit_line(np.array([1.0, 2.0]), np.array([5.0, 5.0])) is None
    assert fit_line(np.array([1.0]), np.array([5.0])) is None
    assert fit_line(np.array([]), np.array([])) is None
    flat = fit_line(np.array([2.0, 2.0, 2.0]), np.array([1.0, 2.0, 3.0]))
    assert flat is not None
    assert flat.slope == 0
    assert flat.r_squared is None


def test_correlation_is_pearsons() -> None:
    rng = np.random.default_rng(5)
    for rows in (2, 3, 10, 300):
        a = 1e-5 * rng.normal(size=rows)
        b = a + 1e-5 * rng.normal(size=rows)
        assert correlation(a, b) == pytest.approx(stats.pearsonr(a, b).statistic, abs=1e-12)
        assert correlation(a, b) == pytest.approx(pd.Series(a).corr(pd.Series(b)), abs=1e-12)


def test_a_constant_series_has_no_correlation() -> None:
    returns = np.diff(np.log(100.0 * 1.01 ** np.arange(50)))  # constant growth, but for rounding
    assert returns.std() > 0
    assert correlation(returns, np.random.default_rng(6).normal(size=49)) is None
    assert correlation(np.array([0.1]), np.array([0.2])) is None


def test_a_zscore_is_pandas_rolling() -> None:
    spread = pd.Series(1e-4 * np.random.default_rng(7).normal(size=200))
    mean, std = spread.rolling(50).mean(), spread.rolling(50).std()
    for end in range(50, 200):
        found = locate(spread[end], spread.to_numpy()[end - 50 : end], 1.0)
        assert found is not None
        assert found.mean == pytest.approx(mean[end - 1], abs=1e-15)
        assert found.std == pytest.approx(std[end - 1], rel=1e-9)
        assert found.zscore == pytest.approx((spread[end] - mean[end - 1]) / std[end - 1], abs=1e-8)


def test_a_constant_spread_has_no_zscore() -> None:
    rounding = 1e-15 * np.random.default_rng(8).normal(size=50)
    found = locate(0.0, rounding, scale=11.0)
    assert found is not None
    assert found.zscore is None
    assert locate(0.0, rounding[:1], scale=11.0) is None


def test_half_life_is_the_regression_of_the_change_on_the_level() -> None:
    rng = np.random.default_rng(9)
    levels = np.zeros(2000)
    for i in range(1, 2000):
        levels[i] = 0.9 * levels[i - 1] + rng.normal()
    fit = sm.OLS(np.diff(levels), sm.add_constant(levels[:-1])).fit()

    found = half_life(levels[:-1], np.diff(levels))

    assert found == pytest.approx(-np.log(2) / np.log(1 + fit.params[1]), rel=1e-10)
    assert found == pytest.approx(np.log(0.5) / np.log(0.9), rel=0.2)  # that of the process


def test_no_half_life_without_reversion() -> None:
    growing = 1.1 ** np.arange(20)
    assert half_life(growing[:-1], np.diff(growing)) is None
    overshooting = (-1.5) ** np.arange(20)
    assert half_life(overshooting[:-1], np.diff(overshooting)) is None
    assert half_life(np.ones(5), np.zeros(5)) is None
