"""The topics as an AsyncAPI 3.0 document, made from the message declarations and the topic table. Pure."""

from typing import Any

from shared import __version__
from shared.codec import FieldSpec, Kind, encode, field_specs, wire_specs
from shared.messages import Tick
from shared.samples import SAMPLES
from shared.topics import TICKS, TOPICS, Topic

_INFO = """\
A topic is one Redis Stream. What follows holds for all of them.

**Entries.** All values are UTF-8 text that can be read in redis-cli; the payload schemas describe an entry's fields as an
object of strings. Numbers are plain decimals without exponent; times are integer milliseconds UTC on the exchange's clock and
their names end in `_ms`; a field that is unknown is absent, never `nan` or 0. What stands in the key or in the entry's id is not
repeated in the fields. Entries never change; fields may be added, so ignore those that you do not know.

**Keys.** `[NAMESPACE:]` address, followed by `:{p}` in literal braces if there is more than one partition,
p = crc16(last parameter, without its @VARIANT) mod PARTITIONS, with the CRC-16/XMODEM of Redis Cluster; a topic without
parameters is in partition 0. Live data has no namespace, a replay lives in `replay`, a simulation in `simulator`, unless
PAIRSTREAM_NAMESPACE is set. `HGET pairstream:source namespace` answers that of the stack that runs.

**Reading.** `XREAD BLOCK 2000 COUNT 1000 STREAMS key id`, where id is that of the last entry you have dealt with: keep it
yourself, and you lose nothing and see nothing twice. Begin with `0` for everything that is kept, or with the newest entry's id
(`XREVRANGE key + - COUNT 1`). That needs no right to write. Do not pass `$` more than once: what comes between two calls is lost.
Entries are kept for PAIRSTREAM_RETENTION_HOURS, counted back from each stream's newest entry.
"""

_FLOWS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ingestor": ((), ("ticks", "events")),
    "sampler": (("ticks",), ("bars", "events")),
    "analytics": (("bars",), ("pairs", "tests")),
    "alerter": (("pairs",), ("alerts",)),
    "ui": (("bars", "pairs", "tests", "alerts", "events"), ()),
    "consumer": (tuple(TOPICS), ()),
}
"""Service → topics that it receives and sends; `consumer` is any program outside."""

_ACTORS = {
    "ingestor": "trades from the exchange, a recording or a simulator",
    "sampler": "ticks to bars",
    "analytics": "bars to pair statistics",
    "alerter": "pair statistics to alerts",
    "ui": "the web page",
    "consumer": "your own program",
}

_OTHER_KEYS = {
    "pairstream:source": "hash, never prefixed: source, reason, namespace, started_ms of the stack that runs",
    "symbols": "set: the followed symbols",
    "pairs": "hash: Y~X or Y~X@VARIANT to the parameters as JSON",
    "rules": "hash: name of an alert rule to the rule as JSON",
    "watermarks": "hash: symbol to the time in ms before which no trade is still to come, with ` end` where the source has ended",
}

_PATTERNS: dict[Kind, str] = {
    "integer": "^-?[0-9]+$",
    "digits": r"^-?[0-9]+(\.[0-9]+)?$",
    "decimal": r"^-?[0-9]+(\.[0-9]+)?$",
    "float": r"^-?[0-9]+(\.[0-9]+)?$",
}

_PARAMETER_EXAMPLES = {"symbol": ["BTCUSDT"], "interval": ["1s", "1m", "5m"], "pair": ["ETHUSDT~BTCUSDT", "ETHUSDT~BTCUSDT@w600"]}


