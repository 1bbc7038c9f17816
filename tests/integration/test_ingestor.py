"""The ingestor as a process on a real Redis: live over a mock exchange, replay, simulator, and what happens when it is killed."""

import asyncio
import gzip
import json
import signal
import time
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path

import httpx
import pytest
import redis

from services.ingestor.trimming import trim
from shared.bus import open_bus
from shared.topics import Keyspace
from tests.mock_exchange import MockExchange, made_up_trades, recorded_trades
from tests.processes import ServiceProcess
from tests.recording import RECORDING, SYMBOLS, Trade, trades
from tests.redis_servers import OwnRedis
from tests.ticks import stream
from tests.waiting import wait_until, wait_until_sync

RECORDED = 24_356


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis[str]"]:
    made: redis.Redis[str] = redis.Redis.from_url(redis_url, decode_responses=True)
    yield made
    made.close()


@pytest.fixture
def ingestors(redis_url: str, tmp_path: Path) -> Iterator["Ingestors"]:
    made = Ingestors(redis_url, tmp_path)
    yield made
    for process in made.processes:
        process.kill()


class Ingestors:
    """Makes ingestor processes on this test's Redis, and ends them."""

    def __init__(self, redis_url: str, directory: Path) -> None:
        self.redis_url = redis_url
        self.directory = directory
        self.processes: list[ServiceProcess] = []

    def start(self, **settings: str | int | float) -> ServiceProcess:
        process = ServiceProcess("ingestor", self.directory, **({"redis_url": self.redis_url} | settings))
        self.processes.append(process)
        return process.start()

    def live(self, exchange: MockExchange, **settings: str | int | float) -> ServiceProcess:
        urls = {"binance_ws_url": exchange.ws_url, "binance_rest_url": exchange.rest_url}
        return self.start(**({"source": "binance"} | urls | settings))


def ticks(client: "redis.Redis[str]", symbol: str, namespace: str = "") -> list[tuple[str, dict[str, str]]]:
    return stream(client, f"{namespace}:ticks:{symbol}" if namespace else f"ticks:{symbol}")


def written(client: "redis.Redis[str]", namespace: str = "") -> int:
    prefix = f"{namespace}:" if namespace else ""
    return sum(client.xlen(f"{prefix}ticks:{symbol}") for symbol in SYMBOLS)


def events(client: "redis.Redis[str]", *kinds: str, namespace: str = "") -> list[dict[str, str]]:
    found = [fields for _, fields in stream(client, f"{namespace}:events" if namespace else "events")]
    return [fields for fields in found if fields["kind"] in kinds]


def expected(symbol: str, rows: list[Trade], shift_ms: int = 0, shift_ids: int = 0) -> list[tuple[str, dict[str, str]]]:
    return [
        (f"{t.time_ms + shift_ms}-{t.trade_id + shift_ids}", {"price": t.price, "size": t.size, "side": t.side})
        for t in rows
        if t.symbol == symbol
    ]


def assert_recording(client: "redis.Redis[str]", namespace: str = "") -> None:
    """Every trade once, in order, equal to the file in time, price, size and side, and nothing else said about any."""
    rows = trades()
    for symbol in SYMBOLS:
        assert ticks(client, symbol, namespace) == expected(symbol, rows)


# -- live --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aggregated", [False, True], ids=["trade frames", "aggTrade frames"])
async def test_the_recording_over_a_real_websocket(client: "redis.Redis[str]", ingestors: Ingestors, aggregated: bool) -> None:
    async with MockExchange(recorded_trades(), aggregated=aggregated) as exchange:
        ingestor = ingestors.live(exchange)
        await exchange.wait_subscribed(2)
        await exchange.play(speed=0)
        await wait_until(lambda: written(client) == RECORDED, 30, "every trade is there")
        await wait_until(lambda: ingestor.get("/readyz").status_code == 200, 5, "it is ready")
    assert_recording(client)
    assert events(client, "gap", "late", "rejected") == []
    assert client.hgetall("pairstream:source")["source"] == "binance"
    # The exchange's newest time minus the grace: no trade before it is still to come.
    assert set(client.hgetall("watermarks").values()) == {str(max(t.event_ms for t in trades()) - 1000)}


