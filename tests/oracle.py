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


def _regress(target: np.ndarray, regressors: np.ndarray) -> Any:
    return sm.OLS(target, regressors).fit()


def _with_constant(values: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(values)), values])


def _half_life(spread: np.ndarray) -> float | None:
    """`spread` on a complete grid, nan where a row is missing: only changes between neighbours count."""
    change, before = np.diff(spread), spread[:-1]
    kept = ~np.isnan(change)
    slope = _regress(change[kept], _with_constant(before[kept])).params[1]
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
    level = (np.log(close) if price == "log" else close)[["y", "x"]].to_numpy()
    returns = np.log(close).diff()
    shift = 1 if fit == "lagged" else 0
    has_bar, has_trades = present.to_numpy(), traded.to_numpy()

    def coverage_over(end: int, bars: int) -> tuple[float, str]:
        part = slice(end - bars + 1, end + 1)
        share = float(has_trades[part].mean(axis=0).min())
        return share, "low_coverage" if has_bar[end - bars + 1].all() else "warming_up"

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
        sample = level[end - window + 1 : end + 1]
        sample = sample[~np.isnan(sample).any(axis=1)]
        if (np.ptp(sample, axis=0) == 0).any():
            row["status"] = "constant_leg"
            continue
        # With a constant in the model the origin is free. At prices of 64,000 that move by 1 the pseudo-inverse of
        # statsmodels loses six digits of R² unless it is moved into the data.
        origin = sample[0] if intercept else np.zeros(2)
        y, x = (sample - origin).T
        model = _regress(y, _with_constant(x) if intercept else x)
        constant, slope = (model.params[0], model.params[1]) if intercept else (0.0, model.params[0])
        row["hedge_ratio"] = float(slope)
        row["intercept"] = float(constant + origin[0] - slope * origin[1]) if intercept else None
        row["r_squared"] = float(model.rsquared)

        def spread(first: int, last: int, constant: float = constant, slope: float = slope, origin: Any = origin) -> np.ndarray:
            moved = level[first : last + 1] - origin
            return moved[:, 0] - constant - slope * moved[:, 1]

        row["spread"] = float(spread(t, t)[0])
        changes = returns.iloc[t - window + 1 : t + 1].dropna()
        if len(changes) > 1 and (changes.std() > 1e-12).all():
            row["correlation"] = float(changes["y"].corr(changes["x"]))
        z_share, z_lack = coverage_over(end, z_window)
        if z_window > window and z_share < min_coverage:
            row["status"], row["half_life_bars"] = z_lack, _half_life(spread(end - window + 1, t))
            continue
        scored = pd.Series(spread(end - z_window + 1, end))
        row["spread_mean"], row["spread_std"] = float(scored.mean()), float(scored.std(ddof=1))
        scale = abs(level[t, 0]) + abs(slope * level[t, 1]) + (1 if price == "log" else 0)
        if row["spread_std"] < 1e-12 * scale:
            row["status"] = "constant_spread"
            continue
        row["zscore"] = (row["spread"] - row["spread_mean"]) / row["spread_std"]
        row["half_life_bars"] = _half_life(spread(end - window + 1, t))
        row["status"] = "ok"
    return rows
