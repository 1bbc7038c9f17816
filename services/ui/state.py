"""What is known of the feed beside the streams' content."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Away(NamedTuple):
    """Redis does not answer."""

    since_ms: int
    reason: str


class Quote(NamedTuple):
    """The newest trade of a symbol, and when this process last saw its feed move."""

    price: str | None = None
    time_ms: int | None = None
    arrived_s: float | None = None
    """On the monotonic clock; ``None`` as long as nothing has moved since the hub began."""


class FeedState(NamedTuple):
    """Where the data comes from and how alive it is."""

    source: str | None
    """binance, replay, simulator or none; ``None`` while nobody has said."""
    reason: str
    namespace: str
    quotes: Mapping[str, Quote]
    """Of the shown symbols."""
    away: Away | None
    symbols: Sequence[str] = ()
    """The followed symbols; empty while nobody has said."""
