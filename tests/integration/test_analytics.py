"""The analytics as a process on a real Redis: rows equal the oracle's, once each, through kill -9; pairs, tests, downloads."""

import csv
import io
import json
import time
from binascii import crc_hqx
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import redis
from statsmodels.tsa.stattools import coint

from tests.oracle import STATISTICS, expected_pair_rows
from tests.processes import ServiceProcess
from tests.recording import DATA, SYMBOLS
from tests.waiting import wait_until_sync

PAIR = "ETHUSDT~BTCUSDT"
WINDOW = 60
Client = Any
Bars = dict[str, list[dict[str, str]]]


@pytest.fixture
def client(redis_url: str) -> Iterator[Client]:
    made = redis.Redis.from_url(redis_url, decode_responses=True)
    made.hset("pairstream:source", mapping={"source": "none", "reason": "", "namespace": "", "started_ms": "1"})
    yield made
    made.close()


@pytest.fixture
def analytics(redis_url: str, tmp_path: Path) -> Iterator[ServiceProcess]:
    process = ServiceProcess("analytics", tmp_path, redis_url=redis_url, intervals="1s,1m", window=WINDOW, max_variants=3)
    yield process
    process.kill()


@pytest.fixture(scope="module")
def bars() -> Bars:
    """The 1s bars of the recording, computed independently, on the grid that both legs share; seconds without trades quiet."""
    traded: dict[str, dict[int, dict[str, str]]] = {symbol: {} for symbol in SYMBOLS}
    with (DATA / "usdm_btc_eth_trades_20240718-19.bars_1s.csv").open() as lines:
        for line in csv.DictReader(lines):
            line["quote_volume"] = line.pop("quote")
            traded[line.pop("symbol")][int(line["open_time_ms"])] = {**line, "status": "complete"}
    first, last = max(min(leg) for leg in traded.values()), min(max(leg) for leg in traded.values())
    found: Bars = {}
    for symbol, leg in traded.items():
        found[symbol] = []
        for ms in range(first, last + 1000, 1000):
            found[symbol].append(leg[ms] if ms in leg else _quiet(ms, found[symbol][-1]["close"]))
    return found


def _quiet(ms: int, close: str) -> dict[str, str]:
    prices = dict.fromkeys(("open", "high", "low", "close"), close)
    return {"open_time_ms": str(ms), **prices, "volume": "0", "quote_volume": "0", "trades": "0", "status": "quiet"}


def publish(client: Client, bars: Bars, first: int = 0, last: int | None = None, key: str = "bars:1s:{}") -> None:
    """Bars as the contract describes them, written without the product's code."""
    with client.pipeline(transaction=False) as pipe:
        for symbol, rows in bars.items():
            for row in rows[first:last]:
                fields = {name: text for name, text in row.items() if name != "open_time_ms"}
                pipe.xadd(key.format(symbol), fields, id=f"{row['open_time_ms']}-0")
        pipe.execute()


def rows(client: Client, name: str = PAIR) -> list[tuple[str, dict[str, str]]]:
    return client.xrange(f"pairs:1s:{name}")  # type: ignore[no-any-return]


def wait_for_rows(client: Client, count: int, name: str = PAIR) -> None:
    wait_until_sync(lambda: client.xlen(f"pairs:1s:{name}") >= count, 20, f"{count} rows of {name}")


def compare(published: list[tuple[str, dict[str, str]]], bars: Bars, *parameters: Any, **named: Any) -> None:
    """Field by field; text and plain decimals of ten digits, absent where the oracle has nothing."""
    legs = [bars[symbol] for symbol in ("ETHUSDT", "BTCUSDT")]
    expected = expected_pair_rows(legs[0], legs[1], 1000, *parameters, **named)
    closes = [{row["open_time_ms"]: row["close"] for row in leg} for leg in legs]
    assert [entry_id for entry_id, _ in published] == [f"{want['open_time_ms']}-0" for want in expected]
    for (entry_id, fields), want in zip(published, expected, strict=True):
        for name in (*STATISTICS, "coverage"):
            if want[name] is None:
                assert name not in fields, (entry_id, name)
            else:
                assert "e" not in fields[name]
                assert float(fields[name]) == pytest.approx(want[name], abs=1e-8, rel=1e-8), (entry_id, name)
        assert fields["status"] == want["status"]
        ms = entry_id.partition("-")[0]
        assert (fields["y"], fields["x"]) == (closes[0][ms], closes[1][ms])


