"""Frames as the venue documents them, and everything that a socket may carry besides."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingestor.binance import Print, Reply, parse
from shared.errors import BadInput
from shared.messages import Tick

# The example of the venue's documentation of the aggregate trade stream.
AGG_TRADE = {
    "e": "aggTrade", "E": 123456789, "s": "BTCUSDT", "a": 5933014, "p": "0.001", "q": "100", "nq": "100",
    "f": 100, "l": 105, "T": 123456785, "m": True,
}  # fmt: skip
# A line of the recording.
TRADE = {
    "e": "trade", "E": 1721347022708, "T": 1721347022707, "s": "ETHUSDT", "t": 4217896584, "p": "3424.98", "q": "0.007",
    "X": "MARKET", "m": False,
}  # fmt: skip


def wrapped(data: dict[str, Any]) -> bytes:
    return json.dumps({"stream": f"{data['s'].lower()}@{data['e']}", "data": data}, separators=(",", ":")).encode()


def bare(data: dict[str, Any]) -> bytes:
    return json.dumps(data).encode()


@pytest.mark.parametrize("frame", [wrapped, bare])
def test_aggregate_trade(frame: Any) -> None:
    tick = Tick("BTCUSDT", 123456785, 5933014, "0.001", "100", "sell", trades=6)
    assert parse(frame(AGG_TRADE)) == Print("aggTrade", 123456789, tick, True)


@pytest.mark.parametrize("frame", [wrapped, bare])
def test_trade(frame: Any) -> None:
    tick = Tick("ETHUSDT", 1721347022707, 4217896584, "3424.98", "0.007", "buy")
    assert parse(frame(TRADE)) == Print("trade", 1721347022708, tick, True)


def test_members_in_another_order() -> None:
    frame = json.dumps({"data": dict(reversed(TRADE.items())), "stream": "ethusdt@trade"}).encode()
    assert parse(frame) == parse(wrapped(TRADE))


@pytest.mark.parametrize("kind", ["INSURANCE_FUND", "ADL", "NA", "SOMETHING_NEW"])
def test_only_market_trades_count(kind: str) -> None:
    found = parse(wrapped(TRADE | {"X": kind}))
    assert isinstance(found, Print)
    assert not found.market
    assert found.tick.trade_id == 4217896584


@pytest.mark.parametrize("zero", ["0", "0.0", "0.000"])
@pytest.mark.parametrize("member", ["p", "q"])
@pytest.mark.parametrize("data", [AGG_TRADE, TRADE])
def test_zero_prints_do_not_count(data: dict[str, Any], member: str, zero: str) -> None:
    found = parse(wrapped(data | {member: zero}))
    assert isinstance(found, Print)
    assert not found.market


def test_answers_to_requests() -> None:
    assert parse(b'{"result":null,"id":1}') == Reply(1, None)
    assert parse(b'{"result":["btcusdt@aggTrade"],"id":3}') == Reply(3, None)
    found = parse(b'{"code":2,"msg":"Invalid request: unknown variant `X`"}')
    assert isinstance(found, Reply)
    assert found.error == "2: Invalid request: unknown variant `X`"


@pytest.mark.parametrize(
    "changed",
    [
        {"p": "-1"}, {"p": "1e5"}, {"p": "NaN"}, {"p": "Infinity"}, {"p": ""}, {"p": " 1"}, {"p": "1."}, {"p": ".5"},
        {"p": "1,5"}, {"p": "٣"}, {"p": "1\n"}, {"p": "1" * 21}, {"q": "0x10"}, {"q": 3}, {"q": None}, {"s": ""},
        {"s": "BTC:USDT"}, {"s": "A" * 41}, {"T": 0}, {"T": -1}, {"T": "1"}, {"T": 1.5}, {"T": 10**15}, {"E": None},
        {"m": "yes"}, {"e": "kline"}, {"T": 1721347022708 + 60_001}, {"T": 1721347022708 - 600_001},
        {"E": 99_000_000_000_000}, {"E": 1721347022707 + 3_600_000},
    ],
)  # fmt: skip
@pytest.mark.parametrize("frame", [wrapped, bare])
def test_what_cannot_be_used_is_refused(frame: Any, changed: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        parse(frame(TRADE | changed))


@pytest.mark.parametrize("trade_id", [-1, 2**62, 2**63, 2**64, 10**30, "7", 7.5])
def test_ids_are_natural_numbers(trade_id: Any) -> None:
    with pytest.raises(BadInput):
        parse(wrapped(TRADE | {"t": trade_id}))
    with pytest.raises(BadInput):
        parse(wrapped(AGG_TRADE | {"a": trade_id}))


@pytest.mark.parametrize("ids", [{"f": 106}, {"f": 0, "l": 2**63 - 1}, {"f": 0, "l": 2**62}, {"f": 1, "l": 1_000_001}])
def test_an_aggregate_of_no_trades_or_of_absurdly_many(ids: dict[str, int]) -> None:
    with pytest.raises(BadInput):
        parse(wrapped(AGG_TRADE | ids))


def test_an_aggregate_of_many_trades() -> None:
    found = parse(wrapped(AGG_TRADE | {"f": 1, "l": 1_000_000}))
    assert isinstance(found, Print)
    assert found.tick.trades == 1_000_000


@pytest.mark.parametrize(
    "frame",
    [b"", b"null", b"[]", b"{}", b"{", b'{"stream"', b'{"stream":1}', b'{"stream":"x","data":{}}', b"\xff\xfe", b"\x00",
     b'{"e":"trade"}', b"[" * 100_000, b'{"data":' * 50_000, b'{"stream":' + b'{"a":' * 50_000, b"<html></html>", b'{"result":'],
)  # fmt: skip
def test_garbage(frame: bytes) -> None:
    with pytest.raises(BadInput):
        parse(frame)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*AGG_TRADE, "X", "t", "data", "stream"]), inner),
    max_leaves=12,
)


def only_bad_input(frame: bytes) -> None:
    try:
        found = parse(frame)
    except BadInput:
        return
    assert isinstance(found, Print | Reply)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_print_an_answer_or_refused(frame: bytes) -> None:
    only_bad_input(frame)


@given(st.sampled_from([AGG_TRADE, TRADE]), st.dictionaries(st.sampled_from([*AGG_TRADE, "X", "t"]), _JSON, max_size=4))
def test_any_members_are_a_print_or_refused(data: dict[str, Any], changed: dict[str, Any]) -> None:
    for frame in (json.dumps(data | changed).encode(), json.dumps({"stream": "x", "data": data | changed}).encode()):
        only_bad_input(frame)


@given(st.integers(0, 300))
def test_truncated_frames(length: int) -> None:
    only_bad_input(wrapped(AGG_TRADE)[:length])
    only_bad_input(wrapped(TRADE)[length:])
