"""The figures of a pair: the line of key figures and the table of statistics are drawn from one payload."""

from decimal import Decimal
from typing import Any

from shared.codec import field_specs, float_text
from shared.intervals import interval_ms
from shared.messages import Bar, PairStats

from services.ui.state import FeedState, Quote
from services.ui.store import Store
from services.ui.views.view import View

_DESCRIPTIONS = {spec.name: spec.description for spec in field_specs(PairStats)}


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, float):
        return float_text(value)
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def summary(store: Store, feed: FeedState, view: View) -> dict[str, Any]:
    """Every field of the newest statistics as in the topic, the legs' last prices, and how far the window has filled."""
    series = store.series.get(view.stats) if view.stats else None
    stats = series.latest if series else None
    legs = {}
    for role, symbol, channel in (("y", view.pair.y, view.y), ("x", view.pair.x, view.x)):
        bars = store.series.get(channel)
        bar = bars.latest if bars else None
        quote = feed.quotes.get(symbol, Quote())
        legs[role] = {
            "symbol": symbol,
            "price": quote.price or (_text(bar.close) if isinstance(bar, Bar) else None),
            "status": bar.status if isinstance(bar, Bar) else None,
            "bars": len(bars) if bars else 0,
        }
    payload: dict[str, Any] = {"legs": legs, "fields": None, "window": view.window, "width_ms": interval_ms(view.interval)}
    if isinstance(stats, PairStats):
        payload["fields"] = {name: _text(getattr(stats, name)) for name in PairStats._fields}
        payload["filled"] = round(stats.coverage * stats.window_bars)
    else:
        payload["filled"] = min(legs["y"]["bars"], legs["x"]["bars"])
    return payload


def descriptions() -> dict[str, str]:
    """Field of the statistics → what it is, as the message declares it."""
    return _DESCRIPTIONS