def test_rows_equal_the_oracle_once_each_though_it_is_killed(client: Client, analytics: ServiceProcess, bars: Bars) -> None:
    analytics.start().wait_ready()
    for part, first in enumerate(range(0, 500, 170)):
        publish(client, bars, first, first + 170)
        wait_for_rows(client, min(first + 50, len(bars["ETHUSDT"])))  # somewhere in the middle
        analytics.kill()
        if part:
            client.delete("lease:analytics")  # the next need not wait for the old lease to run out
        analytics.start()
    count = len(bars["ETHUSDT"])
    wait_for_rows(client, count)

    compare(rows(client), bars, WINDOW)
    assert sum("zscore" in fields for _, fields in rows(client)) > 390


def test_pairs_over_http(client: Client, analytics: ServiceProcess, bars: Bars) -> None:
    publish(client, bars)
    analytics.start().wait_ready()
    wait_for_rows(client, len(bars["ETHUSDT"]))
    base = f"http://127.0.0.1:{analytics.port}"

    def post(**body: Any) -> httpx.Response:
        return httpx.post(f"{base}/pairs", json=body, timeout=10)

    made = post(pair=PAIR, window=120, fit="inclusive", price="raw", intercept=False)
    name = f"{PAIR}@w120-inclusive-raw-noint"
    assert (made.status_code, made.json()["name"], made.json()["note"]) == (201, name, None)
    assert post(pair=PAIR, window=120, fit="inclusive", price="raw", intercept=False).status_code == 200
    assert post(pair=PAIR, window=WINDOW).json()["name"] == PAIR
    unknown = post(pair="DOGEUSDT~BTCUSDT")
    assert unknown.status_code == 201
    assert "no 1s bars yet of DOGEUSDT" in unknown.json()["note"]
    wait_for_rows(client, len(bars["ETHUSDT"]), name)
    compare(rows(client, name), bars, 120, fit="inclusive", price="raw", intercept=False)

    listed = {row["name"]: row for row in httpx.get(f"{base}/pairs").json()}
    assert set(listed) == {PAIR, name, "DOGEUSDT~BTCUSDT"}
    assert {row["origin"] for row in listed.values()} == {"settings", "variant", "http"}
    assert listed[name]["window_bars"] == {"1s": 120, "1m": 120}
    assert listed[name]["wanted_ms"] > time.time() * 1000 - 60_000

    for window in (20, 30):
        assert post(pair=PAIR, window=window).status_code == 201
    parameters = {"fit": "lagged", "price": "log", "intercept": True, "origin": "http"}
    client.hset("pairs", mapping={f"P{number}~Q": json.dumps(parameters) for number in range(499)})  # with DOGE 500
    full = post(pair="XRPUSDT~BTCUSDT")
    assert (full.status_code, "500 pairs were asked for" in full.json()["detail"]) == (409, True)
    assert post(pair="DOGEUSDT~BTCUSDT").status_code == 200
    client.hdel("pairs", *(f"P{number}~Q" for number in range(499)))
    refused = post(pair=PAIR, window=40)
    assert refused.status_code == 409
    assert "PAIRSTREAM_MAX_VARIANTS" in refused.json()["detail"]
    for body, words in (
        ({"pair": "ETHUSDT"}, "write it Y~X"),
        ({"pair": "A~A"}, "itself"),
        ({"pair": PAIR, "window": 3}, "window"),
        ({"pair": PAIR, "windows": 3}, "windows"),
        ({"pair": PAIR, "fit": "best"}, "fit"),
    ):
        answer = post(**body)
        assert answer.status_code == 422
        assert words in answer.json()["detail"]

    assert httpx.delete(f"{base}/pairs/{name}").json()["deleted"] is True
    wait_until_sync(lambda: not client.exists(f"pairs:1s:{name}"), 10, "the stream is gone")
    assert httpx.delete(f"{base}/pairs/{name}").status_code == 404
    assert client.xlen(f"pairs:1s:{PAIR}") == len(bars["ETHUSDT"])


