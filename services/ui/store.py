"""What the screen holds of the topics: the newest rows of each shown series, numbered, so that a session gets deltas."""

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.intervals import interval_ms
from shared.messages import Alert, Bar, CointegrationReport, PairStats
from shared.topics import Channel

Rows = NDArray[np.float64]

BAR_COLUMNS = ("time", "open", "high", "low", "close")
PAIR_COLUMNS = ("time", "spread", "zscore", "correlation")
KEPT_ALERTS = 200
_NAN = float("nan")


class Ring:
    """The newest `capacity` rows of float64, each with a sequence number that never comes again.

    Rows lie in one block of twice the capacity, so that every answer is one contiguous slice.
    """

    def __init__(self, width: int, capacity: int) -> None:
        self._block = np.empty((2 * capacity, width))
        self._capacity = capacity
        self._start = 0
        self._end = 0
        self.next_sequence = 0
        """Sequence number of the row to come."""

    def __len__(self) -> int:
        return self._end - self._start

    @property
    def first_sequence(self) -> int:
        """Sequence number of the oldest row that is kept."""
        return self.next_sequence - len(self)

    def append(self, row: Sequence[float]) -> None:
        if self._end == len(self._block):
            kept = len(self)
            self._block[:kept] = self._block[self._start : self._end]
            self._start, self._end = 0, kept
        self._block[self._end] = row
        self._end += 1
        self.next_sequence += 1
        if len(self) > self._capacity:
            self._start += 1

    def since(self, sequence: int) -> Rows:
        """The rows from this sequence number on that are still kept, oldest first, shape (rows, width)."""
        skip = max(0, sequence - self.first_sequence)
        return self._block[self._start + skip : self._end]


class Cursor(NamedTuple):
    """How far a session has got in a series."""

    generation: int
    sequence: int


NOTHING_YET = Cursor(-1, 0)


class Delta(NamedTuple):
    """What a session lacks of a series."""

    rows: Rows
    reset: bool
    """Whether `rows` replace what the session holds instead of following it."""
    cursor: Cursor


class Series:
    """One stream of bars or of pair statistics as rows; a hole in its grid is one row of NaN at the first missing time."""

    def __init__(self, channel: Channel, capacity: int, generation: int) -> None:
        self.channel = channel
        self.columns = BAR_COLUMNS if channel.topic == "bars" else PAIR_COLUMNS
        self.width_ms = interval_ms(channel.parameters[0])
        self.generation = generation
        """Changes when the series is read again from the start."""
        self.latest: Bar | PairStats | None = None
        self._ring = Ring(len(self.columns), capacity)

    def __len__(self) -> int:
        return len(self._ring)

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.generation, self._ring.next_sequence)

    def append(self, message: Bar | PairStats) -> bool:
        """Take the next message; answers whether it is new. One that is not later than the last is left out."""
        time_ms = message.open_time_ms
        if self.latest is not None:
            expected_ms = self.latest.open_time_ms + self.width_ms
            if time_ms < expected_ms:
                return False
            if time_ms > expected_ms:
                self._ring.append((float(expected_ms), *(_NAN,) * (len(self.columns) - 1)))
        self._ring.append((float(time_ms), *(_number(getattr(message, name)) for name in self.columns[1:])))
        self.latest = message
        return True

    def since(self, cursor: Cursor) -> Delta:
        """The rows after the cursor; all of them if it is of another generation or so old that rows are lost."""
        reset = cursor.generation != self.generation or cursor.sequence < self._ring.first_sequence
        rows = self._ring.since(0 if reset else cursor.sequence)
        return Delta(rows, reset, self.cursor)


def _number(value: object) -> float:
    return _NAN if value is None else float(value)  # type: ignore[arg-type]  # Decimal or float by declaration


class Store:
    """Everything that one process shows. It reads no clock and knows no session."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._generation = 0
        self.series: dict[Channel, Series] = {}
        self.alerts: deque[tuple[str, Alert]] = deque(maxlen=KEPT_ALERTS)
        """Entry id and alert, oldest first."""
        self.alerts_cursor = NOTHING_YET
        self.reports: dict[Channel, CointegrationReport] = {}
        """The newest report of each followed `tests` stream."""

    def begin(self, channel: Channel) -> None:
        """(Re)start a stream: what was held of it is forgotten, and every session gets it anew."""
        self._generation += 1
        if channel.topic in ("bars", "pairs"):
            self.series[channel] = Series(channel, self._capacity, self._generation)
        elif channel.topic == "alerts":
            self.alerts.clear()
            self.alerts_cursor = Cursor(self._generation, 0)
        else:
            self.reports.pop(channel, None)

    def forget(self, channel: Channel) -> None:
        """Hold a stream no longer."""
        self.series.pop(channel, None)
        self.reports.pop(channel, None)

    def apply(self, channel: Channel, entry_id: str, message: Bar | PairStats | Alert | CointegrationReport) -> None:
        """Take the next entry of a stream that was begun; entries of others are ignored."""
        if isinstance(message, Alert):
            self.alerts.append((entry_id, message))
            self.alerts_cursor = self.alerts_cursor._replace(sequence=self.alerts_cursor.sequence + 1)
        elif isinstance(message, CointegrationReport):
            self.reports[channel] = message
        elif (series := self.series.get(channel)) is not None:
            series.append(message)

    def alerts_since(self, cursor: Cursor) -> tuple[list[tuple[str, Alert]], bool, Cursor]:
        """The alerts after the cursor, oldest first; whether they replace what the session holds; and the new cursor."""
        now = self.alerts_cursor
        lacking = now.sequence - cursor.sequence
        reset = cursor.generation != now.generation or lacking > len(self.alerts)
        rows = list(self.alerts)
        return rows if reset else rows[len(rows) - lacking :], reset, now
