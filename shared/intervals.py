"""Bar intervals: half-open, aligned to the Unix epoch, in integer milliseconds UTC."""

import re

from shared.errors import BadInput

_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PATTERN = re.compile(r"([1-9][0-9]{0,3})([smhd])", re.ASCII)


def interval_ms(interval: str) -> int:
    """The width of an interval such as ``1s``, ``5m``, ``1h`` or ``1d``, in milliseconds.

    >>> interval_ms("5m")
    300000

    Raises `BadInput` for anything else.
    """
    match = _PATTERN.fullmatch(interval)
    if match is None:
        raise BadInput(f"{interval!r} is no interval; write a count and s, m, h or d, such as 1s, 5m or 1h")
    return int(match[1]) * _UNITS_MS[match[2]]


def open_time_ms(time_ms: int, width_ms: int) -> int:
    """The open time of the interval of `width_ms` that holds `time_ms`.

    >>> open_time_ms(61_999, 60_000)
    60000
    """
    return time_ms - time_ms % width_ms