async def test_symbols_are_changed_while_it_runs(client: "redis.Redis[str]", ingestors: Ingestors) -> None:
    rows = made_up_trades(["BTCUSDT", "ETHUSDT", "SOLUSDT"], 600)
    async with MockExchange(rows) as exchange:
        ingestor = ingestors.live(exchange)
        await exchange.wait_subscribed(2)
        await exchange.play(count=200)
        await wait_until(lambda: ingestor.get("/readyz").status_code == 200, 5, "it is ready")
        url = f"http://127.0.0.1:{ingestor.port}/symbols"
        async with httpx.AsyncClient() as http:
            refused = await http.post(url, json={"symbols": ["NOSUCHUSDT"]})
            assert refused.status_code == 422
            assert "NOSUCHUSDT" in refused.json()["detail"]
            assert (await http.post(url, json={"symbols": ["~"]})).status_code == 422
            answer = await http.post(url, json={"symbols": ["solusdt"]})
            assert answer.json() == {"symbols": ["BTCUSDT", "ETHUSDT", "SOLUSDT"]}
            await exchange.wait_subscribed(3)
            await exchange.play(count=200)
            assert (await http.request("DELETE", url, json={"symbols": ["XRPUSDT"]})).status_code == 404
            answer = await http.request("DELETE", url, json={"symbols": ["ETHUSDT"]})
            assert answer.json() == {"symbols": ["BTCUSDT", "SOLUSDT"]}
            await wait_until(lambda: sum(len(c.streams) for c in exchange.clients) == 2, 5, "it has unsubscribed")
        await exchange.play()
        sent = {symbol: [t.trade_id for t in rows if t.symbol == symbol] for symbol in exchange.listed}
        late = {s: [t.trade_id for t in rows[200:] if t.symbol == s] for s in exchange.listed}
        early = {s: [t.trade_id for t in rows[:400] if t.symbol == s] for s in exchange.listed}
        wanted = {"BTCUSDT": sent["BTCUSDT"], "SOLUSDT": late["SOLUSDT"], "ETHUSDT": early["ETHUSDT"]}

        def ids(symbol: str) -> list[int]:
            return [int(entry_id.partition("-")[2]) for entry_id, _ in ticks(client, symbol)]

        await wait_until(lambda: {symbol: ids(symbol) for symbol in wanted} == wanted, 10, "the ticks of each while followed")
        # What was changed at run time outlives a crash.
        ingestor.kill()
        ingestor.start()
        await exchange.wait_subscribed(2)
        assert {s for c in exchange.clients for s in c.streams} == {"btcusdt@aggTrade", "solusdt@aggTrade"}


async def test_a_symbol_that_the_venue_does_not_list_is_reported_and_skipped(
    client: "redis.Redis[str]", ingestors: Ingestors
) -> None:
    async with MockExchange(made_up_trades(SYMBOLS, 50)) as exchange:
        ingestors.live(exchange, symbols="BTCUSDT,NOSUCHUSDT,ETHUSDT")
        await exchange.wait_subscribed(2)
        await exchange.play()
        await wait_until(lambda: written(client) == 50, 10, "the others' trades are there")
        await wait_until(lambda: events(client, "rejected"), 5, "it is reported")
    assert events(client, "rejected")[0]["symbol"] == "NOSUCHUSDT"
    assert client.smembers("symbols") == {"BTCUSDT", "ETHUSDT"}


async def test_all_perpetuals_over_several_connections(client: "redis.Redis[str]", ingestors: Ingestors) -> None:
    symbols = [f"C{i:03d}USDT" for i in range(450)]
    rows = made_up_trades(symbols, 3000)
    async with MockExchange(rows, listed=["BTCUSDC"]) as exchange:
        ingestor = ingestors.live(exchange, symbols="*")
        await exchange.wait_subscribed(450)
        assert sorted(len(c.streams) for c in exchange.clients) == [50, 200, 200]
        await exchange.play()
        await wait_until(lambda: sum(client.xlen(f"ticks:{s}") for s in symbols) == 3000, 20, "every trade is there")
        await wait_until(lambda: ingestor.get("/readyz").status_code == 200, 5, "it is ready")
    assert client.scard("symbols") == 450


