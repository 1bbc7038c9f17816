"""Messages on the wire and back."""

import math
import re
from decimal import Decimal
from itertools import chain
from typing import Any

import hiredis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.bus.tick_writer import pack_tick
from shared.codec import decode, decode_ticks, encode, field_specs, float_text, wire_specs
from shared.errors import BadInput
from shared.messages import Alert, Bar, Event, Message, PairStats, Tick
from shared.topics import TICKS, TOPICS, Channel, topic_of
from tests.unit import messages_strategies as some

PLAIN_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def entry_id(message: Message) -> str:
    """The id as the topic table describes it, for a stream whose last entry is older."""
    topic = topic_of(message)
    sequence = str(message.trade_id) if isinstance(message, Tick) else "0"
    return f"{getattr(message, topic.time)}-{sequence}"


def ten_digits(value: Any) -> Any:
    """A float as it comes back from the wire."""
    return float(f"{value:.10g}") if isinstance(value, float) else value


@settings(max_examples=400, deadline=None)
@given(some.messages)
def test_every_message_comes_back(message: Message) -> None:
    topic = topic_of(message)
    fields = encode(message)
    back = decode(topic.channel(message), entry_id(message), fields)
    assert type(back) is type(message)
    structured = {spec.name for spec in wire_specs(topic) if spec.kind == "json"}
    for name, value in message._asdict().items():
        assert getattr(back, name) == (value if name in structured else ten_digits(value)), name
    assert encode(back) == fields, "a second trip changes nothing"


@settings(max_examples=200, deadline=None)
@given(some.messages)
def test_wire_is_plain_text_without_exponents_and_without_unknowns(message: Message) -> None:
    kinds = {spec.name: spec.kind for spec in wire_specs(topic_of(message))}
    for name, text in encode(message).items():
        assert isinstance(text, str)
        assert getattr(message, name) is not None
        if kinds[name] in ("integer", "decimal", "float"):
            assert PLAIN_NUMBER.fullmatch(text), (name, text)


@given(some.floats)
def test_floats_have_ten_significant_digits(value: float) -> None:
    assert math.isclose(float(float_text(value)), value, rel_tol=5e-10, abs_tol=5e-324)


def test_known_encodings() -> None:
    bar = Bar(
        "1s", "BTCUSDT", 1_721_347_200_000, *map(Decimal, ("64000.10", "64001.00", "63999.90", "64000.50")),
        Decimal("1.250"), Decimal("80000.6250"), None, 12, "complete",
    )  # fmt: skip
    assert encode(bar) == {
        "open": "64000.10", "high": "64001.00", "low": "63999.90", "close": "64000.50", "volume": "1.250",
        "quote_volume": "80000.6250", "trades": "12", "status": "complete",
    }  # fmt: skip
    assert encode(Event("gap", 5, "lost", symbol="BTCUSDT", first_id=0)) == {
        "kind": "gap", "bar_ms": "5", "reason": "lost", "symbol": "BTCUSDT", "first_id": "0",
    }  # fmt: skip
    alert = Alert("r", "zscore", "A~B", "1s", "fired", -2.0, 2.0, 7, {"b": 1, "a": "ü"}, 9)
    assert encode(alert) == {
        "rule": "r", "kind": "zscore", "pair": "A~B", "interval": "1s", "state": "fired", "value": "-2", "threshold": "2",
        "bar_ms": "7", "explain": '{"a":"ü","b":1}', "at_ms": "9",
    }  # fmt: skip
    assert encode(Tick("BTCUSDT", 1, 2, "64000.10", "0.002")) == {"price": "64000.10", "size": "0.002"}


def test_big_and_small_decimals_keep_their_digits() -> None:
    text = "123456789012345678901234567890.000000000000000000000000000001"
    channel = Channel("bars", ("1s", "A"))
    fields = dict.fromkeys(("open", "high", "low", "close", "volume"), text) | {"status": "complete"}
    assert encode(decode(channel, "0-0", fields)) == fields


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_refused(value: float) -> None:
    with pytest.raises(BadInput, match="unknown is an absent field"):
        encode(Alert("r", "zscore", "A~B", "1s", "fired", value, 2.0, 7, {}))


@pytest.mark.parametrize(
    ("channel", "entry", "fields"),
    [
        (Channel("bars", ("1s", "A")), "5-0", {}),
        (Channel("bars", ("1s", "A")), "5-0", {"open": "x"}),
        (Channel("pairs", ("1s", "A~B")), "5-0", {"y": "1", "x": "1", "window_bars": "1.5"}),
        (Channel("alerts"), "5-0", {"explain": "{"}),
        (Channel("ticks", ("A",)), "5-x", {"price": "1", "size": "1"}),
        (Channel("ticks", ("A",)), "x", {"price": "1", "size": "1"}),
        (Channel("ticks", ("A",)), "5-1", {"price": "1", "size": "1", "time_ms": "soon"}),
        (Channel("ticks", ("A",)), "5-1", {"price": "1"}),
        (Channel("ticks", ()), "5-1", {"price": "1", "size": "1"}),
    ],
)
def test_entries_that_are_no_message_are_bad_input(channel: Channel, entry: str, fields: dict[str, str]) -> None:
    with pytest.raises(BadInput):
        decode(channel, entry, fields)


