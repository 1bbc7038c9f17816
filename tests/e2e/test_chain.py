"""The whole chain as real processes on the real recording, undisturbed, fast and killed: against the exchange and an oracle."""

import asyncio
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.mock_exchange import MockExchange, recorded_trades
from tests.oracle import expected_pair_rows
from tests.processes import ServiceProcess
from tests.recording import SYMBOLS, differences_from_klines, differences_from_reference, trades
from tests.ticks import bars_by_key, stream
from tests.waiting import wait_until

WIDTHS = {"1s": 1_000, "1m": 60_000, "5m": 300_000}
WINDOWS = {"1s": 300, "1m": 120, "5m": 120}
PAIR = "ETHUSDT~BTCUSDT"
NUMBERS = (
    "hedge_ratio", "intercept", "r_squared", "spread", "spread_mean", "spread_std", "zscore", "correlation", "half_life_bars",
    "coverage",
)  # fmt: skip


class Chain:
    """Ingestor, sampler and analytics on one Redis; the ingestor replays the recording once, or runs as the test says."""

    def __init__(self, redis_url: str, directory: Path, **settings: str | int | float) -> None:
        self.client = redis.Redis.from_url(redis_url, decode_responses=True)
        self.namespace = "" if settings.get("source") == "binance" else "replay"
        common = {"redis_url": redis_url, "source": "replay", "replay_loop": 0} | settings
        self.services = {name: ServiceProcess(name, directory, **common) for name in ("ingestor", "sampler", "analytics")}

    def key(self, topic: str) -> str:
        return f"{self.namespace}:{topic}" if self.namespace else topic

    def start(self) -> "Chain":
        for service in self.services.values():
            service.start()
        return self

    def stop(self) -> None:
        for service in self.services.values():
            service.kill()
        self.client.close()

    def ticks(self) -> int:
        return sum(self.client.xlen(self.key(f"ticks:{symbol}")) for symbol in SYMBOLS)

    def rows(self, interval: str) -> list[tuple[str, dict[str, str]]]:
        return stream(self.client, self.key(f"pairs:{interval}:{PAIR}"))

    def finished(self) -> bool:
        """Whether the last bars of the recording have gone through analytics."""
        ends = {"1s": 1721347502000, "1m": 1721347500000, "5m": 1721347500000}
        return all((rows := self.rows(i)) and rows[-1][0] == f"{end}-0" for i, end in ends.items())

    def up_to_date(self) -> bool:
        """Whether every bar that both legs have has its row."""
        for interval in WIDTHS:
            ends = [stream(self.client, self.key(f"bars:{interval}:{symbol}"))[-1][0] for symbol in SYMBOLS]
            if self.rows(interval)[-1][0] != min(ends):
                return False
        return True

    def dump(self, *topics: str) -> dict[str, list[tuple[str, dict[str, str]]]]:
        keys = sorted(key for topic in topics for key in self.client.scan_iter(f"{self.key(topic)}:*"))
        return {key: stream(self.client, key) for key in keys}


@pytest.fixture
def chains() -> Iterator[list[Chain]]:
    made: list[Chain] = []
    yield made
    for chain in made:
        chain.stop()


def assert_ticks(chain: Chain) -> None:
    """Every trade of the recording once, in order, in the venue's digits."""
    for symbol in SYMBOLS:
        found = [
            (entry_id, f["price"], f["size"], f["side"]) for entry_id, f in stream(chain.client, chain.key(f"ticks:{symbol}"))
        ]
        assert found == [(f"{t.time_ms}-{t.trade_id}", t.price, t.size, t.side) for t in trades() if t.symbol == symbol]


def assert_bars(chain: Chain, *, flushed: bool = True) -> None:
    """Klines digit for digit; the independent bars in value. Without a flush the last bar of each interval is still open."""
    assert differences_from_klines(bars_by_key(chain.client, "1m", chain.namespace)) == []
    last_ms = max(t.time_ms for t in trades())
    for interval, width in WIDTHS.items():
        found = differences_from_reference(interval, bars_by_key(chain.client, interval, chain.namespace))
        still_open = {f"{(symbol, last_ms - last_ms % width)}: no bar" for symbol in SYMBOLS}
        assert set(found) - (set() if flushed else still_open) == set()


def assert_statistics(chain: Chain) -> None:
    """Every published row equals statsmodels and pandas on the published bars."""
    for interval, width in WIDTHS.items():
        y_bars, x_bars = (
            [
                {"open_time_ms": int(entry_id.partition("-")[0]), "close": float(f["close"]), "status": f["status"]}
                for entry_id, f in stream(chain.client, chain.key(f"bars:{interval}:{symbol}"))
            ]
            for symbol in PAIR.split("~")
        )
        expected = expected_pair_rows(y_bars, x_bars, width, WINDOWS[interval])
        found = chain.rows(interval)
        assert [int(entry_id.partition("-")[0]) for entry_id, _ in found] == [row["open_time_ms"] for row in expected]
        for (entry_id, fields), row in zip(found, expected, strict=True):
            for name in NUMBERS:
                value, wanted = fields.get(name), row.get(name)
                assert (value is None) == (wanted is None), f"{interval} {entry_id} {name}: {value} and not {wanted}"
                if value is not None:
                    assert math.isclose(float(value), wanted, rel_tol=1e-8, abs_tol=1e-8), f"{interval} {entry_id} {name}"
        if interval == "1s":
            assert sum("zscore" in fields for _, fields in found) > 150


