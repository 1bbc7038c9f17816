"""The state of the feed: what it is, and how old the newest arrival was when this was sent. The page's clock goes on."""

from typing import Any

from services.ui.state import FeedState, Quote
from services.ui.views.view import View

_LABELS = {"binance": "LIVE", "replay": "REPLAY", "simulator": "SIMULATED", "none": "PUSHED"}


def status(feed: FeedState, view: View | None, now_s: float) -> dict[str, Any]:
    """Ages are in milliseconds; ``None`` if nothing has arrived yet. `now_s` is the monotonic clock.

    ``live`` is whether the data's time is the wall clock's; ``data_ms`` the time of the newest trade of the shown legs;
    ``silent`` the leg that has been silent for longest; ``unfollowed`` the shown symbols that the source does not follow.
    """
    payload: dict[str, Any] = {
        "label": _LABELS.get(feed.source, feed.source.upper()) if feed.source else feed.namespace.upper() or None,
        "live": feed.source == "binance",
        "reason": feed.reason,
        "namespace": feed.namespace,
        "age_ms": None,
        "data_ms": None,
        "silent": None,
        "unfollowed": [],
        "away": {"since_ms": feed.away.since_ms, "reason": feed.away.reason} if feed.away else None,
    }
    if view is not None:
        quotes = {symbol: feed.quotes.get(symbol, Quote()) for symbol in view.pair}
        arrivals = {symbol: quote.arrived_s for symbol, quote in quotes.items()}
        payload["silent"] = min(arrivals, key=lambda symbol: arrivals[symbol] or 0.0)
        seen = [at for at in arrivals.values() if at is not None]
        if len(seen) == len(arrivals):
            payload["age_ms"] = round((now_s - min(seen)) * 1000)
        payload["data_ms"] = max((quote.time_ms for quote in quotes.values() if quote.time_ms is not None), default=None)
        if feed.symbols:
            payload["unfollowed"] = [symbol for symbol in view.pair if symbol not in feed.symbols]
    return payload