@pytest.mark.long
def test_an_unwanted_variant_is_dropped_and_the_configured_pair_comes_back(
    client: Client, analytics: ServiceProcess, bars: Bars
) -> None:
    publish(client, bars)
    analytics.start().wait_ready()
    answer = httpx.post(f"http://127.0.0.1:{analytics.port}/pairs", json={"pair": PAIR, "window": 20})
    name = answer.json()["name"]
    wait_for_rows(client, len(bars["ETHUSDT"]), name)
    before = rows(client)

    parameters = json.loads(client.hget("pairs", name))
    parameters["wanted_ms"] -= 3_700_000
    client.hset("pairs", name, json.dumps(parameters))
    client.hdel("pairs", PAIR)

    wait_until_sync(lambda: not client.exists(f"pairs:1s:{name}") and not client.hexists("pairs", name), 15, "it is dropped")
    wait_until_sync(lambda: client.hexists("pairs", PAIR), 15, "the configured pair is written again")
    wait_until_sync(lambda: rows(client) == before, 15, "the same rows, computed again")


def test_a_start_with_other_pairs(client: Client, redis_url: str, tmp_path: Path, bars: Bars) -> None:
    publish(client, bars)
    client.hset("pairs", "A~B", '{"fit": "lagged", "price": "log", "intercept": true, "origin": "settings"}')
    client.hset("pairs", "C~D", '{"fit": "lagged", "price": "log", "intercept": true, "origin": "http"}')
    client.hset("pairs", f"{PAIR}@w20", '{"window": 20, "fit": "lagged", "price": "log", "intercept": true, "origin": "variant"}')
    process = ServiceProcess("analytics", tmp_path, redis_url=redis_url, pairs="BTCUSDT~ETHUSDT", fit="inclusive", partitions=4)
    try:
        process.start().wait_ready()
        table = {row["name"]: row for row in process.get("/pairs").json()}
    finally:
        process.kill()
    assert set(table) == {"BTCUSDT~ETHUSDT", "C~D"}
    assert {row["fit"] for row in table.values()} == {"inclusive"}


def test_partitions(client: Client, redis_url: str, tmp_path: Path, bars: Bars) -> None:
    def partition(name: str) -> int:
        return crc_hqx(name.encode(), 0) % 3

    both = ("ETHUSDT~BTCUSDT", "BTCUSDT~ETHUSDT")
    process = ServiceProcess("analytics", tmp_path, redis_url=redis_url, pairs=",".join(both), partitions=3, window=WINDOW)
    for symbol in bars:
        publish(client, {symbol: bars[symbol]}, key=f"bars:1s:{{}}:{{{{{partition(symbol)}}}}}")
    try:
        process.start().wait_ready()
        for pair in both:
            key = f"pairs:1s:{pair}:{{{partition(pair)}}}"
            wait_until_sync(lambda key=key: client.xlen(key) == len(bars["ETHUSDT"]), 20, f"all rows in {key}")
        compare(client.xrange(f"pairs:1s:{both[0]}:{{{partition(both[0])}}}"), bars, WINDOW)
    finally:
        process.kill()


