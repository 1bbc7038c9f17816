"""The figures of a pair: the line of key figures and the table of statistics are drawn from one payload."""

from decimal import Decimal
from typing import Any

from services.ui.state import FeedState, Quote
from services.ui.store import Store
from services.ui.views.view import View
from shared.codec import field_specs, float_text
from shared.intervals import interval_ms
from shared.messages import Bar, PairStats

_DESCRIPTIONS = {spec.name: spec.description for spec in field_specs(PairStats)}


def _text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, float):
        return float_text(value)
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def summary(store: Store, feed: FeedState, view: View) -> dict[str, Any]:
    """Every field of the newest statistics as in the topic, the legs' last prices, how far the window has filled,
    and how long a bar is overdue by the time of the newest trade."""
    series = store.series.get(view.stats) if view.stats else None
    stats = series.latest if series else None
    quotes = {symbol: feed.quotes.get(symbol, Quote()) for symbol in view.pair}
    legs: dict[str, dict[str, Any]] = {}
    filled = view.window
    for role, symbol, channel in (("y", view.pair.y, view.y), ("x", view.pair.x, view.x)):
        bars = store.series.get(channel)
        bar = bars.latest if bars else None
        price = quotes[symbol].price or (_text(bar.close) if isinstance(bar, Bar) else None)
        legs[role] = {"symbol": symbol, "price": price, "bars": len(bars) if bars else 0}
        filled = min(filled, legs[role]["bars"])
    width_ms = interval_ms(view.interval)
    fields, behind_ms = None, 0
    if isinstance(stats, PairStats):
        fields = {name: _text(getattr(stats, name)) for name in PairStats._fields}
        filled = round(stats.coverage * stats.window_bars)
        behind_ms = max(0, *((quote.time_ms or 0) - stats.open_time_ms - 2 * width_ms for quote in quotes.values()))
    return {
        "legs": legs,
        "fields": fields,
        "window": view.window,
        "filled": filled,
        "width_ms": width_ms,
        "behind_ms": behind_ms,
    }


def descriptions() -> dict[str, str]:
    """Field of the statistics → what it is, as the message declares it."""
    return _DESCRIPTIONS
