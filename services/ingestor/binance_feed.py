"""Binance live: symbols spread over connections, changed at run time without touching the others' streams."""

import asyncio
from collections.abc import Sequence

from services.ingestor import binance_rest
from services.ingestor.binance_link import MAX_STREAMS, Link
from services.ingestor.binance_rest import Listing
from services.ingestor.intake import Intake
from services.ingestor.settings import IngestorSettings
from shared.errors import BadInput, Unavailable
from shared.health import Health
from shared.log import Log
from shared.messages import Event
from shared.runtime import pause

_RETRY_S = 5.0


class BinanceFeed:
    """The live source. Up means that trades arrive on every connection."""

    def __init__(self, settings: IngestorSettings, wanted: Sequence[str], intake: Intake, health: Health, log: Log) -> None:
        self._settings = settings
        self._wanted = wanted
        self._intake = intake
        self._health = health
        self._log = log
        self._links: dict[Link, asyncio.Task[None]] = {}
        self._listing: Listing | None = None
        self._stop = asyncio.Event()
        self._started = False
        self._up = health.gauge("feed_up", "1 while trades arrive on every connection")
        health.gauge("feed_connections", "Connections to the venue").set_function(lambda: len(self._links))
        health.gauge("feed_reconnects", "Times that connections to the venue were made again").set_function(
            lambda: sum(link.reconnects for link in self._links)
        )
        health.unready("feed", "connecting")

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; keeps trying whatever happens."""
        self._stop = stop
        symbols = await self._listed(stop)
        await self._intake.standing.follow(symbols, replace=True)
        await self._carry(symbols)
        self._started = True
        while not stop.is_set():
            if not self._links:
                self._health.unready("feed", "no symbol is followed")
            for link, task in list(self._links.items()):
                if task.done():
                    task.result()
                    del self._links[link]
            await pause(stop, 0.5)
        for task in self._links.values():
            await task

    async def _listed(self, stop: asyncio.Event) -> list[str]:
        """The wanted symbols that the venue lists; all of them if it does not say."""
        everything = list(self._wanted) == ["*"]
        while not stop.is_set():
            try:
                self._listing = await binance_rest.listing(self._settings.binance_rest_url)
            except Unavailable as error:
                self._log.warning("the venue's list of symbols is not to be had", reason=str(error))
                if not everything:
                    return list(self._wanted)
                self._health.unready("feed", f"waiting for the list of symbols: {error}")
                await pause(stop, _RETRY_S)
                continue
            if everything:
                return list(self._listing.usdt_perpetuals)
            for symbol in self._wanted:
                if symbol not in self._listing.trading:
                    self._log.warning("skipped: the venue does not list it", symbol=symbol)
                    self._intake.declare(Event("rejected", self._intake.clock_ms, "the venue does not list it", symbol))
            return [symbol for symbol in self._wanted if symbol in self._listing.trading]
        return []

    async def _carry(self, symbols: Sequence[str]) -> None:
        await self._intake.open(symbols)
        left = list(symbols)
        for link in self._links:
            room = MAX_STREAMS - len(link.symbols)
            if left and room > 0 and not self._links[link].done():
                await link.add(left[:room])
                left = left[room:]
        while left:
            settings = self._settings
            link = Link(
                settings.binance_ws_url,
                settings.binance_stream,
                settings.binance_silence_s,
                self._intake,
                self._log,
                self._changed,
            )
            link.symbols, left = left[:MAX_STREAMS], left[MAX_STREAMS:]
            self._links[link] = asyncio.create_task(link.run(self._stop))

    def _changed(self, link: Link) -> None:
        """A link went up or down."""
        if not self._stop.is_set() and link.symbols:
            name = f"{len(link.symbols)} streams, {link.symbols[0]} first"
            if link.up:
                self._log.info("feed up", connection=name)
                self._intake.declare(Event("feed_up", self._intake.clock_ms, f"trades arrive ({name})"))
            else:
                self._log.warning("feed down", connection=name, reason=link.reason)
                self._intake.declare(Event("feed_down", self._intake.clock_ms, f"{link.reason} ({name})"))
        down = [link.reason for link in self._links if not link.up and link.symbols]
        self._up.set(not down)
        if down:
            self._health.unready("feed", f"{len(down)} of {len(self._links)} connections: {down[0]}")
        else:
            self._health.ready("feed")

    async def follow(self, symbols: Sequence[str]) -> None:
        if not self._started:
            raise Unavailable("the feed is still starting")
        if self._listing is None:
            try:
                self._listing = await binance_rest.listing(self._settings.binance_rest_url)
            except Unavailable as error:
                self._log.warning("the venue's list of symbols is not to be had", reason=str(error))
        unknown = [symbol for symbol in symbols if self._listing is not None and symbol not in self._listing.trading]
        if unknown:
            raise BadInput(f"the venue does not trade {', '.join(unknown)}")
        carried = {symbol for link in self._links for symbol in link.symbols}
        await self._carry([symbol for symbol in symbols if symbol not in carried])

    async def unfollow(self, symbols: Sequence[str]) -> None:
        for link in list(self._links):
            gone = [symbol for symbol in link.symbols if symbol in symbols]
            if gone:
                await link.remove(gone)
        for symbol in symbols:
            self._intake.close(symbol)
