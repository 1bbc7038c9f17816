"""The recording's trades as stream entries, written with plain redis-py: the input of tests of what comes after `ticks`."""

from collections.abc import Sequence

import redis

from tests.recording import SYMBOLS, Trade


def write_ticks(client: "redis.Redis[str]", rows: Sequence[Trade], namespace: str = "") -> None:
    """XADD of each trade, in order, with the ids of the contract."""
    prefix = f"{namespace}:" if namespace else ""
    with client.pipeline(transaction=False) as pipe:
        for t in rows:
            fields = {"price": t.price, "size": t.size, "side": t.side}
            pipe.xadd(f"{prefix}ticks:{t.symbol}", fields, id=f"{t.time_ms}-{t.trade_id}")  # type: ignore[arg-type]
        pipe.execute()


def end_source(client: "redis.Redis[str]", time_ms: int, namespace: str = "") -> None:
    """The watermark of a source that has ended."""
    prefix = f"{namespace}:" if namespace else ""
    client.hset(f"{prefix}watermarks", mapping=dict.fromkeys(SYMBOLS, f"{time_ms} end"))


def stream(client: "redis.Redis[str]", key: str) -> list[tuple[str, dict[str, str]]]:
    """All entries of a stream."""
    return client.xrange(key)  # type: ignore[return-value]


def bars_by_key(client: "redis.Redis[str]", interval: str, namespace: str = "") -> dict[tuple[str, int], dict[str, str]]:
    """(symbol, open time) → fields of all bars of an interval; fails when a bar is there twice."""
    prefix = f"{namespace}:" if namespace else ""
    found: dict[tuple[str, int], dict[str, str]] = {}
    for symbol in SYMBOLS:
        for entry_id, fields in stream(client, f"{prefix}bars:{interval}:{symbol}"):
            key = (symbol, int(entry_id.partition("-")[0]))
            assert key not in found, f"{key} is there twice"
            found[key] = fields
    return found
