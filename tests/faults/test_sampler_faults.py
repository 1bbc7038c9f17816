"""The sampler as a process, harmed at its worst moments; afterwards every bar equals the exchange's and the reference."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from tests.faults.redis_proxy import Harm, RedisProxy
from tests.processes import ServiceProcess
from tests.recording import SYMBOLS, differences_from_klines, differences_from_reference, trades
from tests.ticks import bars_by_key, end_source, write_ticks
from tests.waiting import wait_until

INTERVALS = ("1s", "1m", "5m")


def assert_bars(client: "redis.Redis[str]") -> None:
    assert differences_from_klines(bars_by_key(client, "1m")) == []
    for interval in INTERVALS:
        assert differences_from_reference(interval, bars_by_key(client, interval)) == []


def complete(client: "redis.Redis[str]") -> bool:
    """Whether the flush has published the last 5m bars."""
    return all(client.xlen(f"bars:5m:{symbol}") == 3 for symbol in SYMBOLS)


@pytest.mark.parametrize("harm", ["hold", "lose_reply"])
async def test_killed_between_read_and_commit_and_a_lost_reply(redis_url: str, tmp_path: Path, harm: Harm) -> None:
    client = redis.Redis.from_url(redis_url, decode_responses=True)
    client.sadd("symbols", *SYMBOLS)
    client.hset("pairstream:source", mapping={"source": "none", "reason": "test", "namespace": ""})
    rows = trades()
    async with RedisProxy(urlsplit(redis_url).port or 0).running() as proxy:
        sampler = ServiceProcess("sampler", tmp_path, redis_url=proxy.url).start()
        try:
            for start in range(0, len(rows), 6_000):
                proxy.arm(harm, b"at:BTCUSDT")
                await asyncio.to_thread(write_ticks, client, rows[start : start + 6_000])
                await asyncio.wait_for(proxy.struck.wait(), 20)
                if harm == "hold":
                    await asyncio.to_thread(sampler.kill)
                    sampler.start()
            end_source(client, max(t.event_ms for t in rows))
            await wait_until(lambda: complete(client), 30, "all bars")
            assert_bars(client)
        finally:
            await asyncio.to_thread(sampler.kill)
