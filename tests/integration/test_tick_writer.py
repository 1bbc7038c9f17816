"""The tick writer on a real Redis that is full, frozen, killed, emptied, or has lost its tail."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import redis

from shared.bus import TickWriter
from shared.bus.tick_writer import Loss, Tail, pack_tick
from shared.messages import Tick
from shared.topics import Keyspace
from tests.redis_servers import OwnRedis
from tests.ticks import stream
from tests.waiting import wait_until

T0 = 1_700_000_000_000


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis[str]"]:
    made: redis.Redis[str] = redis.Redis.from_url(redis_url, decode_responses=True)
    yield made
    made.close()


@asynccontextmanager
async def writing(url: str, keyspace: Keyspace = Keyspace()) -> AsyncIterator[TickWriter]:  # noqa: B008  # immutable
    writer = TickWriter(url, keyspace)
    task = asyncio.create_task(writer.run())
    try:
        yield writer
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def tick(trade_id: int, time_ms: int = 0, symbol: str = "BTCUSDT", **notes: int) -> Tick:
    return Tick(symbol, time_ms or T0 + trade_id, trade_id, "63943.90", "0.017", "buy", **notes)


def run_of(first: int, last: int, symbol: str = "BTCUSDT") -> list[Tick]:
    return [tick(i, symbol=symbol) for i in range(first, last + 1)]


def ids(client: "redis.Redis[str]", symbol: str = "BTCUSDT") -> list[int]:
    return [int(entry_id.partition("-")[2]) for entry_id, _ in stream(client, f"ticks:{symbol}")]


async def flushed(writer: TickWriter) -> None:
    async with asyncio.timeout(15):
        await writer.flush()


async def test_fields_and_ids(redis_url: str, client: "redis.Redis[str]") -> None:
    ticks = [
        tick(1, T0),
        tick(2, T0 - 5, trades=3),
        Tick("BTCUSDT", T0 + 1, 3, "1", "2", None),
        tick(4, T0 + 700_000, skipped=2, resumed_ms=T0 + 5),
        tick(5, T0 + 3, late=1),
    ]
    async with writing(redis_url) as writer:
        await writer.add(ticks)
        await flushed(writer)
        assert writer.written == 5
    common = {"price": "63943.90", "size": "0.017", "side": "buy"}
    assert stream(client, "ticks:BTCUSDT") == [
        (f"{T0}-1", common),
        (f"{T0}-2", common | {"trades": "3", "time_ms": str(T0 - 5)}),
        (f"{T0 + 1}-3", {"price": "1", "size": "2"}),
        (f"{T0 + 700_000}-4", common | {"skipped": "2", "resumed_ms": str(T0 + 5)}),
        (f"{T0 + 700_000}-5", common | {"late": "1", "time_ms": str(T0 + 3)}),
    ]


@pytest.mark.parametrize("symbol", ["BTCUSDT", "币安人生USDT"])
def test_packing_is_what_redis_py_packs(symbol: str) -> None:
    made = tick(7, T0, symbol, trades=2, skipped=1)
    command = ["XADD", f"ticks:{symbol}", f"{T0 + 9}-7", "price", "63943.90", "size", "0.017", "side", "buy"]
    command += ["trades", "2", "skipped", "1", "time_ms", str(T0)]
    packed = b"".join(redis.connection.Connection().pack_command(*command))
    assert pack_tick(f"ticks:{symbol}", made, T0 + 9).encode() == packed


async def test_many_symbols_in_partitions_and_a_namespace(redis_url: str, client: "redis.Redis[str]") -> None:
    symbols = [f"S{i:03d}USDT" for i in range(120)] + ["币安人生USDT"]
    keyspace = Keyspace("replay", 8)
    async with writing(redis_url, keyspace) as writer:
        for i in range(1, 11):
            await writer.add([tick(i, symbol=symbol) for symbol in symbols])
        await writer.add_watermarks(dict.fromkeys(symbols, str(T0)))
        await flushed(writer)
    for symbol in symbols:
        partition = keyspace.partition(symbol)
        assert client.xlen(f"replay:ticks:{symbol}:{{{partition}}}") == 10
        assert client.hget(f"replay:watermarks:{{{partition}}}", symbol) == str(T0)


async def test_what_is_there_already_is_counted_and_left(redis_url: str, client: "redis.Redis[str]") -> None:
    async with writing(redis_url) as writer:
        await writer.add(run_of(1, 1200))
        await flushed(writer)
    before = stream(client, "ticks:BTCUSDT")
    async with writing(redis_url) as writer:
        assert await writer.tails(["BTCUSDT", "ETHUSDT"]) == {"BTCUSDT": Tail(T0 + 1200, 1200)}
    async with writing(redis_url) as writer:
        await writer.add(run_of(700, 1500))
        await flushed(writer)
        assert (writer.written, writer.duplicates) == (300, 501)
    assert ids(client) == list(range(1, 1501))
    assert stream(client, "ticks:BTCUSDT")[:1200] == before


async def test_entry_ids_go_on_from_the_tail_when_trade_times_are_behind_it(redis_url: str, client: "redis.Redis[str]") -> None:
    client.xadd("ticks:BTCUSDT", {"price": "1", "size": "1"}, id=f"{T0 + 50}-9")
    async with writing(redis_url) as writer:
        await writer.tails(["BTCUSDT"])
        await writer.add([tick(10, T0 + 20), tick(11, T0 + 60)])
        await flushed(writer)
    assert [entry_id for entry_id, _ in stream(client, "ticks:BTCUSDT")] == [f"{T0 + 50}-9", f"{T0 + 50}-10", f"{T0 + 60}-11"]


async def test_two_writers_of_the_same_trades(redis_url: str, client: "redis.Redis[str]") -> None:
    async with writing(redis_url) as one, writing(redis_url) as two:
        for first in range(1, 3000, 100):
            await asyncio.gather(one.add(run_of(first, first + 99)), two.add(run_of(first, first + 99)))
        await asyncio.gather(flushed(one), flushed(two))
        assert one.written + two.written == 3000
    assert ids(client) == list(range(1, 3001))


async def test_watermarks_are_stored_after_the_ticks_that_they_cover(redis_url: str, client: "redis.Redis[str]") -> None:
    monitor = redis.Redis.from_url(redis_url, decode_responses=True)
    async with writing(redis_url) as writer:
        with monitor.monitor() as commands:
            for i in range(1, 1501):
                await writer.add([tick(i)])
                if i % 250 == 0:
                    await writer.add_watermarks({"BTCUSDT": str(T0 + i)})
            await flushed(writer)
            seen = 0
            marks = []
            for command in commands.listen():
                words = command["command"].split()
                if words[0] == "XADD":
                    seen = int(words[2].partition("-")[2])
                elif words[0] == "HSET":
                    marks.append((words[3], seen))
                    if seen == 1500:
                        break
    assert marks == [(str(T0 + i), i) for i in range(250, 1501, 250)]


async def test_the_queue_is_bounded_while_redis_is_away(redis_server: OwnRedis) -> None:
    redis_server.kill()
    async with writing(redis_server.url) as writer:
        await writer.add(run_of(1, 50_000))
        blocked = asyncio.create_task(writer.add(run_of(50_001, 50_100)))
        await wait_until(lambda: writer.error, 5, "it says what is wrong")
        assert not blocked.done()
        redis_server.start()
        await flushed(writer)
        await blocked
        await flushed(writer)
        assert writer.connected
        assert writer.error == ""
    client: redis.Redis[str] = redis.Redis.from_url(redis_server.url, decode_responses=True)
    assert ids(client) == list(range(1, 50_101))


async def feed(writer: TickWriter, first: int, last: int, symbols: Sequence[str] = ("BTCUSDT", "ETHUSDT")) -> None:
    for i in range(first, last + 1, 20):
        for symbol in symbols:
            await writer.add(run_of(i, min(i + 19, last), symbol))
        await writer.add_watermarks(dict.fromkeys(symbols, str(T0 + i)))
        await asyncio.sleep(0)


async def test_killed_again_and_again_every_trade_is_there_once(redis_server: OwnRedis) -> None:
    kills = 6
    async with writing(redis_server.url) as writer:
        for i in range(kills):
            await feed(writer, i * 2000 + 1, i * 2000 + 1000)
            await asyncio.to_thread(redis_server.kill)
            await feed(writer, i * 2000 + 1001, i * 2000 + 2000)
            await asyncio.to_thread(redis_server.start)
            await wait_until(lambda: writer.connected, 10, "it has connected again")
        await flushed(writer)
        assert writer.reconnects == kills
    client: redis.Redis[str] = redis.Redis.from_url(redis_server.url, decode_responses=True)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        assert ids(client, symbol) == list(range(1, kills * 2000 + 1))


async def test_a_tail_that_redis_has_lost_is_sent_again(redis_server: OwnRedis, tmp_path: Path) -> None:
    client: redis.Redis[str] = redis.Redis.from_url(redis_server.url, decode_responses=True)
    async with writing(redis_server.url) as writer:
        await feed(writer, 1, 1000)
        await flushed(writer)
        await asyncio.to_thread(redis_server.stop)
        kept = {path: path.read_bytes() for path in redis_server.append_only_files}
        await asyncio.to_thread(redis_server.start)
        await feed(writer, 1001, 3000)
        await flushed(writer)
        assert ids(client) == list(range(1, 3001))
        assert client.hget("watermarks", "BTCUSDT") == str(T0 + 2981)
        # What was written since is gone, as after a power cut with everysec, and trades go on meanwhile.
        await asyncio.to_thread(redis_server.kill)
        for path, content in kept.items():
            path.write_bytes(content)
        await feed(writer, 3001, 3100)
        await asyncio.to_thread(redis_server.start)
        await flushed(writer)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        assert ids(client, symbol) == list(range(1, 3101))
    assert client.hget("watermarks", "BTCUSDT") == str(T0 + 3081)


async def test_redis_restarted_empty_gets_the_last_minute_again(redis_server: OwnRedis) -> None:
    client: redis.Redis[str] = redis.Redis.from_url(redis_server.url, decode_responses=True)
    async with writing(redis_server.url) as writer:
        await feed(writer, 1, 2000)
        await flushed(writer)
        await asyncio.to_thread(redis_server.kill)
        for path in redis_server.append_only_files:
            path.write_bytes(b"")
        for path in redis_server.dir.glob("appendonlydir/*"):
            path.unlink()
        await asyncio.to_thread(redis_server.start)
        # Nothing more is added: it must notice by itself.
        await wait_until(lambda: client.hget("watermarks", "ETHUSDT") == str(T0 + 1981), 10, "the watermark is there again")
    for symbol in ("BTCUSDT", "ETHUSDT"):
        assert ids(client, symbol) == list(range(1, 2001))


async def test_a_tail_lost_without_a_word_is_sent_again_after_the_next_connection(redis_server: OwnRedis) -> None:
    client: redis.Redis[str] = redis.Redis.from_url(redis_server.url, decode_responses=True)
    async with writing(redis_server.url) as writer:
        await feed(writer, 1, 400)
        await flushed(writer)
        client.flushall()
        await writer.add([tick(401)])
        await flushed(writer)
        client.client_kill_filter(_type="normal", skipme=True)
        await writer.add([tick(402)])
        await flushed(writer)
    assert ids(client, "ETHUSDT") == list(range(1, 401))
    # 401 stood in the emptied stream before anybody knew: what was before it cannot be put back.
    assert ids(client) == [401, 402]


async def test_what_redis_has_lost_and_is_not_kept_is_told(redis_server: OwnRedis) -> None:
    client: redis.Redis[str] = redis.Redis.from_url(redis_server.url, decode_responses=True)
    async with writing(redis_server.url) as writer:
        await feed(writer, 1, 1000)
        await flushed(writer)
    async with writing(redis_server.url) as writer:
        await writer.tails(["BTCUSDT", "ETHUSDT"])
        await writer.add(run_of(1001, 1500))
        await flushed(writer)
        await asyncio.to_thread(redis_server.stop)
        await asyncio.to_thread(redis_server.start)
        await wait_until(lambda: writer.reconnects == 1, 10, "it has connected again")
        assert writer.take_losses() == []
        await writer.add(run_of(1501, 2000))
        await flushed(writer)
        await asyncio.to_thread(redis_server.kill)
        for path in redis_server.append_only_files:
            path.write_bytes(b"")
        for path in redis_server.dir.glob("appendonlydir/*"):
            path.unlink()
        await asyncio.to_thread(redis_server.start)
        await wait_until(lambda: ids(client) == list(range(1501, 2001)), 10, "the last ticks are there again")
        assert writer.take_losses() == [
            Loss("BTCUSDT", None, Tail(T0 + 1500, 1500)),
            Loss("ETHUSDT", None, Tail(T0 + 1000, 1000)),
        ]
        assert writer.take_losses() == []


async def test_ids_that_have_begun_again_are_put_back_too(redis_server: OwnRedis) -> None:
    client: redis.Redis[str] = redis.Redis.from_url(redis_server.url, decode_responses=True)
    async with writing(redis_server.url) as writer:
        await writer.add([tick(1000, T0), tick(1001, T0 + 1)])
        await flushed(writer)
        await asyncio.to_thread(redis_server.stop)
        kept = {path: path.read_bytes() for path in redis_server.append_only_files}
        await asyncio.to_thread(redis_server.start)
        await writer.add([tick(5, T0 + 2), tick(6, T0 + 3)])
        await flushed(writer)
        await asyncio.to_thread(redis_server.kill)
        for path, content in kept.items():
            path.write_bytes(content)
        await asyncio.to_thread(redis_server.start)
        await wait_until(lambda: ids(client) == [1000, 1001, 5, 6], 10, "the new ids are there again")


async def test_a_frozen_redis(redis_server: OwnRedis) -> None:
    async with writing(redis_server.url) as writer:
        await feed(writer, 1, 100)
        await flushed(writer)
        redis_server.freeze()
        await feed(writer, 101, 2000)
        await wait_until(lambda: not writer.connected, 15, "it notices")
        redis_server.thaw()
        await flushed(writer)
    client: redis.Redis[str] = redis.Redis.from_url(redis_server.url, decode_responses=True)
    assert ids(client) == ids(client, "ETHUSDT") == list(range(1, 2001))


async def test_out_of_memory_refuses_whole_batches_and_nothing_is_lost_or_out_of_order(redis_server: OwnRedis) -> None:
    client: redis.Redis[str] = redis.Redis.from_url(redis_server.url, decode_responses=True)
    async with writing(redis_server.url) as writer:
        await feed(writer, 1, 100)
        await flushed(writer)
        used = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory", used + 100_000)
        await feed(writer, 101, 12_000)
        await wait_until(lambda: "OOM" in writer.error or "refused" in writer.error, 10, "it says so")
        assert writer.queued > 0
        for symbol in ("BTCUSDT", "ETHUSDT"):
            found = ids(client, symbol)
            assert found == list(range(1, len(found) + 1))
        client.config_set("maxmemory", 0)
        await flushed(writer)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        assert ids(client, symbol) == list(range(1, 12_001))


async def test_a_key_of_another_type_is_said_and_holds_the_queue(redis_url: str, client: "redis.Redis[str]") -> None:
    client.set("ticks:BTCUSDT", "not a stream")
    async with writing(redis_url) as writer:
        await writer.add([tick(1, symbol="ETHUSDT"), tick(1)])
        await wait_until(lambda: "WRONGTYPE" in writer.error, 5, "it says so")
        client.delete("ticks:BTCUSDT")
        await flushed(writer)
    assert ids(client) == ids(client, "ETHUSDT") == [1]


async def test_a_lost_reply_doubles_nothing(redis_url: str, client: "redis.Redis[str]") -> None:
    async with writing(redis_url) as writer:
        await feed(writer, 1, 100)
        for first in range(101, 5000, 100):
            await feed(writer, first, first + 99)
            client.client_kill_filter(_type="normal", skipme=True)
            await asyncio.sleep(0)
        await flushed(writer)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        assert ids(client, symbol) == list(range(1, 5001))
