"""The synthetic market against its own declared truth, judged by statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.tsa.stattools import adfuller, coint

from services.ingestor.market import LEADER_VOLATILITY, QUIET_RATE, Market, universe

START = 1_700_000_000
HOURS = 2


@pytest.fixture(scope="module")
def market() -> Market:
    return Market(universe(["BTCUSDT", "ETHUSDT"], 20), 200, seed=7)


@pytest.fixture(scope="module")
def paths(market: Market) -> np.ndarray:
    """Log prices of two hours, shape (seconds, symbols)."""
    return np.array([market.log_prices(START + i) for i in range(HOURS * 3600)])


def test_names() -> None:
    assert universe(["BTCUSDT", "ETHUSDT"], 4) == ["BTCUSDT", "ETHUSDT", "SIM003USDT", "SIM004USDT"]
    assert universe(["*"], 2) == ["SIM001USDT", "SIM002USDT"]
    assert universe(["A", "B", "C"], 2) == ["A", "B", "C"]
    assert len(set(universe(["SIM003USDT"], 500))) == 500


def test_members_have_the_declared_hedge_ratio_and_half_life(market: Market, paths: np.ndarray) -> None:
    for group in market.groups:
        x = paths[:, market.symbols.index(group.symbols[0])]
        for symbol, hedge_ratio, half_life_s in zip(
            group.symbols[1:], group.hedge_ratios[1:], group.half_lives_s[1:], strict=True
        ):
            y = paths[:, market.symbols.index(symbol)]
            residual = y - hedge_ratio * x
            fit = sm.OLS(residual[1:], sm.add_constant(residual[:-1])).fit()
            decay, error = fit.params[1], fit.bse[1]
            assert abs(decay - 0.5 ** (1 / half_life_s)) < 4 * error
            assert adfuller(residual, maxlag=0, autolag=None, result_object=False)[1] < 0.001
            assert coint(y, x, maxlag=0, autolag=None)[1] < 0.05
            slope = sm.OLS(y, sm.add_constant(x)).fit().params[1]
            assert abs(slope - hedge_ratio) < 0.05


def test_leaders_and_loners_are_random_walks(market: Market, paths: np.ndarray) -> None:
    p_values = []
    for group in market.groups:
        walk = paths[:, market.symbols.index(group.symbols[0])]
        returns = np.diff(walk)
        assert abs(returns.std() / LEADER_VOLATILITY - 1) < 0.05
        correlation = np.corrcoef(returns[1:], returns[:-1])[0, 1]
        assert abs(correlation) < 4 / np.sqrt(len(returns))
        p_values.append(adfuller(walk, maxlag=0, autolag=None, result_object=False)[1])
    assert np.median(p_values) > 0.1


def test_some_symbols_jump(paths: np.ndarray) -> None:
    moves = np.abs(np.diff(paths, axis=0)) / np.diff(paths, axis=0).std(axis=0)
    assert (moves > 7).any(axis=0).sum() >= 3


def test_the_same_seed_and_second_are_the_same_trades_however_one_gets_there(market: Market) -> None:
    other = Market(market.symbols, 200, seed=7)
    for second in (START + 5000, START, START + 1024, START + 1):
        for one, two in zip(market.trades(second), other.trades(second), strict=True):
            assert np.array_equal(one, two)
    different = Market(market.symbols, 200, seed=8).trades(START)
    assert not np.array_equal(different.price[:10], market.trades(START).price[:10])


def test_prices_do_not_jump_where_blocks_of_seconds_meet(market: Market, paths: np.ndarray) -> None:
    borders = [i for i in range(1, len(paths)) if (START + i) % 1024 == 0]
    assert len(borders) >= 6
    moves = np.abs(np.diff(paths, axis=0))
    typical = moves.std(axis=0)
    assert np.median([moves[i - 1] / typical for i in borders]) < 1.5
    assert max((moves[i - 1] / typical).max() for i in borders) < 8


def test_rates(market: Market) -> None:
    seconds = 300
    found = [market.trades(START + i) for i in range(seconds)]
    counts = np.bincount(np.concatenate([t.symbol for t in found]), minlength=20)
    assert abs(counts.sum() / seconds - 200) < 5
    for i, quiet in enumerate(market.quiet):
        if quiet:
            assert counts[i] < 5 * QUIET_RATE * seconds
    assert any(market.quiet)
    for trades in found:
        assert (np.diff(trades.time_ms) >= 0).all()
        assert (trades.price > 0).all()
        assert (trades.size > 0).all()


@pytest.mark.parametrize("count", [2, 3, 7, 8, 100, 500])
def test_every_symbol_is_in_one_group_and_the_configured_two_are_together(count: int) -> None:
    market = Market(universe(["BTCUSDT", "ETHUSDT"], count), 1000, seed=1)
    members = [symbol for group in market.groups for symbol in group.symbols]
    assert sorted(members) == sorted(market.symbols)
    assert len(members) == count
    assert {"BTCUSDT", "ETHUSDT"} <= set(market.groups[0].symbols)