def test_the_tests_are_answered_and_published(client: Client, analytics: ServiceProcess, bars: Bars) -> None:
    publish(client, bars)
    analytics.start().wait_ready()
    base = f"http://127.0.0.1:{analytics.port}/tests"

    answer = httpx.post(f"{base}/{PAIR}?interval=1s&window=300", headers={"X-Request-ID": "mine"}, timeout=30)
    assert answer.status_code == 200, answer.text
    report = answer.json()
    entries = client.xrange(f"tests:1s:{PAIR}")
    assert [entry_id for entry_id, _ in entries] == [report["id"]] == [f"{bars['ETHUSDT'][-1]['open_time_ms']}-0"]
    fields = entries[0][1]
    assert json.loads(fields["tests"]) == report["tests"]
    assert (fields["request_id"], fields["verdict"], fields["nobs"]) == ("mine", report["verdict"], "300")
    y, x = (np.log([float(row["close"]) for row in bars[symbol][-300:]]) for symbol in ("ETHUSDT", "BTCUSDT"))
    assert report["tests"][1]["p_value"] == pytest.approx(coint(y, x)[1], abs=1e-8)
    assert report["tests"][2]["p_value"] == pytest.approx(coint(x, y)[1], abs=1e-8)

    again = httpx.post(f"{base}/{PAIR}", timeout=30).json()
    assert again["id"] == report["id"].replace("-0", "-1")
    assert again["nobs"] == len(bars["ETHUSDT"])
    for path, words in (
        ("ETHUSDT~BTCUSDT?interval=5m", "choose one of 1s, 1m"),
        ("ETHUSDT~BTCUSDT?interval=1m", "there are no 1m bars of ETHUSDT"),
        ("DOGEUSDT~BTCUSDT", "there are no 1s bars of DOGEUSDT"),
        ("ETHUSDT", "write it Y~X"),
        ("ETHUSDT~BTCUSDT?window=5", "window"),
    ):
        refused = httpx.post(f"{base}/{path}", timeout=30)
        assert refused.status_code == 422, path
        assert words in refused.json()["detail"]


def test_history_and_exports(client: Client, analytics: ServiceProcess, bars: Bars) -> None:
    publish(client, bars)
    for number in range(2500):
        fields = {"price": "63943.90", "size": "0.001", "side": "buy"} | ({"time_ms": "1721347020000"} if number == 7 else {})
        client.xadd("ticks:BTCUSDT", fields, id=f"{1_721_347_020_001 + number // 3}-{5_000 + number}")
    analytics.start().wait_ready()
    eth = bars["ETHUSDT"]
    wait_for_rows(client, len(eth))

    newest = analytics.get("/history/bars/1s/ETHUSDT?limit=3").json()
    assert [row["open_time_ms"] for row in newest["rows"]] == [int(row["open_time_ms"]) for row in eth[-3:]]
    assert newest["limit_reached"] is True
    ranged = analytics.get(f"/history/bars/1s/ETHUSDT?from_ms={eth[10]['open_time_ms']}&to_ms={eth[12]['open_time_ms']}").json()
    assert [row["close"] for row in ranged["rows"]] == [float(row["close"]) for row in eth[10:13]]
    statistics = analytics.get(f"/history/pairs/1s/{PAIR}?limit=1").json()["rows"][0]
    assert statistics["zscore"] == float(rows(client)[-1][1]["zscore"])
    assert statistics["status"] == "ok"
    ticks = analytics.get("/history/ticks/BTCUSDT?limit=2")
    assert '"price":63943.90,' in ticks.text  # the digits of the stream
    for path in ("/history/bars/5m/BTCUSDT", "/history/bars/1s/B~T", "/history/ticks/BTCUSDT?limit=0", "/export/pairs/1s/Y"):
        assert analytics.get(path).status_code == 422, path
    for path in ("/history/bars/1s/DOGEUSDT", "/export/ticks/DOGEUSDT", "/export/pairs/1m/" + PAIR):
        assert analytics.get(path).status_code == 404, path

    def export(path: str) -> list[dict[str, str]]:
        answer = analytics.get(f"/export/{path}")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.headers["content-disposition"].endswith(".csv")
        return list(csv.DictReader(io.StringIO(answer.text, newline="")))

    told = export("ticks/BTCUSDT")
    assert [int(row["trade_id"]) for row in told] == list(range(5_000, 7_500))
    assert list(told[0])[:4] == ["time", "time_ms", "trade_id", "price"]
    assert (told[7]["time"], told[7]["time_ms"]) == ("2024-07-18T23:57:00.000Z", "1721347020000")
    one = export(f"bars/1s/ETHUSDT?from_ms={eth[5]['open_time_ms']}&to_ms={eth[5]['open_time_ms']}")
    assert [(row["open_time_ms"], row["close"], row["status"]) for row in one] == [
        (eth[5]["open_time_ms"], eth[5]["close"], eth[5]["status"])
    ]
    joined = export(f"pairs/1s/{PAIR}")
    assert len(joined) == len(eth)
    for row, (entry_id, fields), y, x in zip(joined, rows(client), eth, bars["BTCUSDT"], strict=True):
        assert row["open_time_ms"] == entry_id.partition("-")[0] == y["open_time_ms"] == x["open_time_ms"]
        assert (row["y_close"], row["x_close"], row["y_volume"]) == (y["close"], x["close"], y["volume"])
        assert (row["zscore"], row["hedge_ratio"], row["status"]) == (
            fields.get("zscore", ""), fields.get("hedge_ratio", ""), fields["status"],
        )  # fmt: skip


