"""Half-life of a mean-reverting series."""

from math import log, log1p

from services.analytics.regression import Floats, fit_line


def half_life(before: Floats, change: Floats) -> float | None:
    """Steps in which half of a deviation from the mean is gone, from the levels and the changes that followed each.

    ``change = c + g * before + e`` by least squares; the half-life is ``-ln 2 / ln(1 + g)``. ``None`` where the series does
    not revert (g >= 0), overshoots at every step (g <= -1), or is constant.

    >>> import numpy as np
    >>> levels = np.array([8.0, 4.0, 2.0, 1.0])
    >>> half_life(levels[:-1], np.diff(levels))
    1.0

    Source: the discretised Ornstein-Uhlenbeck process, E. Chan, *Algorithmic Trading* (2013), chapter 2; there with
    ``-ln 2 / g``, which is this for small g.
    """
    line = fit_line(change, before)
    if line is None or not -1.0 < line.slope < 0.0:
        return None
    return -log(2.0) / log1p(line.slope)
