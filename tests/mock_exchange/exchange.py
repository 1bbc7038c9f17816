"""The mock exchange's server: subscriptions, the sending of trades, and faults."""

import asyncio
import http
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.mock_exchange.rest import answer
from tests.mock_exchange.trades import MarketTrade
from tests.waiting import wait_until

MAX_STREAMS = 1024
MAX_MESSAGES_A_SECOND = 10
KINDS = ("aggTrade", "trade")


class _Client:
    """One connection and its streams."""

    def __init__(self, connection: ServerConnection, *, wrapped: bool, routed: bool) -> None:
        self.connection = connection
        self.wrapped = wrapped
        self.routed = routed
        self.streams: set[str] = set()


class MockExchange:
    """A venue that trades `trades`. Everything is public that a test may want to look at or to break."""

    def __init__(
        self,
        trades: Sequence[MarketTrade] = (),
        *,
        listed: Iterable[str] | None = None,
        port: int = 0,
        aggregated: bool | None = False,
    ) -> None:
        """`listed`: symbols beyond those of the trades. `aggregated`: whether frames are aggTrades (one trade each) or
        trades, whatever the stream; ``None``: as the stream says."""
        self.trades = list(trades)
        self.listed = sorted({t.symbol for t in self.trades} | set(listed or ()))
        self.now_ms = self.trades[0].event_ms if self.trades else time.time_ns() // 1_000_000
        self.port = port
        self.clients: set[_Client] = set()
        self.accepted = 0
        self.requests: list[dict[str, object]] = []
        self.rest_calls: Counter[str] = Counter()
        self.sent = 0
        # Faults, to be set at any time.
        self.silent = False
        """Trades go on, but nobody is told."""
        self.copies = 1
        """How often each frame is sent."""
        self.withheld: Callable[[MarketTrade], bool] = lambda trade: False
        """Trades that are never sent."""
        self.rest_status: dict[str, int] = {}
        """Path → HTTP status instead of an answer; the empty path is all of them."""
        self.refusing = False
        """WebSocket handshakes are answered with HTTP 503."""
        self._aggregated = aggregated
        self._server: Server | None = None
        self._at = 0

    @property
    def ws_url(self) -> str:
        """The routed base URL, as of `wss://fstream.binance.com/market`."""
        return f"ws://127.0.0.1:{self.port}/market"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> "MockExchange":
        self._server = await serve(
            self._serve_client,
            "127.0.0.1",
            self.port,
            process_request=self._process_request,
            compression=None,
            ping_interval=None,
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self.disconnect()
        self._server.close()
        await self._server.wait_closed()

    # -- what tests do ---------------------------------------------------------------------------------------------------

    async def wait_subscribed(self, streams: int, deadline_s: float = 20.0) -> None:
        """Until that many routed streams are subscribed to, over all connections."""

        def subscribed() -> bool:
            return sum(len(client.streams) for client in self.clients if client.routed) >= streams

        await wait_until(subscribed, deadline_s, f"{streams} streams are subscribed to")

    async def play(self, speed: float = 0.0, count: int | None = None) -> int:
        """Send the next `count` trades (all that are left) at `speed` times their own pace, 0 = as fast as readers read.

        Goes on where the last call stopped. Answers how many trades happened.
        """
        trades = self.trades[self._at : None if count is None else self._at + count]
        started = time.monotonic()
        for i, trade in enumerate(trades):
            if speed:
                due = started + (trade.after_s - trades[0].after_s) / speed
                if (wait := due - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
            await self.send_trade(trade)
            self._at += 1
            if i % 100 == 99:
                await asyncio.sleep(0)
        return len(trades)

    async def send_trade(self, trade: MarketTrade) -> None:
        """One trade happens, to all whom it concerns."""
        self.now_ms = max(self.now_ms, trade.event_ms)
        if self.silent or self.withheld(trade):
            return
        for client in list(self.clients):
            if not client.routed:
                continue
            for kind in KINDS:
                stream = f"{trade.symbol.lower()}@{kind}"
                if stream in client.streams:
                    aggregated = kind == "aggTrade" if self._aggregated is None else self._aggregated
                    frame = trade.frame(stream, wrapped=client.wrapped, aggregated=aggregated)
                    for _ in range(self.copies):
                        await self._send(client, frame)
                    self.sent += 1

    async def send_raw(self, frame: str | bytes) -> None:
        """A frame of the test's own making, to everybody."""
        for client in list(self.clients):
            await self._send(client, frame)

    def disconnect(self) -> None:
        """Cut all connections without a goodbye."""
        for client in list(self.clients):
            client.connection.transport.abort()

    # -- the venue -------------------------------------------------------------------------------------------------------

    async def _send(self, client: _Client, frame: str | bytes) -> None:
        try:
            await client.connection.send(frame)
        except ConnectionClosed:
            self.clients.discard(client)

    def _process_request(self, connection: ServerConnection, request: Request) -> Response | None:
        path = urlsplit(request.path).path
        if request.headers.get("Upgrade", "").lower() == "websocket":
            if self.refusing:
                return Response(503, "Service Unavailable", Headers({"Content-Length": "0"}), b"")
            if path.removeprefix("/market").strip("/").split("/")[0] not in ("ws", "stream"):
                return Response(404, "Not Found", Headers({"Content-Length": "0"}), b"")
            return None
        self.rest_calls[path] += 1
        status = self.rest_status.get(path, self.rest_status.get("", 200))
        if status == 200:
            status, body = answer(request.path, self.trades, self.listed, self.now_ms)
            text = json.dumps(body).encode()
        else:
            text = b"<html>no service</html>"
        headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(text)), "Connection": "close"})
        return Response(status, http.HTTPStatus(status).phrase, headers, text)

    async def _serve_client(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        url = urlsplit(connection.request.path)
        # The un-routed path completes the handshake, acknowledges everything and then sends nothing.
        routed = url.path.startswith("/market/")
        path = url.path.removeprefix("/market").strip("/")
        endpoint, _, raw_stream = path.partition("/")
        client = _Client(connection, wrapped=endpoint == "stream", routed=routed)
        named = parse_qs(url.query).get("streams", [""])[0] if endpoint == "stream" else raw_stream
        client.streams |= {stream for stream in named.split("/") if stream}
        if len(client.streams) > MAX_STREAMS:
            await connection.close(1008, "too many streams")
            return
        self.clients.add(client)
        self.accepted += 1
        received: list[float] = []
        try:
            async for message in connection:
                received = [*(at for at in received if time.monotonic() - at < 1), time.monotonic()]
                if len(received) > MAX_MESSAGES_A_SECOND:
                    await connection.close(1008, "Too many requests")
                    return
                await connection.send(json.dumps(self._reply(client, message)))
        except ConnectionClosed:
            pass
        finally:
            self.clients.discard(client)

    def _reply(self, client: _Client, message: str | bytes) -> dict[str, object]:
        try:
            request = json.loads(message)
        except ValueError as error:
            return {"code": 3, "msg": f"Invalid JSON: {error}"}
        if not isinstance(request, dict):
            return {"code": 2, "msg": "Invalid request: request must be an object"}
        self.requests.append(request)
        method, number = request.get("method"), request.get("id")
        streams = request.get("params", [])
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            return {"code": 2, "msg": "Invalid request: request ID must be an unsigned integer"}
        if method == "LIST_SUBSCRIPTIONS":
            return {"result": sorted(client.streams), "id": number}
        if method not in ("SUBSCRIBE", "UNSUBSCRIBE"):
            return {"code": 2, "msg": f"Invalid request: unknown variant `{method}`", "id": number}
        if not isinstance(streams, list) or not all(isinstance(stream, str) for stream in streams):
            return {"code": 2, "msg": "Invalid request: params must be an array of strings", "id": number}
        if method == "SUBSCRIBE":
            client.streams |= set(streams)
        else:
            client.streams -= set(streams)
        return {"result": None, "id": number}
