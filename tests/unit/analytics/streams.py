"""Streams in memory, and a reader over them that behaves as the one of the bus: what the loop does, without Redis."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from services.analytics.analyzer import PairAnalyzer
from services.analytics.parameters import PairParameters
from shared.codec import encode
from shared.intervals import interval_ms
from shared.messages import Bar, PairStats, Table
from shared.step import Output
from shared.topics import BARS, PAIRS, Channel, Keyspace

CONFIGURED = {"fit": "lagged", "price": "log", "intercept": True, "origin": "settings"}


def row(**parameters: object) -> str:
    """A row of the table `pairs`."""
    return PairParameters(**{**CONFIGURED, **parameters}).model_dump_json()  # type: ignore[arg-type]


class Desk:
    """A `PairAnalyzer` with its streams, its checkpoints and its table."""

    def __init__(self, windows: Mapping[str, int], table: Mapping[str, str], keyspace: Keyspace | None = None) -> None:
        self.windows = windows
        self.table = dict(table)
        self.bars: dict[Channel, list[Bar]] = defaultdict(list)
        self.rows: dict[Channel, dict[int, PairStats]] = defaultdict(dict)
        self.checkpoints: dict[str, str] = {}
        self.refused = 0
        self._keyspace = keyspace or Keyspace()
        self.start()

    def start(self) -> None:
        """A new process: nothing is remembered but what was committed."""
        self._step = PairAnalyzer(self.windows, self._keyspace, 0, 0.8)
        self._step.restore(dict(self.checkpoints))
        self._offsets: dict[Channel, int] = {}
        self.read_table()

    def read_table(self) -> None:
        self._commit(self._step.on_messages([Table("pairs", dict(self.table))]))

    def append(self, bars: Iterable[Bar]) -> None:
        """The sampler publishes."""
        for bar in bars:
            self.bars[Channel(BARS.name, (bar.interval, bar.symbol))].append(bar)

    def turn(self, counts: Sequence[int] = (1000,)) -> int:
        """One turn of the loop, with at most so many entries of each stream in turn; answers how many were read."""
        wanted = self._step.wants()
        self._offsets = {channel: self._offsets.get(channel, _ms(after)) for channel, after in wanted.items()}
        batch: list[Bar] = []
        for place, channel in enumerate(sorted(self._offsets)):
            new = [bar for bar in self.bars[channel] if bar.open_time_ms > self._offsets[channel]]
            new = new[: counts[place % len(counts)]]
            if new:
                self._offsets[channel] = new[-1].open_time_ms
            batch += new
        output = self._step.on_messages(batch)
        self._commit(output)
        while output.unfinished:
            output = self._step.on_messages(())
            self._commit(output)
        return len(batch)

    def run(self, counts: Sequence[int] = (1000,)) -> "Desk":
        """Turns until nothing is left to read, twice in a row: a stream to be read again is let go first."""
        idle = 0
        while idle < 2:
            idle = 0 if self.turn(counts) else idle + 1
        return self

    def _commit(self, output: Output) -> None:
        for channel in output.dropped:
            self.rows.pop(channel, None)
        for message in output.messages:
            assert isinstance(message, PairStats)
            stream = self.rows[Channel(PAIRS.name, (message.interval, message.pair))]
            if stream and message.open_time_ms <= max(stream):
                self.refused += 1
            else:
                stream[message.open_time_ms] = message
        for part, text in output.checkpoints.items():
            if text:
                self.checkpoints[part] = text
            else:
                self.checkpoints.pop(part, None)

    def published(self, name: str = "Y~X", interval: str = "1s") -> list[PairStats]:
        return list(self.rows[Channel(PAIRS.name, (interval, name))].values())

    def wire(self, name: str = "Y~X", interval: str = "1s") -> list[tuple[int, dict[str, str]]]:
        """The rows as they stand in Redis."""
        return [(stats.open_time_ms, encode(stats)) for stats in self.published(name, interval)]

    def expected_inputs(self, interval: str = "1s") -> tuple[list[dict[str, object]], list[dict[str, object]], int]:
        """What the oracle takes: the bars of Y and X, and the interval."""
        y, x = (self.bars[Channel(BARS.name, (interval, symbol))] for symbol in ("Y", "X"))
        return [bar._asdict() for bar in y], [bar._asdict() for bar in x], interval_ms(interval)


def _ms(entry_id: str) -> int:
    return int(entry_id.partition("-")[0]) if entry_id != "0" else -1
