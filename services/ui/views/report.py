"""The report of the cointegration and stationarity tests."""

from typing import Any

from shared.messages import CointegrationReport


def report(found: CointegrationReport | None) -> dict[str, Any] | None:
    """The newest report of the shown pair and interval, all fields."""
    return None if found is None else found._asdict()
