"""Ordinary least squares of one variable on another, in two passes: centred before summing.

Sums are numpy's pairwise ones, not BLAS's: they do not depend on threads, alignment or the build of a library, so that a
row computed again after a restart has the same bytes.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Line(NamedTuple):
    """``y = intercept + slope * x + e`` as estimated."""

    slope: float
    intercept: float | None
    """``None`` for a line through the origin."""
    r_squared: float | None
    """Share of the variation of y explained: about its mean, or about zero without intercept; ``None`` if y does not vary."""
    y_centre: float
    x_centre: float
    """The line goes through this point: the means, or the origin without intercept."""

    def residuals(self, y: Floats, x: Floats) -> Floats:
        """``y - intercept - slope * x``, computed about the centre, where fewer digits cancel."""
        return (y - self.y_centre) - self.slope * (x - self.x_centre)


def fit_line(y: Floats, x: Floats, intercept: bool = True) -> Line | None:
    """The least-squares line of y on x, of equal length; ``None`` where x gives no slope (fewer than two rows, constant).

    >>> fit_line(np.array([3.0, 5.0, 7.0]), np.array([1.0, 2.0, 3.0]))[:3]
    (2.0, 1.0, 1.0)
    >>> fit_line(np.array([2.0, 4.0]), np.array([1.0, 2.0]), intercept=False)[:3]
    (2.0, None, 1.0)

    R² without intercept is uncentred, as statsmodels and R have it.
    """
    rows = len(x)
    if rows < 2 or x.min() == x.max():
        return None
    y_centre = x_centre = 0.0
    if intercept:
        y_centre, x_centre = float(np.add.reduce(y)) / rows, float(np.add.reduce(x)) / rows
        y, x = y - y_centre, x - x_centre
    xx = float(np.add.reduce(x * x))
    xy = float(np.add.reduce(x * y))
    yy = float(np.add.reduce(y * y))
    slope = xy / xx
    r_squared = slope * xy / yy if yy > 0 else None
    return Line(slope, y_centre - slope * x_centre if intercept else None, r_squared, y_centre, x_centre)
