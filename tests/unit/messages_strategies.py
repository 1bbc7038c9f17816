"""Hypothesis strategies for every message type."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from shared.messages import Alert, Bar, CointegrationReport, Event, PairStats, Tick

times = st.integers(0, 4_000_000_000_000)
counts = st.integers(0, 2**53)
symbols = st.sampled_from(["BTCUSDT", "ETHUSDT", "1000PEPEUSDT", "币安人生USDT"])
pairs = st.builds("{}~{}{}".format, symbols, symbols, st.sampled_from(["", "@w600"]))
intervals = st.sampled_from(["1s", "1m", "5m", "1h"])
words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=30)
decimals = st.decimals(Decimal("-1e20"), Decimal("1e20"), allow_nan=False, allow_infinity=False)
amounts = st.decimals(0, Decimal("1e12"), places=8)
plain_decimals = amounts.map(lambda amount: format(amount, "f"))
floats = st.floats(-1e300, 1e300)
"""Short of the greatest, which ten digits would round up to infinity."""
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | floats | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)
json_objects: st.SearchStrategy[dict[str, Any]] = st.dictionaries(words, json_values, max_size=4)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


ticks = st.builds(
    Tick,
    symbols,
    times,
    counts,
    plain_decimals,
    plain_decimals,
    st.sampled_from([None, "buy", "sell"]),
    st.integers(1, 50),
    st.integers(0, 50),
    maybe(times),
    st.integers(0, 1),
)
bars = st.builds(
    Bar,
    intervals,
    symbols,
    times,
    *[decimals] * 4,
    amounts,
    maybe(amounts),
    maybe(amounts),
    maybe(counts),
    st.sampled_from(["complete", "repaired", "gap", "unverified", "quiet", "partial", "imported", "exchange"]),
    maybe(decimals),
    maybe(counts),
    maybe(counts),
    maybe(counts),
)
pair_stats = st.builds(
    PairStats,
    intervals,
    pairs,
    times,
    *[maybe(floats)] * 9,
    decimals,
    decimals,
    st.integers(2, 100_000),
    st.floats(0, 1),
    st.sampled_from(["ok", "warming_up", "low_coverage", "constant_leg", "constant_spread"]),
    st.sampled_from(["log", "raw"]),
    st.sampled_from(["lagged", "inclusive"]),
)
reports = st.builds(
    CointegrationReport,
    intervals,
    pairs,
    times,
    times,
    counts,
    counts,
    st.sampled_from(["log", "raw"]),
    words,
    maybe(floats),
    maybe(floats),
    st.lists(json_objects, max_size=2),
    maybe(words),
)
alerts = st.builds(
    Alert,
    words,
    words,
    pairs,
    intervals,
    st.sampled_from(["fired", "resolved", "acknowledged"]),
    floats,
    floats,
    times,
    json_objects,
    maybe(times),
)
events = st.builds(
    Event,
    st.sampled_from(["gap", "repaired", "late", "rejected", "feed_down", "feed_up", "source_changed"]),
    times,
    words,
    maybe(symbols),
    *[maybe(counts)] * 2,
    *[maybe(times)] * 2,
    maybe(counts),
)
messages = st.one_of(ticks, bars, pair_stats, reports, alerts, events)