def document() -> dict[str, Any]:
    """The AsyncAPI document, ready for JSON."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Pairstream",
            "version": __version__,
            "description": _INFO,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"redis": _server()},
        "channels": {name: _channel(topic) for name, topic in TOPICS.items()},
        "operations": _operations(),
        "components": {
            "messages": {topic.message.__name__: _message(topic) for topic in TOPICS.values()},
            "schemas": {topic.message.__name__: _payload(topic) for topic in TOPICS.values()},
            "securitySchemes": {"password": {"type": "userPassword", "description": "AUTH of Redis"}},
        },
        "x-redis-keys": _OTHER_KEYS,
    }


def _server() -> dict[str, Any]:
    return {
        "host": "127.0.0.1:{port}",
        "pathname": "/0",
        "protocol": "redis",
        "protocolVersion": "6.2",
        "description": "Redis or Valkey, 6.2 or newer. `pairstream topics` prints the URL with the password.",
        "variables": {"port": {"default": "6379", "description": "another if 6379 was taken at the start"}},
        "security": [{"$ref": "#/components/securitySchemes/password"}],
    }


def _channel(topic: Topic) -> dict[str, Any]:
    address = ":".join((topic.name, *(f"{{{name}}}" for name in topic.parameters)))
    specs = {spec.name: spec for spec in field_specs(topic.message)}
    channel: dict[str, Any] = {
        "address": address,
        "title": topic.name,
        "description": topic.description,
        "servers": [{"$ref": "#/servers/redis"}],
        "messages": {topic.message.__name__: {"$ref": f"#/components/messages/{topic.message.__name__}"}},
        "x-redis": {
            "type": "stream",
            "key": f"[NAMESPACE:]{address}",
            "key-partitioned": f"[NAMESPACE:]{address}:{{p}}",
            "entry-id": topic.id_description,
        },
    }
    if topic.parameters:
        channel["parameters"] = {
            name: {"description": specs[name].description, "examples": _PARAMETER_EXAMPLES[name]} for name in topic.parameters
        }
    return channel


def _operations() -> dict[str, Any]:
    return {
        f"{actor}.{action}.{name}": {
            "action": action,
            "channel": {"$ref": f"#/channels/{name}"},
            "messages": [{"$ref": f"#/channels/{name}/messages/{TOPICS[name].message.__name__}"}],
            "summary": TOPICS[name].description,
            "tags": [{"name": actor, "description": _ACTORS[actor]}],
        }
        for actor, flows in _FLOWS.items()
        for action, names in zip(("receive", "send"), flows, strict=True)
        for name in names
    }


def _message(topic: Topic) -> dict[str, Any]:
    kind = topic.message
    message: dict[str, Any] = {
        "name": kind.__name__,
        "title": kind.__name__,
        "summary": " ".join((kind.__doc__ or "").split()),
        "contentType": "application/json",
        "headers": {
            "type": "object",
            "properties": {"id": {"type": "string", "description": topic.id_description, "pattern": _id_pattern(topic)}},
            "required": ["id"],
        },
        "payload": {"$ref": f"#/components/schemas/{kind.__name__}"},
        "examples": [
            {"name": f"{topic.name}-{number}", "headers": {"id": entry_id}, "payload": encode(sample)}
            for number, (entry_id, sample) in enumerate(SAMPLES[topic.name], 1)
        ],
    }
    if any(spec.name == "request_id" for spec in wire_specs(topic)):
        message["correlationId"] = {"location": "$message.payload#/request_id"}
    return message


def _id_pattern(topic: Topic) -> str:
    return "^[0-9]+-0$" if topic.sequence == "zero" else "^[0-9]+-[0-9]+$"


def _payload(topic: Topic) -> dict[str, Any]:
    """The fields of an entry. Additional ones are allowed: a later version may have more."""
    specs = list(wire_specs(topic))
    if topic is TICKS:
        # The one field of an entry that depends on the entry before it.
        time_ms = next(spec for spec in field_specs(Tick) if spec.name == topic.time)
        specs.append(time_ms._replace(optional=True))
    return {
        "type": "object",
        "properties": {spec.name: _field(spec) for spec in specs},
        "required": [spec.name for spec in specs if not spec.optional and spec.default is None],
    }


def _field(spec: FieldSpec) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", "description": spec.description}
    if spec.choices:
        schema["enum"] = list(spec.choices)
    if spec.kind in _PATTERNS:
        schema["pattern"] = _PATTERNS[spec.kind]
    if spec.kind == "json":
        schema["contentMediaType"] = "application/json"
    if spec.default is not None:
        schema["x-absent-means"] = str(spec.default)
    return schema
