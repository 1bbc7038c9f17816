"""What a page is sent, from a store filled by hand."""

import base64
from decimal import Decimal

import numpy as np
import pytest

from services.ui.settings import UiSettings
from services.ui.state import Away, FeedState, Quote
from services.ui.store import Store
from services.ui.views.chart import Cursors, chart
from services.ui.views.status import status
from services.ui.views.summary import summary
from services.ui.views.view import View, parse_window
from shared.errors import BadInput
from shared.symbols import Pair
from tests.builders import START_MS, bar, pair_stats

VIEW = View(Pair("ETHUSDT", "BTCUSDT"), "1s", 300, "ETHUSDT~BTCUSDT")
QUOTES = {"ETHUSDT": Quote("3420.99", START_MS + 900, 100.0), "BTCUSDT": Quote("64000.1", START_MS + 800, 97.5)}
FEED = FeedState("replay", "HTTP 451", "replay", QUOTES, None)


def filled(count: int, view: View = VIEW) -> Store:
    store = Store(100)
    for channel in view.channels():
        store.begin(channel)
    for number in range(count):
        time_ms = START_MS + number * 1000
        store.apply(view.y, f"{time_ms}-0", bar("ETHUSDT", time_ms, f"{3420 + number}.15"))
        store.apply(view.x, f"{time_ms}-0", bar("BTCUSDT", time_ms, f"{64000 + number}.4"))
        if view.stats:
            message = pair_stats("ETHUSDT~BTCUSDT", time_ms, zscore=None if number < 2 else 0.1 * number)
            store.apply(view.stats, f"{time_ms}-0", message)
    return store


def floats(text: str) -> list[float]:
    return np.frombuffer(base64.b64decode(text), "<f8").tolist()


def test_chart_sends_a_snapshot_and_then_only_what_is_new() -> None:
    store, cursors = filled(4), Cursors()
    first = chart(store, VIEW, cursors)
    assert first.keys() == {"y", "x", "stats"}
    assert all(part["reset"] and part["rows"] == 4 for part in first.values())
    assert floats(first["y"]["close"]) == [3420.15, 3421.15, 3422.15, 3423.15]
    np.testing.assert_allclose(floats(first["stats"]["zscore"]), [np.nan, np.nan, 0.2, 0.3])
    assert chart(store, VIEW, cursors) == {}
    store.apply(VIEW.y, "", bar("ETHUSDT", START_MS + 4000, "3500.15"))
    second = chart(store, VIEW, cursors)
    assert second.keys() == {"y"}
    assert (second["y"]["reset"], floats(second["y"]["time"])) == (False, [START_MS + 4000.0])


def test_chart_of_a_variant_that_is_not_there_yet_shows_the_prices() -> None:
    assert chart(filled(2, VIEW._replace(row=None)), VIEW._replace(row=None), Cursors()).keys() == {"y", "x"}


def test_summary_gives_every_field_as_in_the_topic() -> None:
    sent = summary(filled(5), FEED, VIEW)
    fields = sent["fields"]
    assert fields["hedge_ratio"] == "0.8312345678"
    assert fields["zscore"] == "0.4"
    assert fields["y"] == "3420.15"
    assert fields["intercept"] == "-1.0612345"
    assert sent["filled"] == 300
    assert sent["legs"]["y"]["price"] == "3420.99"
    assert Decimal(sent["legs"]["x"]["price"]) == Decimal("64000.1")


def test_summary_while_warming_up_counts_bars() -> None:
    view = VIEW._replace(row=None)
    assert summary(filled(37, view), FEED, view)["filled"] == 37
    store = filled(0)
    assert summary(store, FEED._replace(quotes={}), VIEW)["legs"]["y"] == {"symbol": "ETHUSDT", "price": None, "bars": 0}
    assert VIEW.stats is not None
    store.apply(VIEW.stats, "", pair_stats("ETHUSDT~BTCUSDT", START_MS, zscore=None, coverage=37 / 300))
    assert summary(store, FEED, VIEW)["filled"] == 37


def test_summary_says_how_long_statistics_are_overdue() -> None:
    """The bar at 2 s covers up to 3 s; the next is due at 4 s. A trade at 12 s shows it 8 s late."""
    quotes = {**QUOTES, "ETHUSDT": Quote("3420.99", START_MS + 12_000, 100.0)}
    assert summary(filled(3), FEED._replace(quotes=quotes), VIEW)["behind_ms"] == 8_000
    assert summary(filled(3), FEED, VIEW)["behind_ms"] == 0


@pytest.mark.parametrize(
    ("source", "namespace", "label"),
    [
        ("binance", "", "LIVE"),
        ("replay", "replay", "REPLAY"),
        ("simulator", "simulator", "SIMULATED"),
        (None, "dataset.old", "DATASET.OLD"),
        (None, "", None),
    ],
)
def test_badge_names_the_source(source: str | None, namespace: str, label: str | None) -> None:
    assert status(FEED._replace(source=source, namespace=namespace), VIEW, 100.0)["label"] == label


def test_status_is_as_old_as_the_older_leg() -> None:
    sent = status(FEED, VIEW, 101.0)
    assert (sent["age_ms"], sent["silent"], sent["reason"]) == (3500, "BTCUSDT", "HTTP 451")
    assert status(FEED._replace(quotes={"ETHUSDT": QUOTES["ETHUSDT"]}), VIEW, 101.0)["age_ms"] is None
    assert status(FEED._replace(away=Away(5, "refused")), None, 101.0)["away"] == {"since_ms": 5, "reason": "refused"}


@pytest.mark.parametrize(("text", "window"), [("", 300), (None, 300), ("600", 600), (10, 10), ("100000", 100_000)])
def test_window(text: object, window: int) -> None:
    assert parse_window(text, 300) == window


@pytest.mark.parametrize("text", ["9", "100001", "-5", "1e3", "abc", "٣٠", 1.5, True, [], "9" * 5000])
def test_a_window_that_is_none(text: object) -> None:
    with pytest.raises(BadInput, match="10 to 100000"):
        parse_window(text, 300)


def test_origins_are_this_hosts_names_and_the_given_ones() -> None:
    settings = UiSettings(_env_file=None, host="0.0.0.0", ui_port=5006, ui_origins="desk.example:443, other.example")  # type: ignore[arg-type]
    assert settings.origins() == ["127.0.0.1:5006", "localhost:5006", "desk.example:443", "other.example"]


def test_status_gives_the_datas_time_and_who_is_not_followed() -> None:
    sent = status(FEED._replace(symbols=("ADAUSDT", "BTCUSDT")), VIEW, 101.0)
    assert (sent["live"], sent["data_ms"], sent["unfollowed"]) == (False, START_MS + 900, ["ETHUSDT"])
    assert status(FEED._replace(source="binance"), VIEW, 101.0)["live"]
    quiet = status(FEED._replace(quotes={"ETHUSDT": QUOTES["ETHUSDT"]}), VIEW, 101.0)
    assert (quiet["silent"], quiet["unfollowed"]) == ("BTCUSDT", [])
    assert status(FEED._replace(quotes={}), VIEW, 101.0)["data_ms"] is None
