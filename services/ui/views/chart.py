"""The chart's data: columns of float64 as base64, only what the session lacks."""

import base64
from typing import Any

from services.ui.store import NOTHING_YET, Cursor, Store
from services.ui.views.view import View
from shared.topics import Channel

Cursors = dict[Channel, Cursor]


def chart(store: Store, view: View, cursors: Cursors) -> dict[str, Any]:
    """Role (y, x, stats) → what is new of that series; `cursors` moves on. Empty if nothing is new.

    ``{"reset": bool, "rows": n, "time": base64, …}`` with the columns of the series in little-endian float64.
    """
    payload = {}
    for role, channel in (("y", view.y), ("x", view.x), ("stats", view.stats)):
        series = store.series.get(channel) if channel else None
        if channel is None or series is None:
            continue
        delta = series.since(cursors.get(channel, NOTHING_YET))
        cursors[channel] = delta.cursor
        if not len(delta.rows) and not delta.reset:
            continue
        columns = {
            name: base64.b64encode(delta.rows[:, at].astype("<f8").tobytes()).decode() for at, name in enumerate(series.columns)
        }
        payload[role] = {"reset": delta.reset, "rows": len(delta.rows), **columns}
    return payload
