"""The mock exchange against the venue's documents, and its klines against the venue's own."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.mock_exchange import MockExchange, made_up_trades, recorded_trades
from tests.recording import klines

SYMBOLS = ("BTCUSDT", "ETHUSDT")


async def answer(socket: ClientConnection, request: Any) -> Any:
    await socket.send(request if isinstance(request, str) else json.dumps(request))
    async with asyncio.timeout(5):
        return json.loads(await socket.recv())


async def test_subscriptions() -> None:
    async with MockExchange(made_up_trades(SYMBOLS, 20)) as exchange, connect(f"{exchange.ws_url}/ws") as socket:
        assert await answer(socket, {"method": "LIST_SUBSCRIPTIONS", "id": 1}) == {"result": [], "id": 1}
        assert await answer(socket, {"method": "SUBSCRIBE", "params": ["btcusdt@aggTrade"], "id": 2}) == {"result": None, "id": 2}
        assert await answer(socket, {"method": "SUBSCRIBE", "params": ["ETHUSDT@aggTrade"], "id": 3}) == {"result": None, "id": 3}
        await exchange.play(count=10)
        assert json.loads(await socket.recv())["s"] == "BTCUSDT"
        for _ in range(sum(t.symbol == "BTCUSDT" for t in exchange.trades[:10]) - 1):
            frame = json.loads(await socket.recv())
            assert (frame["e"], frame["s"]) == ("trade", "BTCUSDT")  # bare; the upper-case stream stays silent
        assert await answer(socket, {"method": "UNSUBSCRIBE", "params": ["btcusdt@aggTrade"], "id": 4}) == {
            "result": None,
            "id": 4,
        }
        await exchange.play()
        assert (await answer(socket, {"method": "NONSENSE", "id": 5}))["code"] == 2
        assert (await answer(socket, "{"))["code"] == 3


async def test_streams_in_the_url_are_wrapped() -> None:
    async with (
        MockExchange(made_up_trades(SYMBOLS, 5), aggregated=None) as exchange,
        connect(f"{exchange.ws_url}/stream?streams=btcusdt@aggTrade/ethusdt@trade") as socket,
    ):
        await exchange.play()
        frames = [json.loads(await socket.recv()) for _ in range(5)]
    assert {(f["stream"], f["data"]["e"]) for f in frames} == {("btcusdt@aggTrade", "aggTrade"), ("ethusdt@trade", "trade")}


@pytest.mark.parametrize("path", ["/stream?streams=btcusdt@aggTrade", "/ws/btcusdt@aggTrade"])
async def test_the_path_that_was_switched_off_acknowledges_and_sends_nothing(path: str) -> None:
    async with (
        MockExchange(made_up_trades(["BTCUSDT"], 5)) as exchange,
        connect(exchange.ws_url.removesuffix("/market") + path) as socket,
    ):
        request = {"method": "SUBSCRIBE", "params": ["btcusdt@aggTrade"], "id": 1}
        assert await answer(socket, request) == {"result": None, "id": 1}
        await exchange.play()
        # Its next frame is the answer to the next request: no trade came before it.
        assert await answer(socket, request | {"id": 2}) == {"result": None, "id": 2}


async def test_too_many_messages_end_the_connection() -> None:
    async with MockExchange() as exchange, connect(f"{exchange.ws_url}/ws") as socket:
        for i in range(12):
            await socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": i}))
        async with asyncio.timeout(5):
            await socket.wait_closed()
        assert socket.close_code == 1008


async def test_other_paths_are_refused() -> None:
    async with MockExchange() as exchange:
        for path in ("/", "/market", "/market/nothing"):
            with pytest.raises(InvalidStatus):
                await connect(exchange.ws_url.removesuffix("/market") + path)


async def test_rest() -> None:
    async with (
        MockExchange(recorded_trades(), listed=["SOLUSDT"]) as exchange,
        httpx.AsyncClient(base_url=exchange.rest_url) as http,
    ):
        assert (await http.get("/fapi/v1/ping")).json() == {}
        assert (await http.get("/fapi/v1/time")).json() == {"serverTime": exchange.trades[0].event_ms}
        listed = (await http.get("/fapi/v1/exchangeInfo")).json()["symbols"]
        assert [s["symbol"] for s in listed] == ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
        assert (await http.get("/fapi/v1/klines", params={"symbol": "NOSUCHUSDT"})).json()["code"] == -1121
        await exchange.play()
        first_id = next(t.trade_id for t in exchange.trades if t.symbol == "BTCUSDT") + 5
        rows = (await http.get("/fapi/v1/aggTrades", params={"symbol": "BTCUSDT", "fromId": first_id, "limit": 7})).json()
        assert [row["a"] for row in rows] == list(range(first_id, first_id + 7))
        for symbol in SYMBOLS:
            rows = (await http.get("/fapi/v1/klines", params={"symbol": symbol, "interval": "1m"})).json()
            found = {row[0]: row for row in rows}
            for (of, open_ms), kline in klines().items():
                if of == symbol:
                    ours = [found[open_ms][i] for i in (1, 2, 3, 4, 5, 7, 8, 9)]
                    names = ("open", "high", "low", "close", "volume", "quote_volume", "count", "taker_buy_volume")
                    assert [str(value) for value in ours] == [kline[name] for name in names]
        exchange.rest_status["/fapi/v1/ping"] = 418
        assert (await http.get("/fapi/v1/ping")).status_code == 418
