"""The REST side of the mock exchange, as far as the product uses it."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.mock_exchange.trades import MarketTrade

MINUTE_MS = 60_000


def answer(target: str, trades: Sequence[MarketTrade], listed: Sequence[str], now_ms: int) -> tuple[int, Any]:
    """HTTP status and JSON body of a GET; only trades up to `now_ms` have happened."""
    url = urlsplit(target)
    query = {name: values[-1] for name, values in parse_qs(url.query).items()}
    symbol = query.get("symbol", "")
    match url.path:
        case "/fapi/v1/ping":
            return 200, {}
        case "/fapi/v1/time":
            return 200, {"serverTime": now_ms}
        case "/fapi/v1/exchangeInfo":
            return 200, {"serverTime": now_ms, "symbols": [_listing(name) for name in listed]}
        case "/fapi/v1/aggTrades" | "/fapi/v1/klines" if symbol not in listed:
            return 400, {"code": -1121, "msg": "Invalid symbol."}
        case "/fapi/v1/aggTrades":
            past = [t for t in trades if t.symbol == symbol and t.kind == "MARKET" and t.time_ms <= now_ms]
            limit = min(int(query.get("limit", "500")), 1000)
            if "fromId" in query:
                past = [t for t in past if t.trade_id >= int(query["fromId"])][:limit]
            return 200, [_aggregate(t) for t in past[-limit:]]
        case "/fapi/v1/klines" if query.get("interval") == "1m":
            past = [t for t in trades if t.symbol == symbol and t.kind == "MARKET" and t.time_ms <= now_ms]
            return 200, _klines(past)[-min(int(query.get("limit", "500")), 1500) :]
        case _:
            return 404, {"code": -5000, "msg": f"Path {url.path}, Method GET is invalid"}


def _listing(symbol: str) -> dict[str, str]:
    return {
        "symbol": symbol,
        "pair": symbol,
        "contractType": "PERPETUAL",
        "status": "TRADING",
        "baseAsset": symbol.removesuffix("USDT"),
        "quoteAsset": "USDT" if symbol.endswith("USDT") else "USDC",
    }


def _aggregate(trade: MarketTrade) -> dict[str, Any]:
    return {
        "a": trade.trade_id,
        "p": trade.price,
        "q": trade.size,
        "f": trade.trade_id,
        "l": trade.trade_id,
        "T": trade.time_ms,
        "m": trade.buyer_is_maker,
    }


def _klines(trades: Sequence[MarketTrade]) -> list[list[Any]]:
    minutes: dict[int, list[MarketTrade]] = {}
    for trade in trades:
        minutes.setdefault(trade.time_ms // MINUTE_MS * MINUTE_MS, []).append(trade)
    rows = []
    for open_ms, inside in sorted(minutes.items()):
        prices = [Decimal(t.price) for t in inside]
        sizes = [Decimal(t.size) for t in inside]
        quotes = [p * s for p, s in zip(prices, sizes, strict=True)]
        bought = [not t.buyer_is_maker for t in inside]
        row = [
            open_ms,
            *map(str, (prices[0], max(prices), min(prices), prices[-1], sum(sizes))),
            open_ms + MINUTE_MS - 1,
            str(sum(quotes)),
            len(inside),
            str(sum(s for s, b in zip(sizes, bought, strict=True) if b)),
            str(sum(q for q, b in zip(quotes, bought, strict=True) if b)),
            "0",
        ]
        rows.append(row)
    return rows
