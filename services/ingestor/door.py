"""The sequence at the door: per symbol a total order of trades, with the truth about every id that is not in it.

Pure: prints in, ticks and events out. A print is a tick, a duplicate, accounted for without being a tick, or refused with a
reason; or it is held until those after it have shown which. Where ids are missing the hole is declared and the ticks go on;
the sampler sees the same hole in the ids themselves.

The watermark of a symbol (no trade before it is still to come) is the exchange's clock, as the symbol's own connection tells
it, minus a grace. It stands still from a disconnect until the symbol's own sequence is joined again: another symbol's time
proves nothing about this one.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from typing import NamedTuple

from services.ingestor import facts
from services.ingestor.binance import IdKind, Print
from services.ingestor.link_clock import SILENCE_MS, LinkClock
from services.ingestor.sequence import Sequence
from shared.messages import Event, Tick

_BACK_LIMIT = 20
"""Prints with ids from before that show that the ids have begun again."""


class Admitted(NamedTuple):
    """What became of a batch of prints."""

    ticks: list[Tick]
    events: list[Event]
    duplicates: int
    skipped: int
    late: int
    rejected: Mapping[str, int]
    """Reason → prints."""


class _Verdicts:
    """What has become of the prints judged so far."""

    __slots__ = ("duplicates", "events", "late", "rejected", "skipped", "ticks")

    def __init__(self) -> None:
        self.ticks: list[Tick] = []
        self.events: list[Event] = []
        self.duplicates = 0
        self.skipped = 0
        self.late: dict[str, list[Tick]] = {}
        self.rejected: Counter[str] = Counter()

    def admitted(self) -> Admitted:
        events = self.events + [facts.late(found) for found in self.late.values()]
        late = sum(map(len, self.late.values()))
        return Admitted(self.ticks, events, self.duplicates, self.skipped, late, self.rejected)


class Door:
    """The sequences of the followed symbols and the exchange's clock."""

    def __init__(self, grace_ms: int) -> None:
        self._grace_ms = grace_ms
        self._sequences: dict[str, Sequence] = {}
        self._clocks: dict[Hashable, LinkClock] = {}
        self._known_ms = 0
        self.clock_ms = 0
        """The newest exchange time of all connections, 0 before the first print."""

    @property
    def symbols(self) -> list[str]:
        return list(self._sequences)

    @property
    def kinds(self) -> dict[str, IdKind]:
        """Symbol → whose ids it carries, where it is known."""
        return {symbol: sequence.kind for symbol, sequence in self._sequences.items() if sequence.kind is not None}

    def open(
        self,
        symbol: str,
        last_ms: int | None = None,
        last_id: int | None = None,
        watermark_ms: int | None = None,
        kind: IdKind | None = None,
    ) -> None:
        """Let a symbol in, after what Redis holds of it: entry time, id and kind of its newest tick, and its watermark."""
        self._sequences[symbol] = Sequence(self._grace_ms, last_ms, last_id, watermark_ms, kind)
        self._known_ms = max(self._known_ms, last_ms or 0, watermark_ms or 0)

    def close(self, symbol: str) -> None:
        """Let it in no more."""
        self._sequences.pop(symbol, None)

    def disconnected(self, symbols: Iterable[str]) -> None:
        """The feed of these symbols was interrupted: their watermarks stand still until they are joined again."""
        for symbol in symbols:
            sequence = self._sequences.get(symbol)
            if sequence is not None:
                sequence.freeze()

    def watermarks(self) -> dict[str, str]:
        """The watermarks that have moved since they were last asked for, as they are stored."""
        moved = {}
        for symbol, sequence in self._sequences.items():
            watermark = sequence.watermark()
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
            sequence.freeze()
            sequence.floor_ms = sequence.said_ms = max(sequence.floor_ms or 0, end_ms)
            ended[symbol] = f"{sequence.floor_ms} end"
        self._known_ms = 0
        for clock in self._clocks.values():
            clock.restart()
        return ended

    def admit(self, prints: Iterable[Print], link: Hashable = None) -> Admitted:
        """Judge prints of one connection, each symbol's in the venue's order."""
        clock = self._clocks.get(link)
        if clock is None:
            clock = self._clocks[link] = LinkClock(max(self.clock_ms, self._known_ms))
        verdicts = _Verdicts()
        self._judge(clock.sift(prints), clock, verdicts)
        return self._admitted(clock, verdicts)

    def release(self, link: Hashable = None) -> Admitted:
        """Judge what is held of a connection on which nothing more comes."""
        clock = self._clocks.get(link) or LinkClock()
        verdicts = _Verdicts()
        self._judge(clock.release(), clock, verdicts)
        return self._admitted(clock, verdicts)

    def _admitted(self, clock: LinkClock, verdicts: _Verdicts) -> Admitted:
        self.clock_ms = max(self.clock_ms, clock.ms)
        verdicts.duplicates += clock.copies
        if clock.refused:
            verdicts.rejected["time far ahead of the feed's"] += clock.refused
        clock.copies = clock.refused = 0
        return verdicts.admitted()

    def _judge(self, prints: Iterable[Print], clock: LinkClock, verdicts: _Verdicts) -> None:
        grace = self._grace_ms
        ticks, events, rejected = verdicts.ticks, verdicts.events, verdicts.rejected
        for print_ in prints:
            kind, event_ms, tick, market = print_
            sequence = self._sequences.get(tick.symbol)
            if sequence is None:
                rejected["symbol not followed"] += 1
                continue
            if kind != sequence.kind:
                if sequence.kind is not None and not sequence.fresh:
                    rejected["ids of another stream"] += 1
                    continue
                sequence.renewed = sequence.kind is not None and sequence.last_id is not None
                sequence.kind = kind
            if clock is not sequence.clock:
                sequence.freeze()
                sequence.clock = clock
            time_ms, trade_id, last_ms, last_id = tick.time_ms, tick.trade_id, sequence.last_ms, sequence.last_id
            watermark = max(sequence.floor_ms or 0, clock.ms - grace) if sequence.joined else sequence.floor_ms
            step = 1 if last_ms is None or last_id is None else trade_id - last_id
            if step <= 0 or sequence.renewed:
                if time_ms <= (last_ms or 0):
                    verdicts.duplicates += 1
                    if not sequence.renewed:
                        # After a start these are the prints that the run before has taken: they tell how far time had got.
                        if not sequence.watched and event_ms > clock.ms:
                            self._advance(clock, event_ms)
                        sequence.fresh = False
                        if step == 0 and not sequence.held:
                            sequence.join()
                    continue
                # Later than everything before, so no duplicate: the ids have gone back.
                if not sequence.fresh:
                    self._hold(print_, sequence, clock, verdicts)
                    continue
            if sequence.held:
                rejected["trade id went back"] += len(sequence.held)
                sequence.held = []
            # With no id missing, the time in which others of its connection had trades was quiet, not unwatched.
            quiet_ms = clock.ms - grace if step == 1 and sequence.watched and not sequence.silent else 0
            if event_ms > clock.ms:
                self._advance(clock, event_ms)
            sequence.fresh = False
            if not sequence.joined:
                sequence.join()
            if sequence.renewed:
                events.append(facts.ids_of_another_stream(tick, kind, last_ms))
                # Nobody knows what is missing. One stands for it, so that bars across the change are not called complete.
                sequence.skipped += max(0, step - 2)
                sequence.renewed = False
            elif step <= 0:
                events.append(facts.ids_restarted(tick, last_ms))
            elif step > 1 and last_id is not None:
                events.append(facts.hole(tick, last_id, last_ms))
            sequence.last_id = trade_id
            if not market:
                sequence.skipped += 1
                verdicts.skipped += 1
                if last_ms is None:
                    sequence.last_ms, sequence.skipped = 0, 0
                continue
            late = watermark is not None and time_ms < watermark
            resumed_ms = None
            if last_ms:
                watched_ms = max(watermark or 0, last_ms, quiet_ms)
                if time_ms - watched_ms > SILENCE_MS:
                    resumed_ms = watched_ms
                    events.append(facts.resumed(tick, watched_ms))
            if sequence.skipped or late or resumed_ms is not None:
                tick = tick._replace(skipped=sequence.skipped, late=int(late), resumed_ms=resumed_ms)
                sequence.skipped = 0
                if late:
                    verdicts.late.setdefault(tick.symbol, []).append(tick)
            if last_ms is None or time_ms > last_ms:
                sequence.last_ms = time_ms
            ticks.append(tick)

    def _advance(self, clock: LinkClock, event_ms: int) -> None:
        """Time goes on. After a long silence of the whole connection every symbol must be heard of again."""
        if clock.ms and event_ms - clock.ms > SILENCE_MS:
            for sequence in self._sequences.values():
                if sequence.clock is clock:
                    sequence.freeze()
                    sequence.silent = True
        clock.move(event_ms)

    def _hold(self, print_: Print, sequence: Sequence, clock: LinkClock, verdicts: _Verdicts) -> None:
        """Keep a print whose id has gone back until there are enough of them, then take them all as if just come."""
        if print_ in sequence.held:
            verdicts.duplicates += 1
            return
        if not sequence.held:
            sequence.freeze()  # these trades are still to come
            sequence.held_ms = clock.ms
        sequence.held.append(print_)
        if len(sequence.held) < _BACK_LIMIT:
            return
        held, sequence.held = sequence.held, []
        then = LinkClock()
        then.move(sequence.held_ms)
        sequence.clock = then
        sequence.fresh = True
        self._judge(held, then, verdicts)
        sequence.clock = clock
        if then.ms > clock.ms:
            self._advance(clock, then.ms)
