"""Every published row against the oracle of statsmodels and pandas: real bars, all parameters, holes and quiet bars."""

import csv
import itertools
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.messages import Bar, PairStats
from tests.builders import START_MS, bar
from tests.oracle import STATISTICS, expected_pair_rows
from tests.unit.analytics.streams import Desk, row

DATA = Path(__file__).parents[2] / "data"
WINDOW = 60


def compare(published: list[PairStats], expected: list[dict[str, Any]]) -> None:
    """Within 1e-8: absolutely for log prices, relatively to the size of the number for raw ones."""
    assert [stats.open_time_ms for stats in published] == [want["open_time_ms"] for want in expected]
    for stats, want in zip(published, expected, strict=True):
        assert (stats.status, pytest.approx(want["coverage"], abs=1e-12)) == (want["status"], stats.coverage), stats
        for name in STATISTICS:
            found = getattr(stats, name)
            if want[name] is None or found is None:
                assert found is want[name], (name, stats, want)
            else:
                assert found == pytest.approx(want[name], abs=1e-8, rel=1e-8), (name, stats, want)


def real_bars(interval: str) -> list[Bar]:
    names = {"ETHUSDT": "Y", "BTCUSDT": "X"}
    with (DATA / f"usdm_btc_eth_trades_20240718-19.bars_{interval}.csv").open() as lines:
        return [
            bar(names[line["symbol"]], int(line["open_time_ms"]), line["close"], interval=interval)
            for line in csv.DictReader(lines)
        ]


def walk(count: int, seed: int = 1) -> tuple[list[str], list[str]]:
    """Closes of a cointegrated pair."""
    rng = np.random.default_rng(seed)
    x = 64_000 + np.cumsum(rng.normal(0, 5, count))
    y = 3_400 + 0.05 * (x - 64_000) + rng.normal(0, 0.4, count)
    return [f"{price:.2f}" for price in y], [f"{price:.1f}" for price in x]


def publish(desk: Desk, y: dict[int, tuple[str, str]], x: dict[int, tuple[str, str]]) -> None:
    """Bars given as second → (close, status)."""
    for symbol, leg in (("Y", y), ("X", x)):
        desk.append(bar(symbol, START_MS + at * 1000, close, status=status) for at, (close, status) in sorted(leg.items()))  # type: ignore[arg-type]


@pytest.mark.parametrize("fit,price,intercept", [*itertools.product(["lagged", "inclusive"], ["log", "raw"], [True, False])])
def test_real_seconds(fit: str, price: str, intercept: bool) -> None:
    desk = Desk({"1s": WINDOW}, {"Y~X": row(fit=fit, price=price, intercept=intercept)})
    desk.append(real_bars("1s"))
    desk.run()

    compare(desk.published(), expected_pair_rows(*desk.expected_inputs(), WINDOW, fit=fit, price=price, intercept=intercept))
    assert sum(stats.status == "ok" for stats in desk.published()) > 390


@pytest.mark.parametrize("z_window", [20, 150])
@pytest.mark.parametrize("fit", ["lagged", "inclusive"])
def test_a_zscore_window_of_its_own(fit: str, z_window: int) -> None:
    desk = Desk({"1s": 300}, {"Y~X@v": row(fit=fit, window=WINDOW, z_window=z_window)})
    desk.append(real_bars("1s"))
    desk.run()

    compare(desk.published("Y~X@v"), expected_pair_rows(*desk.expected_inputs(), WINDOW, z_window, fit=fit))
    assert {stats.window_bars for stats in desk.published("Y~X@v")} == {WINDOW}


def test_the_configured_window_of_each_interval() -> None:
    desk = Desk({"1s": 300, "1m": 10}, {"Y~X": row()})
    desk.append(real_bars("1s") + real_bars("1m"))
    desk.run()

    for interval, window in (("1s", 300), ("1m", 10)):
        compare(desk.published("Y~X", interval), expected_pair_rows(*desk.expected_inputs(interval), window))
        assert {stats.window_bars for stats in desk.published("Y~X", interval)} == {window}
    assert desk.published("Y~X", "1m")[-1].coverage == pytest.approx(0.8)
    assert desk.published("Y~X", "1m")[-2].status == "warming_up"


