"""Ticks into Redis: micro-batches clocked by Redis itself, all or nothing each, and re-sent after a lost tail.

While one batch is under way the next one gathers; there is no fixed delay. A batch is one MULTI, so that a full Redis
refuses it whole and no later trade gets in before an earlier one. What was written during the last minute is kept: after
every new connection the streams' own last ids are read, and whatever Redis has lost since is sent again under the same ids.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import NamedTuple

import hiredis

from shared.bus.connection import Connection, pack
from shared.errors import Unavailable
from shared.messages import Tick
from shared.topics import TICKS, Channel, Keyspace

_BATCH = 500
_RING_S = 60.0
_RING_TICKS = 200_000
_QUEUE_TICKS = 50_000
_PING_S = 1.0
_BACKOFF_S = (0.1, 0.2, 0.5, 1.0)


class Tail(NamedTuple):
    """The newest entry of a symbol's ticks."""

    ms: int
    trade_id: int


class Loss(NamedTuple):
    """Ticks that Redis had and has no more, and that are no longer kept here: all after `after` up to `until`."""

    symbol: str
    after: Tail | None
    """``None`` if nothing of the symbol is left."""
    until: Tail


_Item = tuple[str, int, int, str, tuple[str, Sequence[str]] | None]
"""A command in the queue, a tick or watermarks: symbol, entry id's ms and trade id, packed; then for watermarks (without a
symbol) the key of their hash, and symbols and texts in turn. A plain tuple, for the garbage collector leaves those of plain
things alone, and hundreds of thousands are kept."""


def pack_tick(key: str, tick: Tick, ms: int) -> str:
    """The XADD of a tick in RESP, its entry id being ``<ms>-<trade id>``.

    Written out because packing by redis-py costs more than everything else on a tick's way.
    """
    entry_id = f"{ms}-{tick.trade_id}"
    price, size, side = tick.price, tick.size, tick.side
    count = 7
    rest = ""
    if side is not None:
        rest = f"$4\r\nside\r\n${len(side)}\r\n{side}\r\n"
        count = 9
    if tick.trades != 1 or tick.skipped or tick.resumed_ms is not None or tick.late or tick.time_ms != ms:
        notes = {
            "trades": tick.trades if tick.trades != 1 else None,
            "skipped": tick.skipped or None,
            "resumed_ms": tick.resumed_ms,
            "late": tick.late or None,
            "time_ms": tick.time_ms if tick.time_ms != ms else None,
        }
        for name, value in notes.items():
            if value is not None:
                rest += f"${len(name)}\r\n{name}\r\n${len(str(value))}\r\n{value}\r\n"
                count += 2
    return (
        f"*{count}\r\n$4\r\nXADD\r\n${len(key.encode())}\r\n{key}\r\n${len(entry_id)}\r\n{entry_id}\r\n"
        f"$5\r\nprice\r\n${len(price)}\r\n{price}\r\n$4\r\nsize\r\n${len(size)}\r\n{size}\r\n{rest}"
    )


def _watermark_item(key: str, flat: Sequence[str]) -> _Item:
    return "", 0, 0, pack("HSET", key, *flat).decode(), (key, flat)


def _order(watermark: str | None) -> tuple[int, bool]:
    """Watermarks never go back; at the same time the end is later."""
    ms, _, end = (watermark or "0").partition(" ")
    return int(ms), bool(end)


