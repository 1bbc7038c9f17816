"""A Binance USD-M futures exchange to test against: WebSocket and REST on one port, deterministic trades, faults on demand.

async with MockExchange(recorded_trades()) as exchange:
    ...                                   # point PAIRSTREAM_BINANCE_WS_URL / _REST_URL at exchange.ws_url, exchange.rest_url
    await exchange.wait_subscribed(2)     # two streams
    await exchange.play(speed=50)
"""

from tests.mock_exchange.exchange import MockExchange
from tests.mock_exchange.trades import MarketTrade, made_up_trades, recorded_trades

__all__ = ["MarketTrade", "MockExchange", "made_up_trades", "recorded_trades"]