@pytest.mark.parametrize("fit", ["lagged", "inclusive"])
def test_holes_quiet_bars_and_gaps(fit: str) -> None:
    y_closes, x_closes = walk(400)
    rng = np.random.default_rng(2)
    y, x = ({at: (close, "complete") for at, close in enumerate(closes)} for closes in (y_closes, x_closes))
    for leg, share in ((y, 0.12), (x, 0.05)):
        for at in rng.choice(np.arange(1, 400), int(400 * share), replace=False):
            if rng.random() < 0.5:
                del leg[int(at)]
            else:
                leg[int(at)] = (leg[int(at)][0], str(rng.choice(["quiet", "gap"])))
    for at in range(300, 330):
        y[at] = (y_closes[at], "quiet")
    for at in range(200, 260):  # X is away for a minute
        x.pop(at, None)
    desk = Desk({"1s": WINDOW}, {"Y~X": row(fit=fit)})
    publish(desk, y, x)
    desk.run()

    expected = expected_pair_rows(*desk.expected_inputs(), WINDOW, fit=fit)
    compare(desk.published(), expected)
    assert {"ok", "warming_up", "low_coverage"} == {want["status"] for want in expected}


def test_after_a_silence_of_hours_the_window_warms_up_again() -> None:
    y_closes, x_closes = walk(300)
    at = [*range(150), *range(20_000, 20_150)]
    desk = Desk({"1s": WINDOW}, {"Y~X": row()})
    publish(desk, *({second: (c, "complete") for second, c in zip(at, closes, strict=True)} for closes in (y_closes, x_closes)))
    desk.run()

    assert len(desk.published()) == 300
    compare(desk.published(), expected_pair_rows(*desk.expected_inputs(), WINDOW))
    resumed = desk.published()[150]
    assert (resumed.status, resumed.coverage, resumed.zscore) == ("warming_up", 0.0, None)


@pytest.mark.parametrize("still", ["Y", "X"])
def test_a_leg_that_does_not_move(still: str) -> None:
    y_closes, x_closes = walk(200)
    (y_closes if still == "Y" else x_closes)[40:150] = ["100.0"] * 110
    desk = Desk({"1s": WINDOW}, {"Y~X": row()})
    publish(desk, *({at: (c, "complete") for at, c in enumerate(closes)} for closes in (y_closes, x_closes)))
    desk.run()

    compare(desk.published(), expected_pair_rows(*desk.expected_inputs(), WINDOW))
    constant = [stats for stats in desk.published() if stats.status == "constant_leg"]
    assert [stats.open_time_ms // 1000 - START_MS // 1000 for stats in constant] == list(range(100, 151))
    assert all(stats.zscore is None and stats.hedge_ratio is None and stats.y == Decimal(stats.y) for stats in constant)


def test_legs_that_move_as_one_have_no_zscore() -> None:
    _, x_closes = walk(100)
    doubled = [str(2 * Decimal(close)) for close in x_closes]
    desk = Desk({"1s": WINDOW}, {"Y~X": row(price="raw", intercept=False), "Y~X@log": row()})
    publish(desk, *({at: (c, "complete") for at, c in enumerate(closes)} for closes in (doubled, x_closes)))
    desk.run()

    for name in ("Y~X", "Y~X@log"):
        last = desk.published(name)[-1]
        assert (last.status, last.zscore, last.half_life_bars) == ("constant_spread", None, None)
    assert desk.published()[-1].hedge_ratio == pytest.approx(2)
    assert desk.published("Y~X@log")[-1].hedge_ratio == pytest.approx(1)
    assert desk.published()[-1].correlation == pytest.approx(1)


def test_an_inclusive_zscore_is_capped() -> None:
    y_closes, x_closes = walk(WINDOW + 1)
    y_closes[-1] = "9999.00"
    desk = Desk({"1s": WINDOW}, {"Y~X": row(fit="inclusive", price="raw"), "Y~X@lagged": row(price="raw")})
    publish(desk, *({at: (c, "complete") for at, c in enumerate(closes)} for closes in (y_closes, x_closes)))
    desk.run()

    cap = (WINDOW - 1) / np.sqrt(WINDOW)
    assert abs(desk.published()[-1].zscore or 0) <= cap
    assert abs(desk.published("Y~X@lagged")[-1].zscore or 0) > cap