class TickWriter:
    """Writes ticks and watermarks in the order of `add`; `run` does the sending and outlives every failure of Redis."""

    def __init__(self, url: str, keyspace: Keyspace) -> None:
        self._url = url
        self._keyspace = keyspace
        self._queue: deque[_Item] = deque()
        self._ring: deque[tuple[float, list[_Item]]] = deque()
        self._ring_ticks = 0
        self._forgotten: dict[str, Tail] = {}
        self._losses: list[Loss] = []
        self._last_ms: dict[str, int] = {}
        self._watermarks: dict[str, dict[str, str]] = {}
        self._keys: dict[str, str] = {}
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._idle = asyncio.Event()
        self._idle.set()
        self.written = 0
        self.duplicates = 0
        self.reconnects = -1
        self.connected = False
        self.error = ""

    @property
    def queued(self) -> int:
        return len(self._queue)

    async def tails(self, symbols: Sequence[str]) -> dict[str, Tail]:
        """The newest tick of each symbol that has one; from here on entry ids of these symbols never go back.

        Raises `Unavailable`.
        """
        connection = await Connection.open(self._url)
        try:
            found = await self._tails(connection, symbols)
        finally:
            await connection.close()
        for symbol, tail in found.items():
            self._last_ms[symbol] = max(tail.ms, self._last_ms.get(symbol, 0))
            self._forgotten.setdefault(symbol, tail)
        return found

    def begin_after(self, symbol: str, ms: int) -> None:
        """Let the entry ids of a symbol begin after this ms, whatever the trade ids within it."""
        self._last_ms[symbol] = max(ms + 1, self._last_ms.get(symbol, 0))

    def take_losses(self) -> list[Loss]:
        """What Redis has lost for good, as far as it is known and has not been taken yet."""
        losses, self._losses = self._losses, []
        return losses

    async def _tails(self, connection: Connection, symbols: Sequence[str]) -> dict[str, Tail]:
        for symbol in symbols:
            key = self._keyspace.key(Channel(TICKS.name, (symbol,)))
            connection.write(pack("XREVRANGE", key, "+", "-", "COUNT", 1))
        await connection.drain()
        found = {}
        for symbol, reply in zip(symbols, await connection.replies(len(symbols)), strict=True):
            if isinstance(reply, hiredis.ReplyError):
                raise Unavailable(f"Redis refused XREVRANGE: {reply}")
            if reply:
                ms, _, trade_id = reply[0][0].partition("-")
                found[symbol] = Tail(int(ms), int(trade_id))
        return found

    async def add(self, ticks: Iterable[Tick]) -> None:
        """Queue ticks; each symbol's must come in order of trade id. Waits while the queue is full."""
        await self._room.wait()
        for tick in ticks:
            symbol = tick.symbol
            ms = self._last_ms.get(symbol, 0)
            if tick.time_ms > ms:
                ms = self._last_ms[symbol] = tick.time_ms
            key = self._keys.get(symbol)
            if key is None:
                key = self._keys[symbol] = self._keyspace.key(Channel(TICKS.name, (symbol,)))
            self._queue.append((symbol, ms, tick.trade_id, pack_tick(key, tick, ms), None))
        self._woken()

    async def add_watermarks(self, watermarks: Mapping[str, str]) -> None:
        """Queue watermarks (symbol → text), to be stored right after the ticks queued so far."""
        if not watermarks:
            return
        await self._room.wait()
        by_key: dict[str, list[str]] = {}
        for symbol, text in watermarks.items():
            key = self._keyspace.partitioned("watermarks", self._keyspace.partition(symbol))
            by_key.setdefault(key, []).extend((symbol, text))
        self._queue.extend(_watermark_item(key, flat) for key, flat in by_key.items())
        self._woken()

    def _woken(self) -> None:
        if self._queue:
            self._idle.clear()
            self._wake.set()
        if len(self._queue) >= _QUEUE_TICKS:
            self._room.clear()

    async def flush(self) -> None:
        """Wait until everything queued is in Redis."""
        await self._idle.wait()

    async def run(self) -> None:
        """Send for ever; to be cancelled."""
        failures = 0
        while True:
            try:
                connection = await Connection.open(self._url)
                try:
                    await self._rejoin(connection)
                    self.connected, self.error, failures = True, "", 0
                    self.reconnects += 1
                    while True:
                        await self._send_next(connection)
                finally:
                    self.connected = False
                    await connection.close()
            except Unavailable as error:
                self.error = str(error)
                await asyncio.sleep(_BACKOFF_S[min(failures, len(_BACKOFF_S) - 1)])
                failures += 1

    async def _rejoin(self, connection: Connection) -> None:
        """Put back what Redis has lost of the last minute, before anything else is sent: ticks, then watermarks."""
        kept = [item for _, items in self._ring for item in items]
        symbols = sorted({item[0] for item in kept if item[0]} | self._forgotten.keys())
        tails = await self._tails(connection, symbols)
        self._ring.clear()
        self._ring_ticks = 0
        lost = [item for item in kept if item[0] and (item[0] not in tails or item[1:3] > tails[item[0]])]
        for symbol, until in self._forgotten.items():
            tail = tails.get(symbol)
            if tail is None or tail < until:
                self._losses.append(Loss(symbol, tail, until))
        self._forgotten = tails
        for key, texts in self._watermarks.items():
            stored = await connection.call("HMGET", key, *texts)
            behind = [pair for pair, was in zip(texts.items(), stored, strict=True) if _order(pair[1]) > _order(was)]
            if behind:
                lost.append(_watermark_item(key, list(chain.from_iterable(behind))))
        self._queue.extendleft(reversed(lost))
        self._woken()

    async def _send_next(self, connection: Connection) -> None:
        while not self._queue:
            self._idle.set()
            self._wake.clear()
            try:
                async with asyncio.timeout(_PING_S):
                    await self._wake.wait()
            except TimeoutError:
                await connection.call("PING")  # a Redis that went away, or came back with less, is noticed in quiet times too
        items = list(islice(self._queue, _BATCH))
        body = "".join([packed for _, _, _, packed, _ in items])
        connection.write(f"*1\r\n$5\r\nMULTI\r\n{body}*1\r\n$4\r\nEXEC\r\n".encode())
        await connection.drain()
        *_, results = await connection.replies(len(items) + 2)
        if isinstance(results, hiredis.ReplyError) or results is None:
            raise Unavailable(f"Redis refused a batch of ticks: {results}")
        written = 0
        for (_, _, _, _, watermarks), result in zip(items, results, strict=True):
            if isinstance(result, hiredis.ReplyError):
                if "equal or smaller" not in str(result):
                    raise Unavailable(f"Redis refused a tick: {result}")
                self.duplicates += 1
            elif watermarks is None:
                written += 1
            else:
                key, flat = watermarks
                self._watermarks.setdefault(key, {}).update(zip(flat[::2], flat[1::2], strict=True))
        for _ in items:
            self._queue.popleft()
        self.written += written
        self._remember(items)
        if len(self._queue) < _QUEUE_TICKS:
            self._room.set()

    def _remember(self, items: list[_Item]) -> None:
        now = time.monotonic()
        self._ring.append((now, items))
        self._ring_ticks += len(items)
        while self._ring and (now - self._ring[0][0] > _RING_S or self._ring_ticks > _RING_TICKS):
            _, forgotten = self._ring.popleft()
            self._ring_ticks -= len(forgotten)
            newest = {item[0]: item for item in forgotten if item[0]}
            self._forgotten.update({symbol: Tail(ms, trade_id) for symbol, (_, ms, trade_id, *_) in newest.items()})