def test_entries_that_are_no_messages_are_left_out(client: Client, analytics: ServiceProcess, bars: Bars) -> None:
    publish(client, bars)
    for key in ("bars:1s:ETHUSDT", "ticks:BTCUSDT"):
        client.xadd(key, {"foo": "bar"})
    client.xadd("ticks:BTCUSDT", {"price": "=1+1", "size": "1"})
    analytics.start().wait_ready()
    wait_for_rows(client, len(bars["ETHUSDT"]))
    client.xadd(f"pairs:1s:{PAIR}", {"foo": "bar"})

    answer = httpx.post(f"http://127.0.0.1:{analytics.port}/tests/{PAIR}?window=300", timeout=30)
    assert (answer.status_code, answer.json()["nobs"]) == (200, 300)
    newest = analytics.get("/history/bars/1s/ETHUSDT?limit=2").json()
    assert [row["open_time_ms"] for row in newest["rows"]] == [int(row["open_time_ms"]) for row in bars["ETHUSDT"][-2:]]
    assert analytics.get("/history/ticks/BTCUSDT").json()["rows"] == []
    for path, count in (
        ("ticks/BTCUSDT", 0),
        ("bars/1s/ETHUSDT", len(bars["ETHUSDT"])),
        (f"pairs/1s/{PAIR}", len(bars["ETHUSDT"])),
    ):
        assert len(list(csv.reader(io.StringIO(analytics.get(f"/export/{path}").text, newline="")))) == count + 1, path


@pytest.mark.long
def test_it_says_once_that_a_leg_is_not_followed(client: Client, redis_url: str, tmp_path: Path) -> None:
    client.sadd("symbols", "BTCUSDT", "ETHUSDT")
    process = ServiceProcess("analytics", tmp_path, redis_url=redis_url, pairs=f"SOLUSDT~BTCUSDT,{PAIR}")
    try:
        process.start().wait_ready()
        words = "no bars: SOLUSDT is not among the followed symbols BTCUSDT, ETHUSDT"
        wait_until_sync(lambda: process.log.read_text().count(words) == 1, 25, "the warning")
        assert process.get("/readyz").status_code == 200
    finally:
        process.kill()


def test_without_a_source_it_says_so(redis_url: str, analytics: ServiceProcess) -> None:
    analytics.start()

    def answers() -> bool:
        try:
            return analytics.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    wait_until_sync(answers, 20, "the process is up")
    for path in ("/pairs", "/history/ticks/BTCUSDT", "/export/ticks/BTCUSDT", "/readyz"):
        assert analytics.get(path).status_code == 503
    assert "the ingestor has not said yet" in analytics.get("/pairs").json()["detail"]
    assert analytics.stop() == 0
