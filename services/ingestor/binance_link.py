"""One WebSocket connection to the venue: at most 200 streams, made again whenever it ends or falls silent."""

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from services.ingestor.binance import IdKind, Print, Reply, parse, stream_name
from services.ingestor.binance_rest import unreachable
from services.ingestor.intake import Intake
from shared.errors import BadInput
from shared.log import Log
from shared.runtime import pause

MAX_STREAMS = 200
"""The older of the two limits in the venue's documents; the newer allows 1024."""

MAX_FRAME_BYTES = 4 << 20
PING_S = 5.0
_OPEN_S = 10.0
_BACKOFF_S = (0.25, 30.0)
_SILENCE_MAX_S = 300.0
_PENDING = 20_000
_MESSAGE_GAP_S = 0.15
"""The venue closes a connection that sends more than ten messages a second."""

_NUMBERS = itertools.count(1)


def open_stream(base_url: str, symbols: Iterable[str], kind: IdKind) -> connect:
    """The connection that carries these symbols' streams, not yet made."""
    streams = "/".join(stream_name(symbol, kind) for symbol in symbols)
    return connect(
        f"{base_url.rstrip('/')}/stream?streams={streams}",
        open_timeout=_OPEN_S,
        ping_interval=PING_S,
        ping_timeout=2 * PING_S,
        close_timeout=1.0,
        max_size=MAX_FRAME_BYTES,
        max_queue=4096,
        compression=None,
    )


class Link:
    """A connection, its symbols, and whether trades arrive on it: an acknowledgement is not data."""

    def __init__(
        self, base_url: str, kind: IdKind, silence_s: float, intake: Intake, log: Log, changed: Callable[["Link"], None]
    ) -> None:
        """`changed` is called when the link goes up or down."""
        self._number = next(_NUMBERS)
        self._base_url = base_url
        self._kind = kind
        self._silence_s = silence_s
        self._intake = intake
        self._log = log
        self._changed = changed
        self._socket: ClientConnection | None = None
        self._prints: list[Print] = []
        self._some = asyncio.Event()
        self._sending = asyncio.Lock()
        self._request = itertools.count(1)
        self._trade_at = 0.0
        self.symbols: list[str] = []
        self.up = False
        self.reason = "no trade yet"
        self.reconnects = 0

    async def add(self, symbols: list[str]) -> None:
        """Carry these too, at once if connected."""
        self.symbols += symbols
        await self._send("SUBSCRIBE", symbols)

    async def remove(self, symbols: list[str]) -> None:
        """Carry these no more."""
        self.symbols = [symbol for symbol in self.symbols if symbol not in symbols]
        await self._send("UNSUBSCRIBE", symbols)

    async def _send(self, method: str, symbols: list[str]) -> None:
        socket = self._socket
        if socket is None:
            return  # the next connection names the streams in its URL
        async with self._sending:
            streams = [stream_name(symbol, self._kind) for symbol in symbols]
            try:
                await socket.send(orjson.dumps({"method": method, "params": streams, "id": next(self._request)}).decode())
            except WebSocketException:
                return  # likewise
            await asyncio.sleep(_MESSAGE_GAP_S)

    async def run(self, stop: asyncio.Event) -> None:
        """Stay connected until `stop` or until no symbol is left."""
        failures = 0
        while not stop.is_set() and self.symbols:
            silence_s = min(self._silence_s * 2**failures, max(_SILENCE_MAX_S, self._silence_s))
            carried = list(self.symbols)
            self._trade_at = 0.0
            try:
                async with open_stream(self._base_url, carried, self._kind) as socket:
                    self._socket = socket
                    missed = [symbol for symbol in self.symbols if symbol not in carried]
                    if missed:
                        await self._send("SUBSCRIBE", missed)
                    reason = await self._receive(socket, silence_s, stop)
            except (WebSocketException, OSError, TimeoutError) as error:
                reason = unreachable(urlsplit(self._base_url).netloc, error)
            finally:
                self._socket = None
            failures = 0 if self._trade_at else failures + 1
            self._down(reason)
            if not stop.is_set():
                self.reconnects += 1
                first, longest = _BACKOFF_S
                await pause(stop, min(longest, first * 2 ** min(failures, 10)) * random.uniform(0.5, 1.5))

    def _down(self, reason: str) -> None:
        self._intake.disconnected(self.symbols)
        self.reason = reason
        self.up = False
        self._changed(self)

    async def _receive(self, socket: ClientConnection, silence_s: float, stop: asyncio.Event) -> str:
        """Take frames until the connection ends; answers why it did."""
        ended = asyncio.Event()
        reading = asyncio.create_task(self._read(socket))
        watching = asyncio.create_task(self._watch(silence_s, stop))
        handing_over = asyncio.create_task(self._hand_over(ended))
        try:
            done, _ = await asyncio.wait({reading, watching, handing_over}, return_when=asyncio.FIRST_COMPLETED)
            reading.cancel()
            watching.cancel()
            # Never cut off: what has passed the door must reach the queue.
            ended.set()
            self._some.set()
            await handing_over
        finally:
            for job in (reading, watching, handing_over):
                job.cancel()
        return reading.result() if reading in done else watching.result()

    async def _read(self, socket: ClientConnection) -> str:
        # Frames that have already arrived are read without a pause between them; the other task then takes them as one batch.
        while True:
            try:
                frame = await socket.recv(decode=False)
            except WebSocketException as error:
                return str(error) or type(error).__name__
            try:
                found = parse(frame)
            except BadInput:
                self._intake.reject("no trade frame")
                continue
            if isinstance(found, Reply):
                if found.error is not None:
                    self._log.warning("the venue refused a request", error=found.error)
                    self._intake.reject("request refused by the venue")
                continue
            self._prints.append(found)
            self._some.set()
            if len(self._prints) >= _PENDING:
                await asyncio.sleep(0.01)  # Redis is behind: let the socket fill

    async def _hand_over(self, ended: asyncio.Event) -> None:
        while self._prints or not ended.is_set():
            await self._some.wait()
            self._some.clear()
            batch, self._prints = self._prints, []
            if batch:
                self._trade_at = time.monotonic()
                if not self.up:
                    self.up, self.reason = True, ""
                    self._changed(self)
                await self._intake.take(batch, self._number)

    async def _watch(self, silence_s: float, stop: asyncio.Event) -> str:
        connected_at = time.monotonic()
        while not stop.is_set():
            if time.monotonic() - max(self._trade_at, connected_at) > silence_s:
                return f"connected, but no trade for {silence_s:g} s"
            await pause(stop, min(0.5, silence_s / 4))
        return "stopping"