async def test_garbage_is_counted_and_stops_nothing(client: "redis.Redis[str]", ingestors: Ingestors) -> None:
    async with MockExchange(made_up_trades(SYMBOLS, 400)) as exchange:
        ingestor = ingestors.live(exchange)
        await exchange.wait_subscribed(2)
        exchange.copies = 3
        garbage: list[str | bytes] = [
            "",
            "{",
            "[" * 50_000,
            "x" * 2_000_000,
            b"\xff\x00",
            '{"stream":"btcusdt@aggTrade","data":{"e":1}}',
        ]
        for frame in garbage:
            await exchange.play(count=50)
            await exchange.send_raw(frame)
        await exchange.play()
        await wait_until(lambda: written(client) == 400, 10, "every trade is there")
        await wait_until(lambda: events(client, "rejected"), 15, "it is declared")
        assert exchange.accepted == 1
        figures = ingestor.get("/metrics").text
    assert f'pairstream_prints_rejected_total{{reason="no trade frame"}} {float(len(garbage))}' in figures
    assert 'pairstream_ticks_duplicate_total{at="door"} 800.0' in figures
    # The first is declared at once, the rest together within ten seconds.
    assert 0 < int(events(client, "rejected")[0]["affected"]) <= len(garbage)
    assert [int(i.partition("-")[2]) for i, _ in ticks(client, "BTCUSDT")] == list(range(1, client.xlen("ticks:BTCUSDT") + 1))


async def test_a_disconnect_leaves_a_declared_gap_and_a_standing_watermark(
    client: "redis.Redis[str]", ingestors: Ingestors
) -> None:
    rows = made_up_trades(["BTCUSDT"], 100) + made_up_trades(["ETHUSDT"], 1, start_ms=1_700_000_000_010)
    async with MockExchange([rows[-1], *rows[:-1]]) as exchange:
        ingestor = ingestors.live(exchange)
        await exchange.wait_subscribed(2)
        await exchange.play(count=41)
        await wait_until(lambda: written(client) == 41, 10, "what was sent is there")
        exchange.refusing = True
        exchange.disconnect()
        await wait_until(lambda: ingestor.get("/readyz").status_code == 503, 10, "it is not ready")
        assert "feed" in ingestor.get("/readyz").json()["reasons"]
        await exchange.play(count=30)
        await wait_until(lambda: "40" not in client.hget("watermarks", "ETHUSDT")[-2:], 5, "watermarks are there")
        before = client.hget("watermarks", "ETHUSDT")
        exchange.refusing = False
        await exchange.wait_subscribed(2)
        await exchange.play()
        await wait_until(lambda: written(client) == 71, 10, "the rest is there")
        await wait_until(lambda: events(client, "gap"), 10, "the gap is declared")
        await wait_until(lambda: ingestor.get("/readyz").status_code == 200, 10, "it is ready again")
        newest = max(t.event_ms for t in rows)
        await wait_until(lambda: client.hget("watermarks", "BTCUSDT") == str(newest - 1000), 5, "BTC's watermark goes on")
        assert client.hget("watermarks", "ETHUSDT") == before
    (gap,) = events(client, "gap")
    assert (gap["symbol"], gap["first_id"], gap["last_id"], gap["affected"]) == ("BTCUSDT", "41", "70", "30")
    assert [e["kind"] for e in events(client, "feed_up", "feed_down")] == ["feed_up", "feed_down", "feed_up"]


async def test_the_old_path_acknowledges_and_stays_silent(client: "redis.Redis[str]", ingestors: Ingestors) -> None:
    async with MockExchange(made_up_trades(SYMBOLS, 50)) as exchange:
        ingestor = ingestors.live(exchange, binance_ws_url=exchange.ws_url.removesuffix("/market"), binance_silence_s=0.5)
        await wait_until(lambda: exchange.accepted >= 2, 20, "it has connected anew")
        await wait_until(lambda: "no trade" in str(ingestor.get("/readyz").json()["reasons"].get("feed")), 5, "it says why")
    assert written(client) == 0


