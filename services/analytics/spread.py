"""Location of a spread within its own recent values: mean, deviation and z-score."""

from math import sqrt
from typing import NamedTuple

import numpy as np

from services.analytics.regression import Floats

CONSTANT = 1e-12
"""A deviation below this share of the scale of what was subtracted is rounding, not movement."""

NO_MEAN = 1e-9
"""A mean below this share of the deviation is the rounding of a zero (residuals of a fit with intercept): given as 0, so
that the digits of noise are not published, which differ between machines."""


class Location(NamedTuple):
    """Where a value stands. Mean and deviation are in the units of the spread."""

    mean: float
    std: float
    """Sample standard deviation, ddof = 1."""
    zscore: float | None
    """``(value - mean) / std``; ``None`` for a constant spread."""


def locate(value: float, spread: Floats, scale: float) -> Location | None:
    """Where `value` stands among the values of `spread`; ``None`` with fewer than two of them.

    `scale` is the size of the prices that the spread is a difference of: a deviation below 1e-12 of it is none, and there
    is no z-score.

    >>> locate(4.0, np.array([1.0, 2.0, 3.0]), scale=1.0)
    Location(mean=2.0, std=1.0, zscore=2.0)
    >>> locate(4.0, np.array([2.0, 2.0, 2.0]), scale=1.0).zscore is None
    True
    """
    rows = len(spread)
    if rows < 2:
        return None
    mean = float(np.add.reduce(spread)) / rows
    deviation = spread - mean
    std = sqrt(float(np.add.reduce(deviation * deviation)) / (rows - 1))
    zscore = None if std < CONSTANT * scale else (value - mean) / std
    return Location(mean if abs(mean) > NO_MEAN * std else 0.0, std, zscore)
