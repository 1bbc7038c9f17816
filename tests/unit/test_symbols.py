"""Names of instruments, pairs and intervals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadInput
from shared.intervals import interval_ms, open_time_ms
from shared.symbols import Pair, symbol_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("BTCUSDT", "BTCUSDT"),
        (" ethusdt\n", "ETHUSDT"),
        ("1000shib-perp_x", "1000SHIB-PERP_X"),
        ("币安人生USDT", "币安人生USDT"),
        ("A" * 40, "A" * 40),
    ],
)
def test_symbols_are_spelled_as_the_venue_does(text: str, name: str) -> None:
    assert symbol_name(text) == name


@pytest.mark.parametrize(
    "text", ["", "  ", "A" * 41, "A B", "A~B", "A:B", "A@B", "{A}", "*", "A,B", "A/B", "A\x00", "A\u200b", "<A>", "A'B"]
)
def test_what_would_break_a_key_is_no_symbol(text: str) -> None:
    with pytest.raises(BadInput, match="is no symbol; write it as the venue does"):
        symbol_name(text)


@given(st.text(max_size=45))
def test_any_text_is_a_symbol_or_bad_input(text: str) -> None:
    try:
        name = symbol_name(text)
    except BadInput:
        return
    assert symbol_name(name) == name
    assert not set(name) & set("~:@{}* ,")


def test_pair() -> None:
    assert Pair.parse("ethusdt ~ btcusdt") == Pair("ETHUSDT", "BTCUSDT")
    assert str(Pair("ETHUSDT", "BTCUSDT")) == "ETHUSDT~BTCUSDT"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ETHUSDT", "is no pair"),
        ("A~B~C", "is no pair"),
        ("", "is no pair"),
        ("~B", "is no symbol"),
        ("A~a", "with itself"),
        ("A~B@w600", "is no symbol"),
    ],
)
def test_what_is_no_pair(text: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        Pair.parse(text)


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1s", 1_000),
        ("15s", 15_000),
        ("1m", 60_000),
        ("5m", 300_000),
        ("4h", 14_400_000),
        ("1d", 86_400_000),
        ("9999s", 9_999_000),
    ],
)
def test_intervals(text: str, ms: int) -> None:
    assert interval_ms(text) == ms


@pytest.mark.parametrize("text", ["", "s", "0s", "01s", "1 s", "1S", "1w", "-1s", "1.5m", "10000s", "1s\n", "١s"])
def test_what_is_no_interval(text: str) -> None:
    with pytest.raises(BadInput, match="is no interval"):
        interval_ms(text)


@given(st.integers(0, 4_000_000_000_000), st.sampled_from([1_000, 60_000, 300_000, 86_400_000]))
def test_open_time_is_the_grid_point_at_or_before(time_ms: int, width_ms: int) -> None:
    opened = open_time_ms(time_ms, width_ms)
    assert opened % width_ms == 0
    assert opened <= time_ms < opened + width_ms