async def test_killed_while_live_it_joins_again(client: "redis.Redis[str]", ingestors: Ingestors) -> None:
    async with MockExchange(recorded_trades()) as exchange:
        ingestor = ingestors.live(exchange)
        await exchange.wait_subscribed(2)
        for _ in range(3):
            await exchange.play(count=3000)
            await wait_until(lambda: written(client) == exchange.sent, 10, "all that was sent is there")
            ingestor.kill()
            ingestor.start()
            await wait_until(lambda: not exchange.clients, 10, "the old connection has gone")
            await exchange.wait_subscribed(2)
        await exchange.play()
        await wait_until(lambda: written(client) == RECORDED, 20, "every trade is there")
    assert_recording(client)
    assert events(client, "gap", "late") == []


async def test_a_change_to_the_ids_of_another_stream_declares_no_false_number(
    client: "redis.Redis[str]", ingestors: Ingestors
) -> None:
    async with MockExchange(made_up_trades(SYMBOLS, 60), aggregated=None) as exchange:
        ingestor = ingestors.live(exchange, binance_stream="trade")
        await exchange.wait_subscribed(2)
        await exchange.play(count=40)
        await wait_until(lambda: "ETHUSDT" in json.loads(client.hget("ingestor", "id_kinds") or "{}"), 10, "the kind is kept")
        assert ingestor.stop() == 0
        await wait_until(lambda: not exchange.clients, 10, "the old connection has gone")
        # The newest id of the other stream is billions away.
        client.xadd("ticks:BTCUSDT", {"price": "1", "size": "1"}, id="1700000000039-9000000000")
        before = written(client)
        again = ingestors.live(exchange, binance_stream="aggTrade")
        await exchange.wait_subscribed(2)
        await exchange.play()
        await wait_until(lambda: written(client) > before, 10, "it goes on")
        found = await wait_until(
            lambda: len(gaps := events(client, "gap")) == 2 and gaps, 10, "both symbols' changes are declared"
        )
        assert again.stop() == 0
    assert all("aggTrade stream" in gap["reason"] and "affected" not in gap and "first_id" not in gap for gap in found)
    assert json.loads(client.hget("ingestor", "id_kinds") or "") == dict.fromkeys(SYMBOLS, "aggTrade")


# -- auto --------------------------------------------------------------------------------------------------------------------


async def test_auto_takes_binance_when_trades_arrive(client: "redis.Redis[str]", ingestors: Ingestors) -> None:
    async with MockExchange(made_up_trades(SYMBOLS, 5000)) as exchange:
        ingestors.live(exchange, source="auto")
        await exchange.wait_subscribed(1)
        await exchange.play(count=10)
        await wait_until(lambda: client.exists("pairstream:source"), 10, "it has chosen")
        await exchange.wait_subscribed(2)
        await exchange.play()
        await wait_until(lambda: written(client) > 4000, 10, "trades arrive")
    assert client.hget("pairstream:source", "source") == "binance"
    assert client.hget("pairstream:source", "namespace") == ""


@pytest.mark.parametrize("fault", ["HTTP 451", "refused", "no such host", pytest.param("old path", marks=pytest.mark.long)])
async def test_auto_falls_back_to_the_replay_and_says_why(client: "redis.Redis[str]", ingestors: Ingestors, fault: str) -> None:
    async with MockExchange(made_up_trades(SYMBOLS, 50)) as exchange:
        urls: dict[str, str | int] = {}
        reason = ""
        if fault == "HTTP 451":
            exchange.rest_status[""] = 451
            reason = f"HTTP 451 from 127.0.0.1:{exchange.port}"
        elif fault == "refused":
            exchange.refusing = True
            reason = "503"
        elif fault == "no such host":
            urls = {"binance_rest_url": "http://fapi.binance.invalid"}
            reason = "fapi.binance.invalid cannot be reached"
        else:
            urls = {"binance_ws_url": exchange.ws_url.removesuffix("/market")}
            reason = "within 10 s"
        ingestors.live(exchange, source="auto", **urls)
        await wait_until(lambda: written(client, "replay") > 10_000, 20, "the replay has begun")
    record = client.hgetall("pairstream:source")
    assert (record["source"], record["namespace"]) == ("replay", "replay")
    assert reason in record["reason"]
    (changed,) = await wait_until(lambda: events(client, "source_changed", namespace="replay"), 10, "it is declared")
    assert reason in changed["reason"]
    assert abs(int(changed["bar_ms"]) - trades()[0].time_ms) < 600_000


