"""The state of the feed: what it is, and how old the newest arrival was when this was sent. The page's clock goes on."""

from typing import Any

from services.ui.state import FeedState, Quote
from services.ui.views.view import View

_LABELS = {"binance": "LIVE", "replay": "REPLAY", "simulator": "SIMULATED", "none": "PUSHED"}


def status(feed: FeedState, view: View | None, now_s: float) -> dict[str, Any]:
    """Ages are in milliseconds; ``None`` if nothing has arrived yet. `now_s` is the monotonic clock."""
    payload: dict[str, Any] = {
        "label": _LABELS.get(feed.source, feed.source.upper()) if feed.source else feed.namespace.upper() or None,
        "reason": feed.reason,
        "namespace": feed.namespace,
        "age_ms": None,
        "silent": None,
        "away": {"since_ms": feed.away.since_ms, "reason": feed.away.reason} if feed.away else None,
    }
    if view is not None:
        arrivals = {symbol: feed.quotes.get(symbol, Quote()).arrived_s for symbol in view.pair}
        seen = [at for at in arrivals.values() if at is not None]
        if len(seen) == len(arrivals):
            payload["age_ms"] = round((now_s - min(seen)) * 1000)
            payload["silent"] = min(arrivals, key=lambda symbol: arrivals[symbol] or 0.0)
    return payload
