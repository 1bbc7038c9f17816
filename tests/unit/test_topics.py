"""Keys, partitions and the topic table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadInput
from shared.messages import Tick
from shared.topics import TOPICS, Channel, Keyspace, topic_of
from tests.unit import messages_strategies as some


@pytest.mark.parametrize(("text", "slot"), [("foo", 12182), ("bar", 5061), ("hello", 866), ("123456789", 0x31C3)])
def test_partition_is_the_crc16_of_redis_cluster(text: str, slot: int) -> None:
    """Slots as CLUSTER KEYSLOT answers them; the last is the check value of CRC-16/XMODEM."""
    assert Keyspace("", 16384).partition(text) == slot % 16384


@pytest.mark.parametrize(
    ("keyspace", "channel", "key"),
    [
        (Keyspace(), Channel("ticks", ("BTCUSDT",)), "ticks:BTCUSDT"),
        (Keyspace(), Channel("pairs", ("1s", "ETHUSDT~BTCUSDT")), "pairs:1s:ETHUSDT~BTCUSDT"),
        (Keyspace(), Channel("alerts"), "alerts"),
        (Keyspace("replay"), Channel("bars", ("1m", "ETHUSDT")), "replay:bars:1m:ETHUSDT"),
        (Keyspace("", 16), Channel("alerts"), "alerts:{0}"),
        (Keyspace("desk", 16), Channel("ticks", ("123456789",)), "desk:ticks:123456789:{3}"),
        (Keyspace("", 1000), Channel("bars", ("1s", "foo")), "bars:1s:foo:{950}"),
    ],
)
def test_keys_are_those_of_the_contract(keyspace: Keyspace, channel: Channel, key: str) -> None:
    assert keyspace.key(channel) == key
    assert keyspace.channel(key) == channel


@given(
    some.messages,
    st.builds(Keyspace, st.sampled_from(["", "replay", "dataset.may", "a-b"]), st.sampled_from([1, 2, 16, 1024])),
)
def test_every_channel_is_found_again_from_its_key(message: object, keyspace: Keyspace) -> None:
    channel = topic_of(message).channel(message)  # type: ignore[arg-type]
    assert keyspace.channel(keyspace.key(channel)) == channel


def test_variants_lie_in_the_partition_of_their_pair() -> None:
    keyspace = Keyspace("", 64)
    plain, variant = (keyspace.key(Channel("pairs", ("1s", pair))) for pair in ("ETHUSDT~BTCUSDT", "ETHUSDT~BTCUSDT@w600"))
    assert plain.rpartition(":")[2] == variant.rpartition(":")[2]


@pytest.mark.parametrize("key", ["rules", "state:alerter", "bars:1s", "ticks:A:B", "replay:ticks:A", "alerts:x", ""])
def test_other_keys_are_no_topics(key: str) -> None:
    with pytest.raises(BadInput):
        Keyspace().channel(key)


def test_keys_of_another_namespace_are_refused() -> None:
    with pytest.raises(BadInput, match="namespace 'replay'"):
        Keyspace("replay").channel("ticks:BTCUSDT")


def test_table_is_whole() -> None:
    for name, topic in TOPICS.items():
        assert topic.name == name
        assert {*topic.parameters, topic.time} <= set(topic.message._fields)
        assert topic.description.endswith(".")
        assert topic.id_description.startswith("<")
    assert set(TOPICS) == {"ticks", "bars", "pairs", "tests", "alerts", "events"}
    assert topic_of(Tick("A", 1, 2, "3", "4")) is TOPICS["ticks"]