# -- replay ------------------------------------------------------------------------------------------------------------------


def test_replay_as_fast_as_possible(client: "redis.Redis[str]", ingestors: Ingestors) -> None:
    ingestor = ingestors.start(source="replay", replay_speed=0, replay_loop=0)
    wait_until_sync(lambda: written(client, "replay") == RECORDED, 20, "every trade is there")
    end = f"{max(t.time_ms for t in trades()) + 1} end"
    wait_until_sync(lambda: client.hgetall("replay:watermarks") == dict.fromkeys(SYMBOLS, end), 5, "the end is said")
    assert_recording(client, "replay")
    assert ingestor.get("/readyz").status_code == 200
    assert ingestor.get("/symbols").json() == {"symbols": list(SYMBOLS)}
    assert ingestor.stop() == 0
    # Once more: the next pass, moved in time, without a jump of the ids.
    ingestor.start()
    wait_until_sync(lambda: written(client, "replay") == 2 * RECORDED, 20, "the second pass is there")
    rows = trades()
    for symbol in SYMBOLS:
        found = ticks(client, symbol, "replay")
        count = sum(t.symbol == symbol for t in rows)
        again = expected(symbol, rows, 25 * 60_000, count)
        again[0][1]["resumed_ms"] = end.removesuffix(" end")
        assert found == expected(symbol, rows) + again
    assert events(client, "late", "rejected", namespace="replay") == []
    # The silence between the passes is declared, once a symbol; no id is missing.
    silences = events(client, "gap", namespace="replay")
    assert {(e["symbol"], e["from_ms"], e.get("first_id")) for e in silences} == {
        (s, end.removesuffix(" end"), None) for s in SYMBOLS
    }


@pytest.mark.long
def test_replay_killed_in_the_middle_of_its_passes(client: "redis.Redis[str]", ingestors: Ingestors) -> None:
    settings = {"source": "replay", "replay_speed": 300, "window": 10, "replay_loop": 1}
    ingestor = ingestors.start(**settings)
    for target in (4_000, 9_000, 20_000, 30_000, 47_000, 50_000):
        wait_until_sync(lambda: written(client, "replay") >= target, 30, f"{target} ticks")  # noqa: B023
        ingestor.kill()
        ingestor.start()
    wait_until_sync(lambda: written(client, "replay") >= 3 * RECORDED, 30, "three passes are there")
    ingestor.send(signal.SIGSTOP)
    rows = trades()
    last_ms = max(t.time_ms for t in rows)
    for symbol in SYMBOLS:
        count = sum(t.symbol == symbol for t in rows)
        wanted = []
        for number in range(3):
            one = expected(symbol, rows, number * 25 * 60_000, number * count)
            if number:
                one[0][1]["resumed_ms"] = str(last_ms + 1 + (number - 1) * 25 * 60_000)
            wanted += one
        assert ticks(client, symbol, "replay")[: 3 * count] == wanted
    assert events(client, "late", namespace="replay") == []
    assert [e for e in events(client, "gap", namespace="replay") if "first_id" in e] == []