def test_replay_at_fifty_times_the_speed(redis_url: str, tmp_path: Path, chains: list[Chain]) -> None:
    chain = Chain(redis_url, tmp_path, replay_speed=50).start()
    chains.append(chain)
    asyncio.run(wait_until(chain.finished, 60, "the recording has gone through"))
    assert_ticks(chain)
    assert_bars(chain)
    assert_statistics(chain)


@pytest.mark.parametrize(
    "victim",
    [None, pytest.param("sampler", marks=pytest.mark.long), pytest.param("analytics", marks=pytest.mark.long)],
)
async def test_the_recording_as_live_frames_of_an_exchange(
    redis_url: str, tmp_path: Path, chains: list[Chain], victim: str | None
) -> None:
    async with MockExchange(recorded_trades()) as exchange:
        urls = {"binance_ws_url": exchange.ws_url, "binance_rest_url": exchange.rest_url}
        chain = Chain(redis_url, tmp_path, source="binance", **urls).start()
        chains.append(chain)
        await exchange.wait_subscribed(2)
        playing = asyncio.create_task(exchange.play(speed=50))
        if victim:
            await wait_until(lambda: chain.ticks() > 8_000, 60, "the middle of the recording")
            await asyncio.to_thread(chain.services[victim].kill)
            chain.services[victim].start()
        assert await playing == 24_356

        def caught_up() -> bool:
            """Whether the last closed second and minute have gone through; the venue goes on, so the last are open."""
            seconds, minutes = chain.rows("1s"), chain.rows("1m")
            return bool(seconds and minutes) and seconds[-1][0] >= "1721347501000-0" and minutes[-1][0] >= "1721347440000-0"

        await wait_until(caught_up, 60, "the recording has gone through")
        assert_ticks(chain)
        assert_bars(chain, flushed=False)
        assert_statistics(chain)


@pytest.mark.parametrize("victim", ["ingestor", "sampler", "analytics"])
def test_a_service_killed_in_the_middle_changes_nothing(redis_url: str, tmp_path: Path, chains: list[Chain], victim: str) -> None:
    # 360 s of the recording are published at once; the rest at 20 times the speed leaves 6 s to kill in, and what the
    # restarts take.
    chain = Chain(redis_url, tmp_path, replay_speed=20).start()
    chains.append(chain)
    for paced in (19_000, 21_000, 23_000):
        asyncio.run(wait_until(lambda: chain.ticks() >= paced, 60, f"{paced} ticks"))  # noqa: B023
        chain.services[victim].kill()
        chain.services[victim].start()
    asyncio.run(wait_until(chain.finished, 60, "the recording has gone through"))
    assert_ticks(chain)
    assert_bars(chain)
    assert_statistics(chain)


def test_two_replays_at_different_speed_and_batch_size_give_the_same_bytes(
    redis_url: str, tmp_path: Path, chains: list[Chain]
) -> None:
    dumps = []
    for number, (speed, linger_ms) in enumerate([(0, 0), (60, 300)]):
        directory = tmp_path / str(number)
        directory.mkdir()
        chain = Chain(redis_url, directory, replay_speed=speed, sampler_linger_ms=linger_ms).start()
        chains.append(chain)
        asyncio.run(wait_until(chain.finished, 60, "the recording has gone through"))
        dumps.append(chain.dump("bars", "pairs"))
        for service in chain.services.values():
            service.kill()
        chain.client.flushall()
    assert len(dumps[0]) == 9
    assert dumps[0] == dumps[1]


def test_every_pass_of_a_looped_replay_gives_the_same_bars(redis_url: str, tmp_path: Path, chains: list[Chain]) -> None:
    chain = Chain(redis_url, tmp_path, replay_speed=200, replay_loop=1).start()
    chains.append(chain)
    asyncio.run(wait_until(lambda: chain.ticks() > 4 * 24_356, 60, "four passes are there"))
    chain.services["ingestor"].kill()
    shift_ms = 25 * 60_000  # from the middle of 23:55 to 00:05 and ten minutes of silence, in whole 5m bars
    last_ms = 1721347500000 + 3 * shift_ms
    asyncio.run(wait_until(lambda: any(t >= last_ms for _, t in bars_by_key(chain.client, "5m", "replay")), 60, "their bars"))
    for symbol in SYMBOLS:
        ids = sum(t.symbol == symbol for t in trades())
        for interval, width in WIDTHS.items():
            found = {t: bar for (s, t), bar in bars_by_key(chain.client, interval, "replay").items() if s == symbol}
            first = {t: bar for t, bar in found.items() if t <= 1721347502000}
            assert len(first) == -(-1721347503000 // width) - 1721347022000 // width
            for number in range(1, 4):
                for time_ms, bar in first.items():
                    again = dict(found[time_ms + number * shift_ms])
                    for name in {"first_id", "last_id"} & bar.keys():
                        again[name] = str(int(again[name]) - number * ids)
                    assert again == bar
    newest = max(t for _, t in bars_by_key(chain.client, "1s", "replay"))
    asyncio.run(wait_until(lambda: chain.rows("1s")[-1][0] >= f"{newest - 2_000}-0", 60, "the statistics of all passes"))
    chain.services["sampler"].kill()
    asyncio.run(wait_until(chain.up_to_date, 20, "the statistics of the last bars"))
    assert_statistics(chain)
    found = [fields for _, fields in stream(chain.client, "replay:events")]
    assert {fields["kind"] for fields in found}.isdisjoint({"late", "rejected"})
    # The silences between passes are declared; no id is missing.
    assert [fields for fields in found if fields["kind"] == "gap" and "first_id" in fields] == []
