"""The AsyncAPI document: valid by the official schema, current, and its examples are real entries."""

import json
import math
from typing import Any

import jsonschema
import pytest

from shared import asyncapi
from shared.cli.asyncapi import text
from shared.codec import decode, encode
from shared.messages import PairStats
from shared.samples import SAMPLES
from shared.topics import TOPICS, Channel, Keyspace
from tests.recording import ROOT

DOCUMENT: dict[str, Any] = asyncapi.document()
EXAMPLES = [(name, number) for name in TOPICS for number in range(len(SAMPLES[name]))]


def resolved(reference: str) -> Any:
    """What a local JSON pointer points to."""
    assert reference.startswith("#/"), reference
    found: Any = DOCUMENT
    for part in reference[2:].split("/"):
        found = found[part]
    return found


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for value in node.values() for found in references(value)]
    return [found for value in node for found in references(value)] if isinstance(node, list) else []


def test_valid_by_the_official_schema() -> None:
    schema = json.loads((ROOT / "tests/data/asyncapi-3.0.0.schema.json").read_text(encoding="utf-8"))
    validator = jsonschema.Draft7Validator(schema)
    assert not [f"{list(error.path)}: {error.message[:300]}" for error in validator.iter_errors(DOCUMENT)]
    assert list(validator.iter_errors(DOCUMENT | {"channels": {"ticks": {"address": 5}}})), "the schema judges"


def test_committed_document_is_current() -> None:
    committed = (ROOT / "docs/asyncapi.json").read_text(encoding="utf-8")
    assert committed == text(), "run `make generated`"
    assert json.loads(committed) == DOCUMENT


def test_every_reference_leads_somewhere() -> None:
    found = references(DOCUMENT)
    assert len(found) > 30
    for reference in found:
        assert resolved(reference)


def test_channels_are_the_topics_with_the_keys_of_the_code() -> None:
    assert set(DOCUMENT["channels"]) == set(TOPICS)
    for name, topic in TOPICS.items():
        channel = DOCUMENT["channels"][name]
        values = tuple(channel["parameters"][parameter]["examples"][0] for parameter in topic.parameters)
        address = channel["address"]
        for parameter, value in zip(topic.parameters, values, strict=True):
            address = address.replace(f"{{{parameter}}}", value)
        assert address == Keyspace().key(Channel(name, values))
        assert set(channel.get("parameters", {})) == set(topic.parameters)


def test_every_topic_is_sent_by_a_service_and_received_by_an_outside_consumer() -> None:
    operations = DOCUMENT["operations"]
    for name in TOPICS:
        uses = {actor for actor, action in ((key.split(".")[0], key) for key in operations) if action.endswith(f".send.{name}")}
        assert uses & {"ingestor", "sampler", "analytics", "alerter"}, name
        assert operations[f"consumer.receive.{name}"]["action"] == "receive"


def example(name: str, number: int) -> dict[str, Any]:
    message = DOCUMENT["components"]["messages"][TOPICS[name].message.__name__]
    found: dict[str, Any] = message["examples"][number]
    return found


def payload_errors(name: str, payload: Any) -> list[str]:
    schema = DOCUMENT["components"]["schemas"][TOPICS[name].message.__name__]
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(payload)]


@pytest.mark.parametrize(("name", "number"), EXAMPLES)
def test_examples_are_valid_and_are_entries_of_the_code(name: str, number: int) -> None:
    topic, shown = TOPICS[name], example(name, number)
    assert not payload_errors(name, shown["payload"])
    headers = DOCUMENT["components"]["messages"][topic.message.__name__]["headers"]
    jsonschema.Draft7Validator(headers).validate(shown["headers"])
    entry_id, message = SAMPLES[name][number]
    assert decode(topic.channel(message), shown["headers"]["id"], shown["payload"]) == message
    assert entry_id == shown["headers"]["id"]


@pytest.mark.parametrize("name", TOPICS)
def test_schema_refuses_what_is_no_entry(name: str) -> None:
    payload = example(name, 0)["payload"]
    for spec in DOCUMENT["components"]["schemas"][TOPICS[name].message.__name__]["required"]:
        assert payload_errors(name, {field: value for field, value in payload.items() if field != spec})
    number = next(field for field in payload if field in ("price", "close", "zscore", "nobs", "value", "bar_ms"))
    for wrong in ("nan", "1e5", "", 5, None):
        assert payload_errors(name, payload | {number: wrong}), wrong
    assert not payload_errors(name, payload | {"field_of_a_later_version": "x"})


def test_later_trade_time_of_a_tick_is_in_the_schema() -> None:
    assert not payload_errors("ticks", example("ticks", 0)["payload"] | {"time_ms": "1721347200120"})
    assert payload_errors("ticks", example("ticks", 0)["payload"] | {"time_ms": "soon"})


def test_figures_of_the_examples_belong_together() -> None:
    stats = SAMPLES["pairs"][0][1]
    assert isinstance(stats, PairStats)
    y, x = math.log(stats.y), math.log(stats.x)
    assert stats.spread is not None
    assert stats.intercept is not None
    assert stats.hedge_ratio is not None
    assert stats.zscore is not None
    assert stats.spread_mean is not None
    assert stats.spread_std is not None
    assert stats.spread == pytest.approx(y - stats.intercept - stats.hedge_ratio * x, abs=1e-8)
    assert stats.zscore == pytest.approx((stats.spread - stats.spread_mean) / stats.spread_std, rel=1e-8)
    assert encode(SAMPLES["alerts"][0][1])["value"] == encode(stats)["zscore"]
