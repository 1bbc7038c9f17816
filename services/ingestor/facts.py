"""What is said in `events` about the sequence of a symbol's trades."""

from collections.abc import Sequence
from datetime import UTC, datetime

from services.ingestor.binance import IdKind
from shared.messages import Event, Tick


def hole(tick: Tick, last_id: int, last_ms: int | None) -> Event:
    """Ids are missing between `last_id` and the tick."""
    return Event(
        "gap",
        tick.time_ms,
        "trades are missing from the feed",
        tick.symbol,
        first_id=last_id + 1,
        last_id=tick.trade_id - 1,
        from_ms=last_ms,
        to_ms=tick.time_ms,
        affected=tick.trade_id - last_id - 1,
    )


def ids_restarted(tick: Tick, last_ms: int | None) -> Event:
    """The ids have begun again."""
    reason = f"trade ids have begun again at {tick.trade_id}; what lies between is unknown"
    return Event("gap", tick.time_ms, reason, tick.symbol, from_ms=last_ms, to_ms=tick.time_ms)


def ids_of_another_stream(tick: Tick, kind: IdKind, last_ms: int | None) -> Event:
    """The ids are counted by another stream than before."""
    reason = f"from trade {tick.trade_id} on, ids are those of the {kind} stream; what lies between is unknown"
    return Event("gap", tick.time_ms, reason, tick.symbol, from_ms=last_ms, to_ms=tick.time_ms)


def resumed(tick: Tick, watched_ms: int) -> Event:
    """The source was silent or was not watched until this tick."""
    span = f"from {_utc(watched_ms)} to {_utc(tick.time_ms)} UTC"
    reason = f"the source was silent or was not watched {span}; no bars are made of that time"
    return Event("gap", tick.time_ms, reason, tick.symbol, from_ms=watched_ms, to_ms=tick.time_ms)


def _utc(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%d %H:%M:%S}"


def late(ticks: Sequence[Tick]) -> Event:
    """These ticks of a symbol came after the watermark of their time."""
    return Event(
        "late",
        max(tick.time_ms for tick in ticks),
        "came after the watermark of their time; kept, left out of the bars",
        ticks[0].symbol,
        first_id=ticks[0].trade_id,
        last_id=ticks[-1].trade_id,
        from_ms=min(tick.time_ms for tick in ticks),
        to_ms=max(tick.time_ms for tick in ticks),
        affected=len(ticks),
    )


def lost(symbol: str, after: tuple[int, int] | None, until: tuple[int, int]) -> Event:
    """Redis has lost ticks for good: those after `after` up to `until`, each a time in ms and a trade id."""
    until_ms, until_id = until
    return Event(
        "gap",
        until_ms,
        "Redis has lost these ticks, which were there before, and they are too old to be written again",
        symbol,
        first_id=None if after is None else after[1] + 1,
        last_id=until_id,
        from_ms=None if after is None else after[0],
        to_ms=until_ms,
    )
