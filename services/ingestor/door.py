"""The sequence at the door: per symbol a total order of trades, with the truth about every id that is not in it.

Pure: prints in, ticks and events out. A print is a tick, a duplicate, accounted for without being a tick, or refused with a
reason. Where ids are missing the hole is declared and the ticks go on; the sampler sees the same hole in the ids themselves.

The watermark of a symbol (no trade before it is still to come) is the exchange's clock minus a grace. It stands still
from a disconnect until the symbol's own sequence is joined again: another symbol's time proves nothing about this one.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from services.ingestor.binance import IdKind, Print
from shared.messages import Event, Tick

SILENCE_MS = 600_000
"""A silence of the source of more than this is declared and not filled."""

_BACK_LIMIT = 20


class Admitted(NamedTuple):
    """What became of a batch of prints."""

    ticks: list[Tick]
    events: list[Event]
    duplicates: int
    skipped: int
    late: int
    rejected: Mapping[str, int]
    """Reason → prints."""


class _Sequence:
    """How far one symbol has got."""

    __slots__ = ("backward", "floor_ms", "fresh", "joined", "kind", "last_id", "last_ms", "said_ms", "skipped")

    def __init__(self, last_ms: int | None, last_id: int | None, watermark_ms: int | None) -> None:
        self.last_ms = last_ms
        """Largest trade time so far, ``None`` before the first ever print."""
        self.last_id = last_id
        self.floor_ms = watermark_ms
        """The watermark where it stands still."""
        self.said_ms = watermark_ms
        self.kind: IdKind | None = None
        self.joined = False
        self.fresh = True
        self.skipped = 0
        self.backward = 0


class Door:
    """The sequences of the followed symbols and the exchange's clock."""

    def __init__(self, grace_ms: int) -> None:
        self._grace_ms = grace_ms
        self._sequences: dict[str, _Sequence] = {}
        self.clock_ms = 0
        """The newest exchange time seen, 0 before the first print."""

    @property
    def symbols(self) -> list[str]:
        return list(self._sequences)

    def open(self, symbol: str, last_ms: int | None = None, last_id: int | None = None, watermark_ms: int | None = None) -> None:
        """Let a symbol in, after what Redis holds of it: entry time and id of its newest tick, and its watermark."""
        self._sequences[symbol] = _Sequence(last_ms, last_id, watermark_ms)

    def close(self, symbol: str) -> None:
        """Let it in no more."""
        self._sequences.pop(symbol, None)

    def disconnected(self, symbols: Iterable[str]) -> None:
        """The feed of these symbols was interrupted: their watermarks stand still until they are joined again."""
        for symbol in symbols:
            sequence = self._sequences.get(symbol)
            if sequence is not None:
                self._freeze(sequence)

    def _freeze(self, sequence: _Sequence) -> None:
        sequence.floor_ms = self._watermark(sequence)
        sequence.joined = False

    def _watermark(self, sequence: _Sequence) -> int | None:
        if not sequence.joined:
            return sequence.floor_ms
        return max(sequence.floor_ms or 0, self.clock_ms - self._grace_ms)

    def watermarks(self) -> dict[str, str]:
        """The watermarks that have moved since they were last asked for, as they are stored."""
        moved = {}
        for symbol, sequence in self._sequences.items():
            watermark = self._watermark(sequence)
            if watermark is not None and watermark > (sequence.said_ms or 0):
                sequence.said_ms = watermark
                moved[symbol] = str(watermark)
        return moved

    def end(self, symbols: Iterable[str], end_ms: int) -> dict[str, str]:
        """The source of these symbols has ended there: their last watermarks, as they are stored."""
        ended = {}
        for symbol in symbols:
            sequence = self._sequences.get(symbol)
            if sequence is None or not sequence.last_ms:
                continue
            self._freeze(sequence)
            sequence.floor_ms = sequence.said_ms = max(sequence.floor_ms or 0, end_ms)
            ended[symbol] = f"{sequence.floor_ms} end"
        return ended

    def admit(self, prints: Iterable[Print]) -> Admitted:
        """Judge prints, each symbol's in the venue's order."""
        ticks: list[Tick] = []
        events: list[Event] = []
        duplicates = skipped = 0
        late_ticks: dict[str, list[Tick]] = {}
        rejected: Counter[str] = Counter()
        clock = self.clock_ms
        grace = self._grace_ms
        for kind, event_ms, tick, market in prints:
            sequence = self._sequences.get(tick.symbol)
            if sequence is None:
                rejected["symbol not followed"] += 1
                continue
            if kind != sequence.kind:
                if sequence.kind is not None:
                    rejected["ids of another stream"] += 1
                    continue
                sequence.kind = kind
            time_ms, trade_id, last_ms = tick.time_ms, tick.trade_id, sequence.last_ms
            if event_ms > clock:
                if event_ms - clock > SILENCE_MS and clock:
                    for other in self._sequences.values():
                        self._freeze(other)
                watermark = self._watermark(sequence)
                self.clock_ms = clock = event_ms
            elif sequence.joined:
                watermark = max(sequence.floor_ms or 0, clock - grace)
            else:
                watermark = sequence.floor_ms
            restarted = False
            if last_ms is None or sequence.last_id is None:
                step = 1
            else:
                step = trade_id - sequence.last_id
                if step <= 0:
                    if step == 0:
                        sequence.joined = True
                    if time_ms <= last_ms:
                        duplicates += 1
                        sequence.fresh = False
                        continue
                    # Later than everything before, so no duplicate: the ids have gone back.
                    sequence.backward += 1
                    if not sequence.fresh and sequence.backward < _BACK_LIMIT:
                        rejected["trade id went back"] += 1
                        continue
                    restarted = True
            sequence.fresh, sequence.joined, sequence.backward = False, True, 0
            if step != 1:
                events.append(_hole(tick, sequence, restarted))
            sequence.last_id = trade_id
            if not market:
                sequence.skipped += 1
                skipped += 1
                if last_ms is None:
                    sequence.last_ms, sequence.skipped = 0, 0
                continue
            late = watermark is not None and time_ms < watermark
            resumed_ms = None
            if last_ms:
                watched_ms = max(watermark or 0, last_ms)
                if time_ms - watched_ms > SILENCE_MS:
                    resumed_ms = watched_ms
            if sequence.skipped or late or resumed_ms is not None:
                tick = tick._replace(skipped=sequence.skipped, late=int(late), resumed_ms=resumed_ms)
                sequence.skipped = 0
                if late:
                    late_ticks.setdefault(tick.symbol, []).append(tick)
            if last_ms is None or time_ms > last_ms:
                sequence.last_ms = time_ms
            ticks.append(tick)
        events += [_late(found) for found in late_ticks.values()]
        return Admitted(ticks, events, duplicates, skipped, sum(map(len, late_ticks.values())), rejected)


def _hole(tick: Tick, sequence: _Sequence, restarted: bool) -> Event:
    first_id = (sequence.last_id or 0) + 1
    if restarted:
        reason = f"trade ids have begun again at {tick.trade_id}; what lies between is unknown"
        return Event("gap", tick.time_ms, reason, tick.symbol, from_ms=sequence.last_ms, to_ms=tick.time_ms)
    return Event(
        "gap",
        tick.time_ms,
        "trades are missing from the feed",
        tick.symbol,
        first_id=first_id,
        last_id=tick.trade_id - 1,
        from_ms=sequence.last_ms,
        to_ms=tick.time_ms,
        affected=tick.trade_id - first_id,
    )


def _late(ticks: list[Tick]) -> Event:
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
