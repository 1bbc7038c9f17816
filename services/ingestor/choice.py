"""Which source to run: as set, or found out within ten seconds."""

import asyncio
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from websockets.exceptions import WebSocketException

from services.ingestor import binance_rest
from services.ingestor.binance import Print, parse
from services.ingestor.binance_link import MAX_STREAMS, open_stream
from services.ingestor.settings import IngestorSettings
from shared.errors import BadInput, Unavailable

AUTO_S = 10.0
_ALWAYS_TRADED = "BTCUSDT"


class Choice(NamedTuple):
    """A source and why it was taken; no reason where the settings name it."""

    source: Literal["binance", "replay", "simulator", "none"]
    reason: str

    @property
    def namespace(self) -> str:
        """Where its data lives unless the settings name another: made-up or old data never mixes with live data."""
        return self.source if self.source in ("replay", "simulator") else ""


async def choose(settings: IngestorSettings) -> Choice:
    """`auto` is Binance if REST answers and a first trade comes within ten seconds, else the replay."""
    if settings.source != "auto":
        return Choice(settings.source, "")
    try:
        async with asyncio.timeout(AUTO_S):
            await binance_rest.ping(settings.binance_rest_url, AUTO_S)
            await _first_trade(settings)
    except TimeoutError:
        return Choice("replay", f"no trade from {urlsplit(settings.binance_ws_url).netloc} within {AUTO_S:g} s")
    except Unavailable as error:
        return Choice("replay", str(error))
    return Choice("binance", "Binance answers and trades arrive")


async def _first_trade(settings: IngestorSettings) -> None:
    """Returns when a trade has come. Raises `Unavailable`."""
    symbols = [] if settings.symbols == ["*"] else settings.symbols[: MAX_STREAMS - 1]
    host = urlsplit(settings.binance_ws_url).netloc
    try:
        wanted = dict.fromkeys([*symbols, _ALWAYS_TRADED])
        async with open_stream(settings.binance_ws_url, wanted, settings.binance_stream) as socket:
            while True:
                try:
                    if isinstance(parse(await socket.recv(decode=False)), Print):
                        return
                except BadInput:
                    continue
    except (WebSocketException, OSError) as error:
        raise Unavailable(binance_rest.unreachable(host, error)) from error
