"""The topic table: for every topic its message, its key, its entry id and its partition.

Key: ``[NAMESPACE:]topic[:parameter…]``, followed by ``:{p}`` when there is more than one partition, so that Redis
Cluster keeps a partition's keys in one slot; p = crc16(last parameter) mod partitions, with the CRC-16/XMODEM that
Redis Cluster itself uses.
"""

from binascii import crc_hqx
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from shared.errors import BadInput
from shared.messages import Alert, Bar, CointegrationReport, Event, Message, PairStats, Tick

Sequence = Literal["zero", "trade_id", "counter"]


class Channel(NamedTuple):
    """One stream of a topic: the topic's name and the values of its key's parameters."""

    topic: str
    parameters: tuple[str, ...] = ()

    def __str__(self) -> str:
        return ":".join((self.topic, *self.parameters))


@dataclass(frozen=True, slots=True)
class Topic:
    """How one kind of message lies in Redis."""

    name: str
    message: type[Any]
    parameters: tuple[str, ...]
    """Fields of the message that make up the key, in order."""
    time: str
    """Field of the message that gives the milliseconds of the entry id."""
    sequence: Sequence
    """The id's second half: ``0``; the trade id; or a counter, with the ms never below the last entry's."""
    description: str
    id_description: str

    def channel(self, message: Message) -> Channel:
        return Channel(self.name, tuple(str(getattr(message, name)) for name in self.parameters))


TICKS = Topic(
    "ticks", Tick, ("symbol",), "time_ms", "trade_id", "One entry a trade, in order of trade id.",
    "<ms>-<trade id>: ms is the trade's time, or the entry's before if that is later",
)  # fmt: skip
BARS = Topic(
    "bars", Bar, ("interval", "symbol"), "open_time_ms", "zero",
    "Every bar of the grid once, in order, never changed; quiet bars included.", "<open time ms>-0",
)  # fmt: skip
PAIRS = Topic(
    "pairs", PairStats, ("interval", "pair"), "open_time_ms", "zero",
    "Statistics of a pair at every bar that both legs have.", "<open time ms of the bars>-0",
)  # fmt: skip
TESTS = Topic(
    "tests", CointegrationReport, ("interval", "pair"), "bar_ms", "counter",
    "Cointegration and stationarity reports, on demand.", "<ms of the newest bar used>-<counter>",
)  # fmt: skip
ALERTS = Topic(
    "alerts", Alert, (), "bar_ms", "counter", "Alert rules that fired, resolved or were acknowledged.",
    "<ms>-<counter>: ms is the bar's time, or the entry's before if that is later",
)  # fmt: skip
EVENTS = Topic(
    "events", Event, (), "bar_ms", "counter", "Facts about the data: gaps, late and rejected trades, feeds.",
    "<ms>-<counter>: ms is the exchange time of the fact, or the entry's before if that is later",
)  # fmt: skip

TOPICS: dict[str, Topic] = {topic.name: topic for topic in (TICKS, BARS, PAIRS, TESTS, ALERTS, EVENTS)}
_TOPIC_OF: dict[type[Any], Topic] = {topic.message: topic for topic in TOPICS.values()}


def topic_of(message: Message) -> Topic:
    """The topic that carries messages of this type."""
    return _TOPIC_OF[type(message)]


class Keyspace(NamedTuple):
    """Names of Redis keys under one namespace and number of partitions."""

    namespace: str = ""
    partitions: int = 1

    def partition(self, parameter: str) -> int:
        """The partition of a symbol or pair.

        >>> Keyspace("", 16).partition("123456789")  # crc16 = 0x31C3
        3
        """
        return crc_hqx(parameter.encode(), 0) % self.partitions

    def plain(self, name: str) -> str:
        """The key of something that is not partitioned: ``symbols``, ``pairs``, ``rules``."""
        return f"{self.namespace}:{name}" if self.namespace else name

    def partitioned(self, name: str, partition: int) -> str:
        """A key that belongs to a partition's slot, such as a service's state."""
        return self.plain(name) if self.partitions == 1 else f"{self.plain(name)}:{{{partition}}}"

    def key(self, channel: Channel) -> str:
        """The stream's key.

        >>> Keyspace("replay").key(Channel("bars", ("1s", "BTCUSDT")))
        'replay:bars:1s:BTCUSDT'
        """
        partition = self.partition(channel.parameters[-1].partition("@")[0]) if channel.parameters else 0
        return self.partitioned(str(channel), partition)

    def channel(self, key: str) -> Channel:
        """The channel behind a key of this keyspace. Raises `BadInput` for a key that belongs to no topic."""
        name = key
        if self.namespace:
            prefix = f"{self.namespace}:"
            if not name.startswith(prefix):
                raise BadInput(f"{key!r} is not in namespace {self.namespace!r}")
            name = name[len(prefix) :]
        if self.partitions > 1:
            name = name.rpartition(":{")[0]
        head, *parameters = name.split(":")
        topic = TOPICS.get(head)
        if topic is None or len(parameters) != len(topic.parameters):
            raise BadInput(f"{key!r} is no topic; topics are {', '.join(TOPICS)}, such as bars:1s:BTCUSDT")
        return Channel(head, tuple(parameters))