def test_what_another_program_writes_behind_the_ticks_does_not_stop_the_replay(
    client: "redis.Redis[str]", ingestors: Ingestors
) -> None:
    ingestor = ingestors.start(source="replay", replay_speed=0, replay_loop=0)
    wait_until_sync(lambda: written(client, "replay") == RECORDED, 20, "every trade is there")
    ingestor.kill()
    foreign_ms = max(t.time_ms for t in trades()) + 36_000_000
    client.xadd("replay:ticks:BTCUSDT", {"foo": "bar"}, id=f"{foreign_ms}-999999999999")
    client.xadd("replay:ticks:BTCUSDT", {"price": "x", "size": "1"}, id=f"{foreign_ms + 1}-5")
    before = len(ticks(client, "BTCUSDT", "replay"))
    for number in (1, 2):
        ingestor.start()
        wanted = (number + 1) * RECORDED + 2
        wait_until_sync(lambda: written(client, "replay") == wanted, 20, "one more pass is there")  # noqa: B023
        ingestor.kill()
    prices = [t.price for t in trades() if t.symbol == "BTCUSDT"]
    assert [fields["price"] for _, fields in ticks(client, "BTCUSDT", "replay")[before:]] == 2 * prices
    assert any("no ticks" in e["reason"] for e in events(client, "rejected", namespace="replay"))
    assert [e for e in events(client, "gap", namespace="replay") if "first_id" in e] == []


def test_replay_publishes_the_window_at_once_and_goes_on_at_its_pace(client: "redis.Redis[str]", ingestors: Ingestors) -> None:
    ingestors.start(source="replay")
    rows = recorded_trades()
    at_once = sum(t.after_s <= 360 for t in rows)
    wait_until_sync(lambda: written(client, "replay") >= at_once, 10, "the window is there")
    wait_until_sync(lambda: written(client, "replay") > at_once, 10, "it goes on")
    assert written(client, "replay") < at_once + sum(360 < t.after_s < 380 for t in rows)
    first, last = (int(ticks(client, "BTCUSDT", "replay")[i][0].partition("-")[0]) for i in (0, -1))
    assert last - first > 355_000


def test_a_recording_shorter_than_the_window_is_published_at_once_only_the_first_time(
    client: "redis.Redis[str]", ingestors: Ingestors, tmp_path: Path
) -> None:
    rows = recorded_trades()
    short = sum(t.after_s <= 30 for t in rows)
    recording = tmp_path / "short.wslines"
    with gzip.open(RECORDING, "rt") as lines:
        recording.write_text("".join(islice(lines, short)))
    ingestors.start(source="replay", replay=recording)
    wait_until_sync(lambda: written(client, "replay") > short, 20, "the second pass has begun")
    began = time.monotonic()
    wait_until_sync(lambda: written(client, "replay") > short + sum(t.after_s <= 3 for t in rows), 20, "three seconds of it")
    assert time.monotonic() - began > 2
    assert written(client, "replay") < 2 * short


def test_replay_of_the_named_symbols_only(client: "redis.Redis[str]", ingestors: Ingestors) -> None:
    ingestors.start(source="replay", replay_speed=0, replay_loop=0, symbols="ETHUSDT,NOSUCHUSDT")
    wait_until_sync(lambda: ticks(client, "ETHUSDT", "replay") == expected("ETHUSDT", trades()), 20, "its trades are there")
    wait_until_sync(lambda: events(client, "rejected", namespace="replay"), 5, "the other is reported")
    assert not client.exists("replay:ticks:BTCUSDT")
    assert client.smembers("replay:symbols") == {"ETHUSDT"}


