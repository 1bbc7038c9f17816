"""The alert log's rows."""

from typing import Any

from shared.messages import Alert


def alert_rows(alerts: list[tuple[str, Alert]]) -> list[dict[str, Any]]:
    """One row an alert, in the order given, with every number behind it."""
    return [{"id": entry_id, **alert._asdict()} for entry_id, alert in alerts]