def test_fields_of_a_later_version_are_ignored() -> None:
    tick = decode(Channel("ticks", ("A",)), "5-1", {"price": "1", "size": "2", "venue": "moon", "v": "2"})
    assert tick == Tick("A", 5, 1, "1", "2")


def tick_entry(tick: Tick, later_ms: int, swap: bool) -> list[Any]:
    """An XREAD entry of the tick by the topic's description, behind an entry that is `later_ms` later than the trade."""
    fields = encode(tick)
    if later_ms:
        fields["time_ms"] = str(tick.time_ms)
    pairs = list(fields.items())
    return [f"{tick.time_ms + later_ms}-{tick.trade_id}", list(chain(*(reversed(pairs) if swap else pairs)))]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(some.ticks, st.sampled_from([0, 0, 3]), st.booleans()), min_size=1, max_size=8))
def test_batch_of_ticks_is_each_entry_decoded(rows: list[tuple[Tick, int, bool]]) -> None:
    entries = [tick_entry(*row) for row in rows]
    batch = decode_ticks("A", entries)
    for at, (entry_id, flat) in enumerate(entries):
        tick = decode(Channel("ticks", ("A",)), entry_id, dict(zip(flat[::2], flat[1::2], strict=True)))
        skipped, resumed_ms, late = batch.notes.get(at, (0, None, False))
        assert tick == Tick(
            "A", batch.time_ms[at], batch.trade_id[at], batch.price[at], batch.size[at], batch.side[at],
            batch.trades[at], skipped, resumed_ms, int(late),
        )  # fmt: skip
        assert tick == rows[at][0]._replace(symbol="A")
    assert batch.last_entry_id == entries[-1][0]
    assert {len(column) for column in batch[1:7]} == {len(rows)}


@pytest.mark.parametrize("flat", [["size", "1"], ["price", "1"], ["price", "1", "size", "1", "trades", "many"], ["price"]])
def test_batch_with_an_entry_that_is_no_tick_is_bad_input(flat: list[str]) -> None:
    with pytest.raises(BadInput, match="5-2 of ticks:A"):
        decode_ticks("A", [["5-1", ["price", "1", "size", "1"]], ["5-2", flat]])


@settings(max_examples=200, deadline=None)
@given(some.ticks, st.sampled_from([0, 0, 3]))
def test_packed_tick_is_the_generic_encoding(tick: Tick, later_ms: int) -> None:
    parser = hiredis.Reader(encoding="utf-8")
    key = f"ticks:{tick.symbol}"
    parser.feed(pack_tick(key, tick, tick.time_ms + later_ms).encode())
    command = parser.gets()
    assert parser.gets() is False
    expected_id, flat = tick_entry(tick, later_ms, swap=False)
    assert command == ["XADD", key, expected_id, *flat]


def test_every_field_is_documented_and_of_a_known_kind() -> None:
    for topic in TOPICS.values():
        specs = field_specs(topic.message)
        assert [spec.name for spec in specs] == list(topic.message._fields)
        assert all(spec.description for spec in specs)
        json_fields = {spec.name for spec in specs if spec.kind == "json"}
        assert json_fields <= {"tests", "explain"}


def test_what_stands_in_key_or_id_is_not_repeated_in_the_fields() -> None:
    names = {name: [spec.name for spec in wire_specs(topic)] for name, topic in TOPICS.items()}
    assert names["ticks"] == ["price", "size", "side", "trades", "skipped", "resumed_ms", "late"]
    assert names["bars"][:4] == ["open", "high", "low", "close"]
    assert names["pairs"][0] == "hedge_ratio"
    assert names["tests"][0] == "bar_ms", "the id of a counter may show a later time"
    assert {"pair", "interval", "bar_ms"} <= set(names["alerts"])


def test_choices_and_optional_fields_are_read_from_the_declaration() -> None:
    side = next(spec for spec in field_specs(Tick) if spec.name == "side")
    assert (side.kind, side.optional, side.choices) == ("text", True, ("buy", "sell"))
    zscore = next(spec for spec in field_specs(PairStats) if spec.name == "zscore")
    assert (zscore.kind, zscore.optional, zscore.default) == ("float", True, None)
    assert TICKS.sequence == "trade_id"
