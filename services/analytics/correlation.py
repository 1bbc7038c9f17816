"""Pearson's correlation coefficient."""

from math import sqrt

import numpy as np

from services.analytics.regression import Floats

_CONSTANT = 1e-12


def correlation(a: Floats, b: Floats, scale: float = 1.0) -> float | None:
    """Pearson's r of two samples of equal length, in [-1, 1]; ``None`` with fewer than two rows or where one is constant.

    `scale` is the size of the numbers that the samples are differences of (1 for log returns): a sample whose deviation is
    below 1e-12 of it is constant.

    >>> correlation(np.array([1.0, 2.0, 3.0]), np.array([-2.0, -4.0, -6.0]))
    -1.0
    >>> correlation(np.array([1.0, 1.0, 1.0]), np.array([1.0, 2.0, 3.0])) is None
    True
    """
    rows = len(a)
    if rows < 2:
        return None
    a = a - float(np.add.reduce(a)) / rows
    b = b - float(np.add.reduce(b)) / rows
    aa = float(np.add.reduce(a * a))
    bb = float(np.add.reduce(b * b))
    if min(aa, bb) <= (_CONSTANT * scale) ** 2 * (rows - 1):
        return None
    r = float(np.add.reduce(a * b)) / sqrt(aa * bb)
    return max(-1.0, min(1.0, r))
