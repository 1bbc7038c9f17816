"""The exchange's clock as one connection tells it, and the prints on it that are too far ahead to be believed alone. Pure."""

from collections.abc import Iterable, Iterator

from services.ingestor.binance import Print

SILENCE_MS = 600_000
"""A silence of the source of more than this is declared and not filled."""

_AGREE = 3
"""Prints that must agree before time goes on by more than `SILENCE_MS` at once: one wrong frame must not stop everything."""

_APART_MS = 60_000
"""Prints further apart than this do not agree; those of one connection come in order, but for milliseconds."""

_ANY_MS = 1 << 62


class LinkClock:
    """The newest exchange time on a connection; each has its own, for one may lag behind another."""

    __slots__ = ("copies", "held", "limit_ms", "ms", "refused")

    def __init__(self, known_ms: int = 0) -> None:
        """`known_ms`: the newest exchange time known from elsewhere, 0 for none; then the first print is believed."""
        self.ms = 0
        """0 before the first print."""
        self.limit_ms = known_ms + SILENCE_MS if known_ms else _ANY_MS
        """Prints up to this time are believed at once."""
        self.held: list[Print] = []
        self.copies = 0
        """Prints that came again while they were held."""
        self.refused = 0
        """Prints that were far ahead of those that followed them."""

    def move(self, event_ms: int) -> None:
        """The exchange's time has got there."""
        self.ms = event_ms
        self.limit_ms = event_ms + SILENCE_MS

    def restart(self) -> None:
        """The source has ended; the next print may be of any time."""
        self.limit_ms = _ANY_MS

    def sift(self, prints: Iterable[Print]) -> Iterator[Print]:
        """The prints that are believed, in order. To be taken one by one: each may `move` the clock."""
        for print_ in prints:
            if print_[1] <= self.limit_ms and not self.held:
                yield print_
            else:
                yield from self._weigh(print_)

    def _weigh(self, print_: Print) -> Iterator[Print]:
        kept = [held for held in self.held if held.event_ms - print_.event_ms <= _APART_MS]
        self.refused += len(self.held) - len(kept)
        if print_ in kept:
            self.copies += 1
        else:
            kept.append(print_)
        self.held = kept
        while kept and (kept[0].event_ms <= self.limit_ms or len(kept) >= _AGREE):
            first = kept.pop(0)
            self.limit_ms = max(self.limit_ms, first.event_ms + SILENCE_MS)
            yield first

    def release(self) -> list[Print]:
        """What is held, to be taken as it is: nothing more comes that could tell."""
        released, self.held = self.held, []
        if released:
            self.limit_ms = max(print_.event_ms for print_ in released) + SILENCE_MS
        return released
