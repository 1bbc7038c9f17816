"""How far one symbol has got. Pure."""

from services.ingestor.binance import IdKind, Print
from services.ingestor.link_clock import LinkClock


class Sequence:
    """The state of a symbol at the door."""

    __slots__ = (
        "clock", "floor_ms", "fresh", "grace_ms", "held", "held_ms", "joined", "kind", "last_id", "last_ms", "renewed", "said_ms",
        "silent", "skipped", "watched",
    )  # fmt: skip

    def __init__(
        self, grace_ms: int, last_ms: int | None, last_id: int | None, watermark_ms: int | None, kind: IdKind | None
    ) -> None:
        self.grace_ms = grace_ms
        self.last_ms = last_ms
        """Largest trade time so far, ``None`` before the first ever print."""
        self.last_id = last_id
        self.floor_ms = watermark_ms
        """The watermark where it stands still."""
        self.said_ms = watermark_ms
        self.kind = kind
        self.clock: LinkClock | None = None
        self.joined = False
        self.fresh = True
        self.renewed = False
        """The ids are of another stream than those in Redis."""
        self.watched = False
        """It has been joined since the start."""
        self.silent = False
        """Its whole connection was silent for long since it was last joined."""
        self.skipped = 0
        self.held: list[Print] = []
        """Prints whose ids have gone back."""
        self.held_ms = 0
        """The clock when the first of them came."""

    def watermark(self) -> int | None:
        """No trade before it is still to come; ``None`` if nothing is known."""
        if not self.joined or self.clock is None:
            return self.floor_ms
        return max(self.floor_ms or 0, self.clock.ms - self.grace_ms)

    def freeze(self) -> None:
        """The watermark stands still until the next `join`."""
        self.floor_ms = self.watermark()
        self.joined = False

    def join(self) -> None:
        """Every trade of it up to now has been seen or declared."""
        self.joined = self.watched = True
        self.silent = False
