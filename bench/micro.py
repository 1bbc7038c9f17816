"""Single stages in this process, each beside what one would write without thinking of speed: CPU time per tick.

Ours and the naive one take turns, so that a machine that slows down slows both; the medians are compared.
"""

import asyncio
import gc
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from statistics import median
from typing import Any, NamedTuple

import pandas as pd
import redis.asyncio
import uvloop

from bench.frames import SymbolFrames, symbol_names
from bench.stacks import Server
from services.ingestor.binance import Print, parse
from services.sampler.builder import BarBuilder
from shared.bus import StreamReader, TickWriter
from shared.bus.tick_writer import pack_tick
from shared.codec import decode_ticks
from shared.messages import Table, Tick, TickBatch
from shared.topics import TICKS, Channel, Keyspace

_NOW_MS = 1_700_000_000_000
_RATE_MS = 10
"""Ticks of one symbol in a millisecond of the synthetic second: enough for a bar to hold many."""

Job = Callable[[], Awaitable[None]]


class Stage(NamedTuple):
    """CPU time of one stage per tick, in µs, ours and the naive one's."""

    name: str
    naive_name: str
    ours_us: float
    naive_us: float

    @property
    def ratio(self) -> float:
        """How many times dearer the naive way is."""
        return self.naive_us / self.ours_us


def micro(server: Server, ticks: int, rounds: int) -> list[Stage]:
    """All stages over `ticks` ticks of 100 symbols. `server`: an empty Redis for the stages that need one."""
    return uvloop.run(_micro(server, ticks, rounds))


