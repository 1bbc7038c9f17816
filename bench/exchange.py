"""The load generator, a process of its own: ``python -m bench.exchange PORT SYMBOLS``.

An exchange of synthetic trades over the real WebSocket protocol. Orders come on standard input, one JSON object a line,
``{"rate": ticks a second, "seconds": s}``; the answer, after that time, is a line on standard output (see `Sent`).
Between orders every subscribed symbol trades once a second, so that bars go on closing.
"""

import asyncio
import http
import sys
import time
from typing import NamedTuple, cast
from urllib.parse import parse_qs, urlsplit

import orjson
import uvloop
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from bench.frames import SymbolFrames, symbol_names

_TURN_S = 0.002
_HIGH_WATER_BYTES = 1 << 20


class Sent(NamedTuple):
    """What an order came to."""

    sent: int
    """Frames handed to the sockets."""
    behind: int
    """Frames that were due but could not be sent, because the readers did not keep up."""
    seconds: float
    start_ms: int
    end_ms: int
    last_ids: dict[str, int]
    """Symbol → id of its newest trade."""


class Market:
    """All symbols, who has subscribed to them, and the pace."""

    def __init__(self, symbols: list[str]) -> None:
        self.frames = {symbol: SymbolFrames(symbol, seed) for seed, symbol in enumerate(symbols)}
        self._subscribed: list[tuple[SymbolFrames, Session]] = []
        self._at = 0

    def subscribe(self, names: list[str], session: "Session") -> None:
        for name in names:
            frames = self.frames.get(name.partition("@")[0].upper())
            if frames is not None:
                self._subscribed.append((frames, session))

    def unsubscribe(self, session: "Session", names: list[str] | None = None) -> None:
        gone = None if names is None else {name.partition("@")[0].upper() for name in names}
        kept = [(f, s) for f, s in self._subscribed if s is not session or (gone is not None and f.symbol not in gone)]
        self._subscribed = kept

    @property
    def symbols(self) -> int:
        return len(self._subscribed)

    def trade(self, count: int) -> int:
        """Send the next `count` trades, a symbol after the other; answers how many there was room for."""
        turn = self._subscribed
        if not turn:
            return 0
        now_ms = time.time_ns() // 1_000_000
        chunks: dict[Session, list[bytes]] = {}
        sent = 0
        for _ in range(count):
            frames, session = turn[self._at % len(turn)]
            if session.full:
                break
            self._at += 1
            chunks.setdefault(session, []).append(frames.next(now_ms))
            sent += 1
        for session, chunk in chunks.items():
            session.send(b"".join(chunk))
        return sent

    async def run_at(self, rate: float, seconds: float) -> Sent:
        """Trade at `rate` for so long. What does not fit stays due: the pace is made up for as soon as there is room."""
        start_ms, begin = time.time_ns() // 1_000_000, time.monotonic()
        sent = 0
        while (elapsed := time.monotonic() - begin) < seconds:
            sent += self.trade(int(elapsed * rate) - sent)
            await asyncio.sleep(_TURN_S)
        due = int(rate * seconds)
        sent += self.trade(due - sent)
        last_ids = {symbol: frames.last_id for symbol, frames in self.frames.items()}
        return Sent(sent, due - sent, time.monotonic() - begin, start_ms, time.time_ns() // 1_000_000, last_ids)


class Session(asyncio.Protocol):
    """One connection: a WebSocket, or a question to the REST interface on the same port."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._protocol = ServerProtocol()
        self._transport: asyncio.Transport
        self.full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._transport.set_write_buffer_limits(_HIGH_WATER_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        self._market.unsubscribe(self)

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._open(event)
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._request(orjson.loads(event.data))
        for out in self._protocol.data_to_send():
            if out:
                self._transport.write(out)
            else:
                self._transport.close()
        if self._protocol.state in (State.CLOSING, State.CLOSED):
            self._market.unsubscribe(self)

    def send(self, frames: bytes) -> None:
        self._transport.write(frames)

    def _open(self, request: Request) -> None:
        url = urlsplit(request.path)
        if url.path.startswith("/fapi/"):
            body = orjson.dumps(self._rest(url.path)).decode()
            self._protocol.send_response(self._protocol.reject(http.HTTPStatus.OK, body))
            return
        self._protocol.send_response(self._protocol.accept(request))
        if self._protocol.state is State.OPEN:
            self._market.subscribe(parse_qs(url.query).get("streams", [""])[0].split("/"), self)

    def _rest(self, path: str) -> object:
        now_ms = time.time_ns() // 1_000_000
        if path.endswith("/time"):
            return {"serverTime": now_ms}
        if path.endswith("/exchangeInfo"):
            fixed = {"status": "TRADING", "contractType": "PERPETUAL", "quoteAsset": "USDT"}
            return {"serverTime": now_ms, "symbols": [{"symbol": symbol, **fixed} for symbol in self._market.frames]}
        return {}

    def _request(self, request: dict[str, object]) -> None:
        names = request.get("params")
        assert isinstance(names, list)
        if request["method"] == "SUBSCRIBE":
            self._market.subscribe(names, self)
        elif request["method"] == "UNSUBSCRIBE":
            self._market.unsubscribe(self, names)
        self._protocol.send_text(orjson.dumps({"result": None, "id": request["id"]}))


async def _main(port: int, count: int) -> None:
    loop = asyncio.get_running_loop()
    market = Market(symbol_names(count))
    server = await loop.create_server(lambda: Session(market), "127.0.0.1", port)
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    print("{}", flush=True)
    line = asyncio.ensure_future(orders.readline())
    while True:
        done, _ = await asyncio.wait({line}, timeout=1 / max(market.symbols, 20))
        if not done:
            market.trade(1)
            continue
        if not line.result():
            break
        order = orjson.loads(line.result())
        print(orjson.dumps((await market.run_at(**order))._asdict()).decode(), flush=True)
        line = asyncio.ensure_future(orders.readline())
    server.close()


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1]), int(sys.argv[2])))
