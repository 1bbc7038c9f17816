"""The replay of a recording: the same frames through the same parser as live, at the recording's pace or another."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from services.ingestor import passes
from services.ingestor.binance import Print, parse
from services.ingestor.intake import Intake
from services.ingestor.newest import newest_tick
from services.ingestor.passes import Extent, Pass, Place, Start
from services.ingestor.recording import read_lines
from services.ingestor.settings import IngestorSettings
from shared.errors import BadInput, Unavailable
from shared.health import Health
from shared.intervals import interval_ms
from shared.log import Log
from shared.messages import Event
from shared.runtime import pause

WARM_UP_BARS = 60
"""Bars published at once beyond the window, so that the first statistics stand on the screen when it opens."""

_BATCH = 500
_TURN_S = 0.02


def recorded_prints(path: Path, refused: list[str] | None = None) -> Iterator[tuple[int, Print]]:
    """Receive time in ns and print of every trade frame of a recording, in its order.

    The reason for every line that is none is appended to `refused`. Raises `BadInput` when the file cannot be read.
    """
    for line in read_lines(path):
        if line is None:
            if refused is not None:
                refused.append("no line of a recording")
            continue
        try:
            found = parse(line.frame)
        except BadInput:
            if refused is not None:
                refused.append("no trade frame")
            continue
        if isinstance(found, Print):
            yield line.receive_ns, found


class Replay:
    """The replay source. Every start goes on right after the newest ticks in Redis, whatever ended the run before."""

    def __init__(self, settings: IngestorSettings, wanted: Sequence[str], intake: Intake, health: Health, log: Log) -> None:
        """`wanted`: symbols to publish, empty for all of the recording."""
        self._path = settings.replay
        self._speed = settings.replay_speed
        self._loop = settings.replay_loop
        self._largest_ms = interval_ms(settings.intervals[-1])
        shortest = settings.intervals[0]
        self._history_ns = (settings.window_bars(shortest) + WARM_UP_BARS) * interval_ms(shortest) * 1_000_000
        self._wanted = wanted
        self._intake = intake
        self._health = health
        self._log = log
        self._symbols: set[str] = set()
        self._extent: Extent | None = None
        self._pass = health.gauge("replay_pass", "Number of the pass through the recording, from 0")
        health.unready("feed", "reading the recording")

    async def run(self, stop: asyncio.Event) -> None:
        """Play passes until `stop`. Raises `BadInput` when the file cannot be read, `Unavailable` for Redis."""
        # In a thread: a long recording takes a while, and health must answer meanwhile.
        extent = await asyncio.to_thread(lambda: passes.extent(print_ for _, print_ in recorded_prints(self._path)))
        if not extent.prints:
            raise BadInput(f"{self._path} holds no trades")
        symbols = self._present(extent)
        await self._intake.open(symbols)
        await self._intake.standing.follow(symbols, replace=True)
        self._symbols = set(symbols)
        self._extent = extent
        start, resumed_ns = await self._resume(extent, symbols)
        paced_from_ns = max(resumed_ns, self._history_ns)
        current = start.first
        self._health.ready("feed")
        self._log.info("replay", recording=self._path.name, trades=extent.prints, symbols=len(symbols), first_pass=current.number)
        if start.ended is not None:
            await self._end(extent, start.ended)
        while not stop.is_set():
            self._pass.set(current.number)
            await self._play(extent, current, paced_from_ns, stop)
            if stop.is_set():
                return
            await self._end(extent, current)
            if not self._loop:
                self._log.info("the recording has ended; start again to play it once more")
                await stop.wait()
                return
            current = passes.following(extent, self._largest_ms, current)
            # A recording shorter than the history would go round and round without ever being paced.
            span_ns = (extent.last_ms - extent.first_ms) * 1_000_000
            paced_from_ns = self._history_ns if span_ns > self._history_ns else 0

    def _present(self, extent: Extent) -> list[str]:
        wanted = list(self._wanted)
        if not wanted or wanted == ["*"]:
            return sorted(extent.ids)
        for symbol in wanted:
            if symbol not in extent.ids:
                self._log.warning("skipped: the recording does not hold it", symbol=symbol)
                self._intake.declare(Event("rejected", extent.first_ms, "the recording does not hold it", symbol))
        return [symbol for symbol in wanted if symbol in extent.ids]

    async def _resume(self, extent: Extent, symbols: Sequence[str]) -> tuple[Start, int]:
        """Where to go on, and how far into it, in ns of the recording's time, all is to be published at once."""
        tails: dict[str, Place] = {}
        for symbol in symbols:
            newest = await newest_tick(self._intake.bus, symbol)
            if newest is not None:
                tails[symbol] = Place(newest.tick.time_ms, newest.tick.trade_id)
        ids = passes.recorded_ids(extent, tails)
        places = await asyncio.to_thread(self._locate, ids) if ids else {}
        times = {symbol: time_ms for symbol, (time_ms, _) in places.items()}
        start = passes.start(extent, self._largest_ms, symbols, tails, times)
        offsets = [
            offset
            for symbol, (time_ms, offset) in places.items()
            if tails[symbol] == Place(time_ms + start.first.shift_ms, ids[symbol] + start.first.number * extent.count(symbol))
        ]
        return start, max(offsets, default=0)

    def _locate(self, ids: dict[str, int]) -> dict[str, tuple[int, int]]:
        """Symbol → trade time and receive offset in ns of these ids, where the recording has them."""
        found: dict[str, tuple[int, int]] = {}
        started_ns: int | None = None
        for receive_ns, print_ in recorded_prints(self._path):
            started_ns = receive_ns if started_ns is None else started_ns
            tick = print_.tick
            if ids.get(tick.symbol) == tick.trade_id:
                found[tick.symbol] = (tick.time_ms, receive_ns - started_ns)
        return found

    async def _play(self, extent: Extent, current: Pass, paced_from_ns: int, stop: asyncio.Event) -> None:
        """One pass. What Redis has already is refused at the door, which by the way learns how far time had got."""
        counts = {symbol: extent.count(symbol) for symbol in extent.ids}
        refused: list[str] = []
        batch: list[Print] = []
        started_ns: int | None = None
        clock_from: float | None = None
        handed_at = time.monotonic()
        for receive_ns, print_ in recorded_prints(self._path, refused):
            symbol = print_.tick.symbol
            if symbol not in self._symbols:
                continue
            started_ns = receive_ns if started_ns is None else started_ns
            due_s = 0.0
            if self._speed and receive_ns - started_ns > paced_from_ns:
                now = time.monotonic()
                clock_from = now if clock_from is None else clock_from
                due_s = clock_from + (receive_ns - started_ns - paced_from_ns) / 1e9 / self._speed - now
            if due_s > 0 or len(batch) >= _BATCH or (clock_from is not None and time.monotonic() - handed_at > _TURN_S):
                await self._intake.take(batch)
                batch = []
                handed_at = time.monotonic()
                # Trades that are due within one turn go together; without a wait the writer would not get its turn.
                if due_s > 0:
                    await pause(stop, max(due_s, _TURN_S))
                else:
                    await asyncio.sleep(0)
                if stop.is_set():
                    return
            batch.append(current.shifted(print_, counts[symbol]))
        await self._intake.take(batch)
        for reason in refused:
            self._intake.reject(reason)

    async def _end(self, extent: Extent, ended: Pass) -> None:
        await self._intake.end(sorted(self._symbols), extent.last_ms + ended.shift_ms + 1)

    async def follow(self, symbols: Sequence[str]) -> None:
        if self._extent is None:
            raise Unavailable("the recording is still being read")
        missing = [symbol for symbol in symbols if symbol not in self._extent.ids]
        if missing:
            raise BadInput(f"the recording does not hold {', '.join(missing)}")
        await self._intake.open(symbols)
        self._symbols.update(symbols)

    async def unfollow(self, symbols: Sequence[str]) -> None:
        self._symbols.difference_update(symbols)
        for symbol in symbols:
            self._intake.close(symbol)
