"""The venue's REST interface, as far as a start needs it."""

import socket
import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

import httpx
import msgspec

from shared.errors import Unavailable

_TIMEOUT_S = 10.0


class Listing(NamedTuple):
    """The symbols that the venue trades now."""

    trading: frozenset[str]
    usdt_perpetuals: tuple[str, ...]
    """Sorted."""


class _Symbol(msgspec.Struct):
    symbol: str
    status: str = "TRADING"
    contractType: str = "PERPETUAL"
    quoteAsset: str = "USDT"


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Symbol]


def unreachable(host: str, error: BaseException) -> str:
    """Why a host cannot be reached, in a sentence for the screen, from an error or what caused it.

    >>> unreachable("fapi.binance.com", socket.gaierror(-2, "Name or service not known"))
    'fapi.binance.com cannot be reached: name not known'
    >>> unreachable("fapi.binance.com", OSError(101, "Network is unreachable"))
    'fapi.binance.com cannot be reached: network is unreachable'
    """
    said = str(error) or type(error).__name__
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case socket.gaierror():
                said = "name not known"
            case ConnectionRefusedError():
                said = "connection refused"
            case ssl.SSLError():
                said = "no trusted TLS connection"
            case TimeoutError() | httpx.TimeoutException():
                said = "no answer in time"
            case OSError(strerror=str(text)):
                said = text.lower()
        cause = cause.__cause__ or cause.__context__
    return f"{host} cannot be reached: {said}"


async def _get(base_url: str, path: str, timeout_s: float) -> bytes:
    host = urlsplit(base_url).netloc
    try:
        async with httpx.AsyncClient(base_url=base_url, timeout=timeout_s) as client:
            response = await client.get(path)
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise Unavailable(unreachable(host, error)) from error
    if response.status_code != 200:
        raise Unavailable(f"HTTP {response.status_code} from {host}")
    return response.content


async def ping(base_url: str, timeout_s: float = _TIMEOUT_S) -> None:
    """Raises `Unavailable` with the reason, such as ``HTTP 451 from fapi.binance.com``, unless the venue answers."""
    await _get(base_url, "/fapi/v1/ping", timeout_s)


async def listing(base_url: str, timeout_s: float = _TIMEOUT_S) -> Listing:
    """What the venue lists. Raises `Unavailable`."""
    body = await _get(base_url, "/fapi/v1/exchangeInfo", timeout_s)
    try:
        symbols = msgspec.json.decode(body, type=_ExchangeInfo).symbols
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unavailable(f"exchangeInfo of {urlsplit(base_url).netloc} is not what the venue documents: {error}") from error
    trading = [s for s in symbols if s.status == "TRADING"]
    perpetuals = sorted(s.symbol for s in trading if s.contractType == "PERPETUAL" and s.quoteAsset == "USDT")
    return Listing(frozenset(s.symbol for s in trading), tuple(perpetuals))
