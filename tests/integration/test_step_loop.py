"""The loop around a step, in the sampler's process: following the source, standing by, taking over, being frozen."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from tests.processes import ServiceProcess
from tests.recording import SYMBOLS, differences_from_reference, trades
from tests.ticks import bars_by_key, end_source, write_ticks
from tests.waiting import wait_until_sync


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis[str]"]:
    found = redis.Redis.from_url(redis_url, decode_responses=True)
    yield found
    found.close()


@pytest.fixture
def samplers(redis_url: str, tmp_path: Path) -> Iterator[list[ServiceProcess]]:
    found = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        found.append(ServiceProcess("sampler", tmp_path / name, redis_url=redis_url))
    yield found
    for process in found:
        process.kill()


def announce(client: "redis.Redis[str]", namespace: str) -> None:
    client.sadd(f"{namespace}:symbols" if namespace else "symbols", *SYMBOLS)
    client.hset("pairstream:source", mapping={"source": "none", "reason": "test", "namespace": namespace})


def bars(client: "redis.Redis[str]", namespace: str = "") -> int:
    return len(bars_by_key(client, "1s", namespace))


def test_it_waits_for_the_source_and_follows_its_namespace(client: "redis.Redis[str]", samplers: list[ServiceProcess]) -> None:
    sampler = samplers[0].start()

    rows = trades()[:3_000]
    write_ticks(client, rows, "one")
    wait_until_sync(lambda: _answers(sampler), 20, "the process is up")
    assert sampler.get("/readyz").status_code == 503
    assert "waiting for the ingestor" in sampler.get("/readyz").json()["reasons"]["source"]
    announce(client, "one")
    wait_until_sync(lambda: bars(client, "one") > 50, 20, "bars of the first namespace")
    write_ticks(client, rows)
    announce(client, "")
    wait_until_sync(lambda: bars(client) > 50, 20, "bars of the second namespace")
    assert sampler.get("/readyz").status_code == 200
    metrics = sampler.get("/metrics").text
    assert 'pairstream_entries_read_total{topic="ticks"} 6000.0' in metrics


def _answers(process: ServiceProcess) -> bool:
    try:
        return process.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("harm", ["kill", "freeze"])
def test_a_second_sampler_takes_over_within_five_seconds_and_nothing_is_lost_or_doubled(
    client: "redis.Redis[str]", samplers: list[ServiceProcess], harm: str
) -> None:
    announce(client, "")
    first, second = samplers
    first.start().wait_ready()
    second.start()
    wait_until_sync(lambda: _answers(second), 20, "the second is up")
    wait_until_sync(lambda: "holds the lease" in second.get("/readyz").text, 10, "the second stands by")
    rows = trades()
    write_ticks(client, rows[:8_000])
    wait_until_sync(lambda: bars(client) > 200, 20, "bars of the first")
    if harm == "kill":
        first.kill()
    else:
        first.send(signal.SIGSTOP)
    before, began = bars(client), time.monotonic()
    write_ticks(client, rows[8_000:16_000])
    wait_until_sync(lambda: bars(client) > before, 10, "bars of the second")
    assert time.monotonic() - began < 5.0
    if harm == "freeze":
        first.send(signal.SIGCONT)
        wait_until_sync(lambda: "holds the lease" in first.get("/readyz").text, 10, "the first has found itself fenced")
    write_ticks(client, rows[16_000:])
    end_source(client, max(t.event_ms for t in rows))
    for interval, count in {"1s": 962, "5m": 6}.items():
        wait_until_sync(lambda: len(bars_by_key(client, interval)) >= count, 20, f"all {interval} bars")  # noqa: B023
        assert differences_from_reference(interval, bars_by_key(client, interval)) == []


def test_an_entry_that_is_no_tick_is_counted_and_left_out(client: "redis.Redis[str]", samplers: list[ServiceProcess]) -> None:
    announce(client, "")
    rows = trades()
    write_ticks(client, rows[:10_000])
    last = client.xrevrange("ticks:BTCUSDT", count=1)[0][0]
    client.xadd("ticks:BTCUSDT", {"price": "=1+1", "size": "1"}, id=f"{last.partition('-')[0]}-{int(last.partition('-')[2])}1")
    sampler = samplers[0].start()
    rejected = 'pairstream_entries_rejected_total{topic="ticks"} 1.0'
    wait_until_sync(lambda: _answers(sampler) and rejected in sampler.get("/metrics").text, 20, "it is counted")
    assert bars(client) > 300
