"""Messages as Redis Stream fields and back: plain text that a person can read in redis-cli.

Decimals keep their digits, floats have 10 significant ones (BLAS builds differ in the last bits), no exponents, JSON for
structured fields, nothing for unknown. What stands in the key or the id is not repeated in the fields.
"""

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin, get_type_hints

import orjson

from shared.errors import BadInput
from shared.messages import Message, TickBatch
from shared.topics import TICKS, TOPICS, Channel, Topic, topic_of

Kind = Literal["text", "digits", "integer", "decimal", "float", "json"]
_KINDS: dict[Any, Kind] = {str: "text", int: "integer", Decimal: "decimal", float: "float"}


class FieldSpec(NamedTuple):
    """One field of a message as declared."""

    name: str
    kind: Kind
    optional: bool
    default: Any
    choices: tuple[str, ...]
    description: str


def _spec(name: str, hint: Any, default: Any) -> FieldSpec:
    assert get_origin(hint) is Annotated, name
    inner, description, *form = get_args(hint)
    members = [m for m in get_args(inner) if m is not NoneType] if isinstance(inner, UnionType) else [inner]
    optional = isinstance(inner, UnionType)
    choices: tuple[str, ...] = ()
    if get_origin(members[0]) is Literal:
        choices, members = get_args(members[0]), [str]
    elif get_origin(inner) is not None and get_origin(inner) not in (UnionType, list, dict):
        # Optional[Literal[...]] is spelled as typing.Union by the interpreter
        members = [m for m in get_args(inner) if m is not NoneType]
        optional = True
        if get_origin(members[0]) is Literal:
            choices, members = get_args(members[0]), [str]
    kind: Kind = "digits" if "digits" in form else _KINDS.get(members[0], "json")
    return FieldSpec(name, kind, optional, default, choices, description)


def field_specs(message: Any) -> tuple[FieldSpec, ...]:
    """The fields of a message type (a named tuple), in order of declaration; those of the key and the id included."""
    hints = get_type_hints(message, include_extras=True)
    return tuple(_spec(name, hints[name], message._field_defaults.get(name)) for name in message._fields)


@cache
def wire_specs(topic: Topic) -> tuple[FieldSpec, ...]:
    """The fields that are written to the entry: all but those of the key and of the id."""
    in_key = {*topic.parameters, topic.time, *(("trade_id",) if topic.sequence == "trade_id" else ())}
    if topic.sequence == "counter":
        in_key.discard(topic.time)  # the id may show a later time than the message's own
    return tuple(spec for spec in field_specs(topic.message) if spec.name not in in_key)


def float_text(value: float) -> str:
    """A float as a plain decimal with 10 significant digits.

    >>> float_text(-0.0000123), float_text(1/3), float_text(2.0)
    ('-0.0000123', '0.3333333333', '2')
    """
    text = format(value, ".10g")
    return format(Decimal(text), "f") if "e" in text else text


def _text(kind: Kind, value: Any) -> str:
    if kind == "decimal":
        return format(value, "f")
    if kind == "float":
        if not isfinite(value):
            raise BadInput(f"{value} is no number; unknown is an absent field")
        return float_text(value + 0.0)  # turns -0.0 into 0.0
    if kind == "json":
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY).decode()
    return str(value)


def encode(message: Message) -> dict[str, str]:
    """The fields of the stream entry, in order of declaration; optional fields at their default are left out.

    A tick's own time is added by the tick writer, where the entry's id shows a later one.
    """
    topic = topic_of(message)
    fields = {}
    for spec in wire_specs(topic):
        value = getattr(message, spec.name)
        if value is None or (spec.default is not None and value == spec.default):
            continue
        fields[spec.name] = _text(spec.kind, value)
    return fields


def _value(spec: FieldSpec, text: str) -> Any:
    match spec.kind:
        case "integer":
            return int(text)
        case "decimal":
            return Decimal(text)
        case "float":
            return float(text)
        case "json":
            return orjson.loads(text)
        case "digits":
            return _digits(text)
        case _:
            return text


def decode(channel: Channel, entry_id: str, fields: Mapping[str, str]) -> Any:
    """The message of a stream entry. Fields that this version does not know are ignored. Raises `BadInput`."""
    topic = TOPICS[channel.topic]
    try:
        ms, _, sequence = entry_id.partition("-")
        values: dict[str, Any] = dict(zip(topic.parameters, channel.parameters, strict=True))
        values[topic.time] = int(ms)
        if topic.sequence == "trade_id":
            values["trade_id"] = int(sequence)
            if "time_ms" in fields:
                values["time_ms"] = int(fields["time_ms"])
        for spec in wire_specs(topic):
            if spec.name in fields:
                values[spec.name] = _value(spec, fields[spec.name])
            elif spec.name not in topic.message._field_defaults and spec.optional:
                values[spec.name] = None
        return topic.message(**values)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise BadInput(f"entry {entry_id} of {channel}: {error}") from error


def _digits(text: str) -> str:
    if not text.replace(".", "", 1).isdecimal():
        raise ValueError(f"{text!r} is no plain decimal")
    return text


def decode_ticks(symbol: str, entries: list[list[Any]]) -> TickBatch:
    """A batch of ticks from the entries of an XREAD reply, ``[[id, [field, value, …]], …]``, in stream order.

    Raises `BadInput`.
    """
    time_ms: list[int] = []
    trade_id: list[int] = []
    price: list[str] = []
    size: list[str] = []
    side: list[str | None] = []
    trades: list[int] = []
    notes: dict[int, tuple[int, int | None, bool]] = {}
    entry_id = ""
    try:
        for row, (entry_id, flat) in enumerate(entries):
            ms, _, sequence = entry_id.partition("-")
            trade_id.append(int(sequence))
            # The ingestor's order of fields, nothing else: the common case, decided without a dict.
            if len(flat) == 6 and flat[0] == "price" and flat[2] == "size" and flat[4] == "side":
                time_ms.append(int(ms))
                price.append(_digits(flat[1]))
                size.append(_digits(flat[3]))
                side.append(flat[5])
                trades.append(1)
                continue
            fields = dict(zip(flat[::2], flat[1::2], strict=True))
            time_ms.append(int(fields.get("time_ms", ms)))
            price.append(_digits(fields["price"]))
            size.append(_digits(fields["size"]))
            side.append(fields.get("side"))
            trades.append(int(fields.get("trades", "1")))
            if "skipped" in fields or "resumed_ms" in fields or "late" in fields:
                resumed = fields.get("resumed_ms")
                notes[row] = (int(fields.get("skipped", "0")), None if resumed is None else int(resumed), "late" in fields)
    except (KeyError, ValueError) as error:
        missing = f"{error} is missing" if isinstance(error, KeyError) else error
        raise BadInput(f"entry {entry_id} of {TICKS.name}:{symbol}: {missing}") from error
    return TickBatch(symbol, time_ms, trade_id, price, size, side, trades, notes, entries[-1][0])
