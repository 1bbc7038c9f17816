"""The simulator: the synthetic market as a source, its history at once and then in real time."""

import asyncio
import time
from collections.abc import Sequence

from services.ingestor.binance import Print
from services.ingestor.intake import Intake
from services.ingestor.link_clock import SILENCE_MS
from services.ingestor.market import Market, universe
from services.ingestor.newest import newest_tick
from services.ingestor.replay import WARM_UP_BARS
from services.ingestor.settings import IngestorSettings
from shared.errors import BadInput
from shared.health import Health
from shared.intervals import interval_ms
from shared.log import Log
from shared.messages import Tick
from shared.runtime import pause

_TURN_S = 0.05
_BATCH = 1000
_SIZE_STEP = 0.001


def first_second(newest_ms: int | None, now_ms: int, history_s: int) -> int:
    """The second to begin with: a history before now, or right after the newest tick if that leaves no more than a short hole.

    A second that was broken off is not finished: which of its trades are there cannot be told from one tick.

    >>> first_second(None, 1_000_000, 360), first_second(700_500, 1_000_000, 360)
    (640, 701)
    """
    history = now_ms // 1000 - history_s
    if newest_ms is None or now_ms - newest_ms > SILENCE_MS + history_s * 1000 + 60_000:
        return history
    return newest_ms // 1000 + 1


class Simulator:
    """The simulated source."""

    def __init__(self, settings: IngestorSettings, followed: Sequence[str], intake: Intake, health: Health, log: Log) -> None:
        """`followed`: symbols to publish, empty for all of the market."""
        self._market = Market(
            universe(settings.symbols, settings.simulator_symbols), settings.simulator_rate, settings.simulator_seed
        )
        shortest = settings.intervals[0]
        self._history_s = (settings.window_bars(shortest) + WARM_UP_BARS) * interval_ms(shortest) // 1000
        self._intake = intake
        self._health = health
        self._log = log
        self._followed = {symbol for symbol in followed if symbol in self._market.symbols} or set(self._market.symbols)
        self._next_id: dict[str, int] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop`. Raises `Unavailable`."""
        market = self._market
        await self._intake.open(self._followed)
        await self._intake.standing.follow(self._followed, replace=True)
        newest_ms = None
        for symbol in market.symbols:
            newest = await newest_tick(self._intake.bus, symbol)
            self._next_id[symbol] = 1
            if newest is not None:
                self._next_id[symbol] = newest.tick.trade_id + 1
                newest_ms = max(newest_ms or 0, newest.tick.time_ms)
        second = first_second(newest_ms, _now_ms(), self._history_s)
        self._log.info("simulator", symbols=len(market.symbols), groups=len(market.groups), from_ms=second * 1000)
        self._health.ready("feed")
        while not stop.is_set():
            if second * 1000 > _now_ms():
                await pause(stop, second - _now_ms() / 1000)
                continue
            await self._publish(second, stop)
            second += 1

    async def _publish(self, second: int, stop: asyncio.Event) -> None:
        """One second of the market, each trade when its time has come."""
        prints = self._prints(second)
        at = 0
        while at < len(prints) and not stop.is_set():
            now_ms = _now_ms()
            end = at
            while end < len(prints) and end - at < _BATCH and prints[end].event_ms <= now_ms:
                end += 1
            await self._intake.take(prints[at:end])
            at = end
            if at < len(prints) and prints[at].event_ms > now_ms:
                await pause(stop, max(_TURN_S, (prints[at].event_ms - now_ms) / 1000))
            else:
                await asyncio.sleep(0)  # the writer's turn

    def _prints(self, second: int) -> list[Print]:
        market = self._market
        names, next_id, followed = market.symbols, self._next_id, self._followed
        formats = [f"%.{decimals}f" for decimals in market.decimals]
        trades = market.trades(second)
        prints = []
        columns = (trades.time_ms, trades.symbol, trades.price, trades.size, trades.buy)
        for time_ms, index, price, size, buy in zip(*(column.tolist() for column in columns), strict=True):
            symbol = names[index]
            if symbol not in followed:
                continue
            trade_id = next_id[symbol]
            next_id[symbol] = trade_id + 1
            text = "%.3f" % max(size, _SIZE_STEP)  # noqa: UP031  # twice as fast as an f-string with a variable width
            tick = Tick(symbol, time_ms, trade_id, formats[index] % price, text, "buy" if buy else "sell")
            prints.append(Print("trade", time_ms, tick, True))
        return prints

    async def follow(self, symbols: Sequence[str]) -> None:
        unknown = [symbol for symbol in symbols if symbol not in self._market.symbols]
        if unknown:
            raise BadInput(f"the simulated market does not have {', '.join(unknown)}")
        await self._intake.open(symbols)
        self._followed.update(symbols)

    async def unfollow(self, symbols: Sequence[str]) -> None:
        self._followed.difference_update(symbols)
        for symbol in symbols:
            self._intake.close(symbol)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
