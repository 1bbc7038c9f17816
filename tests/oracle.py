"""What the rows of `pairs` must be, by statsmodels and pandas, written apart from the product's own code.

Slow and literal: every row is computed from its definition, with a model of statsmodels for every regression.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.api as sm

STATISTICS = (
    "hedge_ratio",
    "intercept",
    "r_squared",
    "spread",
    "spread_mean",
    "spread_std",
    "zscore",
    "correlation",
    "half_life_bars",
)


def _frame(bars: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    frame = pd.DataFrame(
        [(int(bar["open_time_ms"]), float(bar["close"]), bar["status"]) for bar in bars], columns=["ms", "close", "status"]
    )
    return frame.set_index("ms").sort_index()


def _regress(target: pd.Series, regressors: pd.DataFrame) -> Any:
    return sm.OLS(target.to_numpy(), regressors.to_numpy()).fit()


def _half_life(spread: pd.Series) -> float | None:
    """`spread` on a complete grid, nan where a row is missing: only changes between neighbours count."""
    pairs = pd.DataFrame({"change": spread.diff(), "before": spread.shift()}).dropna()
    fit = _regress(pairs["change"], sm.add_constant(pairs[["before"]], has_constant="add"))
    slope = fit.params[1]
    return float(-np.log(2) / np.log(1 + slope)) if -1 < slope < 0 else None


def expected_pair_rows(
    y_bars: Iterable[Mapping[str, Any]],
    x_bars: Iterable[Mapping[str, Any]],
    interval_ms: int,
    window: int,
    z_window: int | None = None,
    fit: str = "lagged",
    price: str = "log",
    intercept: bool = True,
    min_coverage: float = 0.8,
) -> list[dict[str, Any]]:
    """One dict for each bar time that both legs have, in order: `open_time_ms`, `coverage`, `status` and `STATISTICS`
    (``None`` for absent). Bars are mappings with `open_time_ms`, `close` and `status`."""
    z_window = z_window or window
    legs = {"y": _frame(y_bars), "x": _frame(x_bars)}
    times = legs["y"].index.intersection(legs["x"].index)
    if times.empty:
        return []
    first, last = min(leg.index[0] for leg in legs.values()), max(leg.index[-1] for leg in legs.values())
    grid = np.arange(first - (max(window, z_window) + 2) * interval_ms, last + interval_ms, interval_ms)
    close = pd.DataFrame({name: leg["close"].reindex(grid) for name, leg in legs.items()})
    # A leg's own reading of "has a bar" and "has trades", before rows of one leg only are blanked.
    present = close.notna()
    traded = pd.DataFrame(
        {
            name: leg["status"].reindex(grid).notna() & ~leg["status"].reindex(grid).isin(["quiet", "gap"])
            for name, leg in legs.items()
        }
    )
    close = close.where(present.all(axis=1))
    level = np.log(close) if price == "log" else close
    returns = np.log(close).diff()
    shift = 1 if fit == "lagged" else 0

    def coverage_over(end: int, bars: int) -> tuple[float, str]:
        part = slice(end - bars + 1, end + 1)
        share = float(traded.iloc[part].mean().min())
        return share, "low_coverage" if present.iloc[end - bars + 1].all() else "warming_up"

    rows = []
    for ms in times:
        t = int(np.searchsorted(grid, ms))
        end = t - shift
        row: dict[str, Any] = {"open_time_ms": int(ms), **dict.fromkeys(STATISTICS)}
        row["coverage"], lack = coverage_over(end, window)
        rows.append(row)
        if row["coverage"] < min_coverage:
            row["status"] = lack
            continue
        sample = level.iloc[end - window + 1 : end + 1].dropna()
        if sample["y"].nunique() == 1 or sample["x"].nunique() == 1:
            row["status"] = "constant_leg"
            continue
        design = sm.add_constant(sample[["x"]], has_constant="add") if intercept else sample[["x"]]
        model = _regress(sample["y"], design)
        constant, slope = (model.params[0], model.params[1]) if intercept else (0.0, model.params[0])
        row["hedge_ratio"] = float(slope)
        row["intercept"] = float(constant) if intercept else None
        row["r_squared"] = float(model.rsquared)
        spread = level["y"] - constant - slope * level["x"]
        row["spread"] = float(spread.iloc[t])
        changes = returns.iloc[t - window + 1 : t + 1].dropna()
        if len(changes) > 1 and (changes.std() > 1e-12).all():
            row["correlation"] = float(changes["y"].corr(changes["x"]))
        half_life = _half_life(spread.iloc[end - window + 1 : t + 1])
        z_share, z_lack = coverage_over(end, z_window)
        if z_window > window and z_share < min_coverage:
            row["status"], row["half_life_bars"] = z_lack, half_life
            continue
        scored = spread.iloc[end - z_window + 1 : end + 1]
        row["spread_mean"], row["spread_std"] = float(scored.mean()), float(scored.std(ddof=1))
        scale = abs(level["y"].iloc[t]) + abs(slope * level["x"].iloc[t]) + (1 if price == "log" else 0)
        if row["spread_std"] < 1e-12 * scale:
            row["status"] = "constant_spread"
            continue
        row["zscore"] = (row["spread"] - row["spread_mean"]) / row["spread_std"]
        row["half_life_bars"] = half_life
        row["status"] = "ok"
    return rows