def test_a_recording_that_is_none_stops_the_start(ingestors: Ingestors, tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("a,b\n")
    process = ingestors.start(source="replay", replay=str(path))
    assert process.process is not None
    assert process.process.wait(15) == 2
    assert f"PAIRSTREAM_REPLAY={path}" in process.log.read_text()


# -- simulator and none ------------------------------------------------------------------------------------------------------


def test_simulator_and_its_restart(client: "redis.Redis[str]", ingestors: Ingestors) -> None:
    ingestor = ingestors.start(source="simulator", simulator_symbols=6, simulator_rate=300, window=20)

    def count() -> int:
        return int(client.xlen("simulator:ticks:BTCUSDT"))

    history = wait_until_sync(lambda: count() > 2000 and count(), 10, "the history is there")
    wait_until_sync(lambda: count() > history + 100, 10, "it goes on")
    ingestor.kill()
    before = count()
    ingestor.start()
    wait_until_sync(lambda: count() > before + 100, 15, "it goes on after the restart")
    assert client.scard("simulator:symbols") == 6
    for symbol in client.smembers("simulator:symbols"):
        found = ticks(client, symbol, "simulator")
        assert [int(i.partition("-")[2]) for i, _ in found] == list(range(1, len(found) + 1))
    prices = [float(fields["price"]) for _, fields in ticks(client, "BTCUSDT", "simulator")]
    assert max(abs(b / a - 1) for a, b in pairwise(prices)) < 0.005
    assert events(client, "gap", "late", namespace="simulator") == []
    assert client.hget("pairstream:source", "namespace") == "simulator"


def test_none_publishes_nothing_and_is_up(client: "redis.Redis[str]", ingestors: Ingestors) -> None:
    ingestor = ingestors.start(source="none").wait_ready()
    wait_until_sync(lambda: client.smembers("symbols") == set(SYMBOLS), 5, "the symbols are there")
    assert list(client.scan_iter("ticks:*")) == []
    assert ingestor.stop() == 0


# -- Redis away --------------------------------------------------------------------------------------------------------------


async def test_redis_killed_under_a_live_feed_and_in_quiet_times(redis_server: OwnRedis, tmp_path: Path) -> None:
    made = Ingestors(redis_server.url, tmp_path)
    client: redis.Redis[str] = redis.Redis.from_url(redis_server.url, decode_responses=True)
    try:
        async with MockExchange(recorded_trades()) as exchange:
            ingestor = made.live(exchange)
            await exchange.wait_subscribed(2)

            def ready(status: int) -> bool:
                return ingestor.get("/readyz").status_code == status

            for _ in range(3):
                await exchange.play(count=3000)
                await asyncio.to_thread(redis_server.kill)
                await exchange.play(count=3000)
                await wait_until(lambda: ready(503), 10, "it is not ready")
                assert "redis" in ingestor.get("/readyz").json()["reasons"]
                await asyncio.to_thread(redis_server.start)
                await wait_until(lambda: ready(200), 10, "it is ready again")
            await exchange.play()
            await wait_until(lambda: written(client) == RECORDED, 20, "every trade is there")
            # Nothing is traded now: it must notice all the same.
            await asyncio.to_thread(redis_server.kill)
            await wait_until(lambda: ready(503), 10, "it is not ready")
            await asyncio.to_thread(redis_server.start)
            await wait_until(lambda: "redis" not in ingestor.get("/readyz").json()["reasons"], 10, "it has noticed")
            assert ingestor.process is not None
            assert ingestor.process.poll() is None
        assert_recording(client)
    finally:
        for process in made.processes:
            process.kill()
        client.close()


async def test_a_redis_that_comes_back_empty_is_told_what_runs(redis_server: OwnRedis, tmp_path: Path) -> None:
    made = Ingestors(redis_server.url, tmp_path)
    client: redis.Redis[str] = redis.Redis.from_url(redis_server.url, decode_responses=True)
    try:
        async with MockExchange(made_up_trades([*SYMBOLS, "SOLUSDT"], 300)) as exchange:
            ingestor = made.live(exchange)
            await exchange.wait_subscribed(2)
            await exchange.play(count=100)
            await wait_until(lambda: ingestor.get("/readyz").status_code == 200, 10, "it is ready")
            async with httpx.AsyncClient() as http:
                await http.post(f"http://127.0.0.1:{ingestor.port}/symbols", json={"symbols": ["SOLUSDT"]})
            before = client.hgetall("pairstream:source"), client.smembers("symbols"), client.hget("ingestor", "configured")
            assert before[1] == {*SYMBOLS, "SOLUSDT"}

            def said() -> bool:
                return before == (
                    client.hgetall("pairstream:source"),
                    client.smembers("symbols"),
                    client.hget("ingestor", "configured"),
                )

            await asyncio.to_thread(redis_server.kill)
            for path in (*redis_server.append_only_files, *redis_server.dir.glob("appendonlydir/*")):
                path.unlink(missing_ok=True)
            await asyncio.to_thread(redis_server.start)
            await wait_until(said, 10, "all is there again")
            # Keys that go without a broken connection are missed as well.
            client.flushall()
            await wait_until(said, 10, "all is there again")
    finally:
        for process in made.processes:
            process.kill()
        client.close()


def test_it_waits_for_a_redis_that_is_not_there_yet(redis_server: OwnRedis, tmp_path: Path) -> None:
    redis_server.kill()
    made = Ingestors(redis_server.url, tmp_path)
    client: redis.Redis[str] = redis.Redis.from_url(redis_server.url, decode_responses=True)
    try:
        ingestor = made.start(source="replay", replay_speed=0, replay_loop=0)

        def waiting() -> bool:
            assert ingestor.process is not None
            assert ingestor.process.poll() is None, ingestor.log.read_text()
            try:
                return "redis" in ingestor.get("/readyz").json()["reasons"]
            except httpx.TransportError:
                return False

        wait_until_sync(waiting, 30, "it says that it waits")
        redis_server.start()
        wait_until_sync(lambda: written(client, "replay") == RECORDED, 20, "every trade is there")
        assert_recording(client, "replay")
    finally:
        for process in made.processes:
            process.kill()
        client.close()


def test_it_stops_in_time_with_a_full_queue_and_without_redis(redis_server: OwnRedis, tmp_path: Path) -> None:
    made = Ingestors(redis_server.url, tmp_path)
    try:
        ingestor = made.start(source="simulator", simulator_symbols=2, simulator_rate=50_000)
        wait_until_sync(lambda: _figure(ingestor, "ticks_published_total") > 50_000, 30, "it runs")
        redis_server.kill()
        wait_until_sync(lambda: _figure(ingestor, "ticks_queued") >= 50_000, 30, "the queue is full")
        wait_until_sync(lambda: ingestor.get("/readyz").status_code == 503, 10, "it is not ready")
        assert ingestor.stop() == 0
    finally:
        for process in made.processes:
            process.kill()


def _figure(process: ServiceProcess, name: str) -> float:
    """A metric's value, 0 before the process answers."""
    try:
        lines = process.get("/metrics").text.splitlines()
    except httpx.TransportError:
        return 0.0
    return next((float(line.split()[1]) for line in lines if line.startswith(f"pairstream_{name} ")), 0.0)


# -- trimming ----------------------------------------------------------------------------------------------------------------


async def test_trimming_keeps_the_retention_and_what_the_sampler_has_still_to_read(
    redis_url: str, client: "redis.Redis[str]"
) -> None:
    hour_ms = 3_600_000
    for symbol in ("OLDUSDT", "READUSDT", "UNREADUSDT"):
        with client.pipeline(transaction=False) as pipe:
            for i in range(4000):
                pipe.xadd(f"ticks:{symbol}", {"price": "1", "size": "1"}, id=f"{1_700_000_000_000 + i * 3_600}-{i}")
            pipe.execute()
    client.hset("state:sampler", "at:READUSDT", json.dumps({"offset": f"{1_700_000_000_000 + 3990 * 3_600}-3990"}))
    client.hset("state:sampler", "at:UNREADUSDT", json.dumps({"offset": f"{1_700_000_000_000 + 200 * 3_600}-200"}))
    async with open_bus(redis_url, Keyspace(), retention_hours=1.0) as bus:
        await trim(bus)
    newest = 1_700_000_000_000 + 3999 * 3_600
    for symbol in ("OLDUSDT", "READUSDT"):
        oldest = int(client.xrange(f"ticks:{symbol}", count=1)[0][0].partition("-")[0])
        # Redis drops whole nodes of a hundred entries.
        assert newest - hour_ms - 100 * 3_600 <= oldest <= newest - hour_ms
    assert 100 <= int(client.xrange("ticks:UNREADUSDT", count=1)[0][0].partition("-")[2]) <= 200


def test_a_first_start_says_nothing_of_lost_things(client: "redis.Redis[str]", ingestors: Ingestors) -> None:
    ingestor = ingestors.start(source="simulator", simulator_symbols=20, simulator_rate=50)
    wait_until_sync(lambda: len(client.hget("simulator:ingestor", "id_kinds") or "") > 200, 20, "the kinds of all symbols")
    assert "written again" not in ingestor.log.read_text()