async def _micro(server: Server, ticks: int, rounds: int) -> list[Stage]:
    per_symbol = max(1, ticks // 100)
    frames: list[bytes] = []
    for seed, symbol in enumerate(symbol_names(100)):
        source = SymbolFrames(symbol, seed)
        frames += [source.next(_NOW_MS + i * _RATE_MS).partition(b"{")[2] for i in range(per_symbol)]
    frames = [b"{" + frame for frame in frames]
    prints = [found for frame in frames if isinstance(found := parse(frame), Print)]
    made = [found.tick for found in prints]
    stages = [
        await _compare("parse a frame, checked", "json.loads", len(made), rounds, _parser(frames), _json(frames)),
        await _compare("pack an XADD", "redis-py", len(made), rounds, _packer(made), _redis_py_packer(made)),
        await _compare("ticks to bars", "pandas resample", len(made), rounds, _bars(made), _pandas(made)),
    ]
    client = server.client
    stages.append(
        await _compare(
            "write to Redis", "redis-py pipeline", len(made), rounds, _writer(server, made), _redis_py_writer(server, made),
            between=client.flushall,
        )
    )  # fmt: skip
    client.flushall()
    await _writer(server, made)()
    stages.append(await _compare("read and decode", "redis-py", len(made), rounds, _reader(server), _redis_py_reader(server)))
    client.flushall()
    return stages


async def _compare(
    name: str, naive_name: str, count: int, rounds: int, ours: Job, naive: Job, between: Callable[[], object] = lambda: None
) -> Stage:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for job, found in zip((ours, naive), times, strict=True):
            between()
            gc.collect()
            gc.disable()  # as `timeit` does: what is kept from other stages must not be looked through at this one's cost
            start = time.process_time()
            await job()
            found.append((time.process_time() - start) / count * 1e6)
            gc.enable()
    return Stage(name, naive_name, median(times[0]), median(times[1]))


def _parser(frames: Sequence[bytes]) -> Job:
    async def job() -> None:
        for frame in frames:
            parse(frame)

    return job


def _json(frames: Sequence[bytes]) -> Job:
    async def job() -> None:
        for frame in frames:
            json.loads(frame)

    return job


def _packer(ticks: Sequence[Tick]) -> Job:
    async def job() -> None:
        for tick in ticks:
            pack_tick(f"ticks:{tick.symbol}", tick, tick.time_ms)

    return job


def _fields(tick: Tick) -> dict[str, str]:
    return {"price": tick.price, "size": tick.size, "side": tick.side or ""}


def _redis_py_packer(ticks: Sequence[Tick]) -> Job:
    connection = redis.asyncio.Connection()

    async def job() -> None:
        for tick in ticks:
            flat = [text for item in _fields(tick).items() for text in item]
            connection.pack_command("XADD", f"ticks:{tick.symbol}", f"{tick.time_ms}-{tick.trade_id}", *flat)

    return job


def _bars(ticks: Sequence[Tick]) -> Job:
    batches: list[TickBatch] = []
    by_symbol: dict[str, list[Tick]] = {}
    for tick in ticks:
        by_symbol.setdefault(tick.symbol, []).append(tick)
    for symbol, found in by_symbol.items():
        entries = [[f"{t.time_ms}-{t.trade_id}", [text for item in _fields(t).items() for text in item]] for t in found]
        batches.append(decode_ticks(symbol, entries))

    async def job() -> None:
        builder = BarBuilder(("1s", "1m", "5m"), Keyspace())
        builder.on_messages([Table("symbols", dict.fromkeys(by_symbol, ""))])
        builder.on_messages(batches)

    return job


def _pandas(ticks: Sequence[Tick]) -> Job:
    async def job() -> None:
        frame = pd.DataFrame(
            {
                "symbol": [t.symbol for t in ticks],
                "price": [float(t.price) for t in ticks],
                "size": [float(t.size) for t in ticks],
                "buy": [float(t.size) if t.side == "buy" else 0.0 for t in ticks],
            },
            index=pd.to_datetime([t.time_ms for t in ticks], unit="ms"),
        )
        frame["quote"] = frame["price"] * frame["size"]
        for _, one in frame.groupby("symbol"):
            for interval in ("1s", "1min", "5min"):
                bars = one.resample(interval)
                bars["price"].ohlc()
                bars[["size", "quote", "buy"]].sum()
                bars["price"].count()

    return job


def _writer(server: Server, ticks: Sequence[Tick]) -> Job:
    async def job() -> None:
        writer = TickWriter(server.url, Keyspace())
        running = asyncio.create_task(writer.run())
        for start in range(0, len(ticks), 500):
            await writer.add(ticks[start : start + 500])
        await writer.flush()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    return job


def _redis_py_writer(server: Server, ticks: Sequence[Tick]) -> Job:
    async def job() -> None:
        async with redis.asyncio.Redis.from_url(server.url) as client:
            for start in range(0, len(ticks), 500):
                async with client.pipeline(transaction=True) as pipe:
                    for tick in ticks[start : start + 500]:
                        pipe.xadd(f"ticks:{tick.symbol}", _fields(tick), id=f"{tick.time_ms}-{tick.trade_id}")  # type: ignore[arg-type]
                    await pipe.execute()

    return job


def _reader(server: Server) -> Job:
    async def job() -> None:
        reader = await StreamReader.open(server.url, Keyspace())
        reader.follow({Channel(TICKS.name, (symbol,)): "0" for symbol in symbol_names(100)})
        while found := await reader.read(0):
            for channel, entries, _ in found:
                decode_ticks(channel.parameters[0], entries)
        await reader.close()

    return job


def _redis_py_reader(server: Server) -> Job:
    async def job() -> None:
        offsets: dict[Any, Any] = {f"ticks:{symbol}": "0" for symbol in symbol_names(100)}
        async with redis.asyncio.Redis.from_url(server.url, decode_responses=True, protocol=2) as client:
            while True:
                found: Any = await client.xread(offsets, count=1000)
                if not found:
                    return
                for key, entries in found:
                    offsets[key] = entries[-1][0]
                    for entry_id, fields in entries:
                        ms, _, number = entry_id.partition("-")
                        int(ms), int(number), float(fields["price"]), float(fields["size"]), fields["side"]

    return job
