"""Frames of Binance USD-M futures market streams as prints: ``aggTrade`` and ``trade``, wrapped or bare.

Venue spelling (`a`, `q`, `m`) stops here. Field by field: https://developers.binance.com/docs/derivatives/usds-margined-futures
"""

import re
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple, final

import msgspec

from shared.errors import BadInput
from shared.messages import Tick
from shared.symbols import symbol_name

IdKind = Literal["aggTrade", "trade"]
"""Whose ids a print carries: each stream counts its own, and they must never be mixed within a symbol."""

MAX_LEAD_MS = 60_000
"""A trade cannot be later than the event that reports it; a minute is left for clocks within the venue."""

MAX_DELAY_MS = 600_000
"""An event that reports a trade this much later has a wrong time: its clock would make everybody else's trades late."""

MAX_TRADES = 1_000_000
"""Exchange trades of one aggregate, by far."""

_DECIMAL = re.compile(r"[0-9]{1,20}(?:\.[0-9]{1,20})?", re.ASCII).fullmatch
_Natural = Annotated[int, msgspec.Meta(ge=0, lt=2**62)]
_Time = Annotated[int, msgspec.Meta(ge=1, le=10**14)]


class Print(NamedTuple):
    """One trade print of the venue, in the venue's order."""

    kind: IdKind
    event_ms: int
    """The exchange's clock when it was sent."""
    tick: Tick
    market: bool
    """Whether it becomes a tick. Insurance-fund, ADL, NA and zero prints do not, but their ids are accounted for."""


class Reply(NamedTuple):
    """The venue's answer to a request: an acknowledgement, which proves nothing about data, or an error."""

    request_id: int | None
    error: str | None
    """``None`` if it was accepted."""


@final
class _AggTrade(msgspec.Struct, tag_field="e", tag="aggTrade", gc=False):
    E: _Time
    s: str
    a: _Natural
    p: str
    q: str
    f: _Natural
    l: _Natural  # noqa: E741  # the venue's name
    T: _Time
    m: bool


@final
class _Trade(msgspec.Struct, tag_field="e", tag="trade", gc=False):
    E: _Time
    s: str
    t: _Natural
    p: str
    q: str
    T: _Time
    m: bool
    X: str = "MARKET"


class _Wrapped(msgspec.Struct, gc=False):
    data: _AggTrade | _Trade


class _Reply(msgspec.Struct, forbid_unknown_fields=True):
    id: int | None = None
    result: Any = None
    code: int | None = None
    msg: str = ""
    error: Any = None


_decode_wrapped = msgspec.json.Decoder(_Wrapped).decode
_decode_bare = msgspec.json.Decoder(_AggTrade | _Trade).decode
_decode_reply = msgspec.json.Decoder(_Reply).decode
_symbol = lru_cache(maxsize=4096)(symbol_name)


@lru_cache(maxsize=1 << 16)
def _positive(text: str) -> bool:
    """Whether a decimal is above 0. Raises `BadInput` for anything but a plain decimal. Prices and sizes recur."""
    if _DECIMAL(text) is None:
        raise BadInput(f"{text[:40]!r} is no plain decimal")
    return bool(text.strip("0."))


def parse(frame: bytes) -> Print | Reply:
    """What a frame says. Raises `BadInput` for anything that is no print and no answer to a request."""
    try:
        data = _decode_wrapped(frame).data if frame.startswith(b'{"stream"') else _decode_bare(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return _parse_rare(frame, error)
    price, size, time_ms, event_ms = data.p, data.q, data.T, data.E
    market = _positive(price) and _positive(size)
    if not -MAX_LEAD_MS <= event_ms - time_ms <= MAX_DELAY_MS:
        raise BadInput(f"trade time {time_ms} does not go with the event's, {event_ms}")
    side = "sell" if data.m else "buy"  # m: the buyer was the maker, so the taker sold
    # `_make` takes all fields at once; the constructors with their defaults cost a microsecond more.
    if type(data) is _Trade:  # isinstance asks the metaclass, which takes as long as the decoding
        tick = Tick._make((_symbol(data.s), time_ms, data.t, price, size, side, 1, 0, None, 0))
        return Print._make(("trade", event_ms, tick, market and data.X == "MARKET"))
    trades = data.l - data.f + 1
    if not 1 <= trades <= MAX_TRADES:
        raise BadInput(f"aggTrade {data.a} is made of trades {data.f} to {data.l}")
    tick = Tick._make((_symbol(data.s), time_ms, data.a, price, size, side, trades, 0, None, 0))
    return Print._make(("aggTrade", event_ms, tick, market))


def _parse_rare(frame: bytes, why: Exception) -> Print | Reply:
    """A wrapped print whose members are in another order, an answer, or neither."""
    if b'"data"' in frame and not frame.startswith(b'{"stream"'):
        try:
            data = msgspec.json.encode(_decode_wrapped(frame).data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadInput(f"no trade frame: {error}") from None
        return parse(data)
    if b'"result"' in frame or b'"code"' in frame or b'"error"' in frame:
        try:
            reply = _decode_reply(frame)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        else:
            if reply.code is not None:
                return Reply(reply.id, f"{reply.code}: {reply.msg}")
            return Reply(reply.id, None if reply.error is None else str(reply.error))
    raise BadInput(f"no trade frame: {why}")


def stream_name(symbol: str, kind: IdKind) -> str:
    """The venue's name of a symbol's stream.

    >>> stream_name("BTCUSDT", "aggTrade")
    'btcusdt@aggTrade'
    """
    return f"{symbol.lower()}@{kind}"
