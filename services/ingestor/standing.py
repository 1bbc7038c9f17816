"""What the ingestor says of itself in Redis: its source, the followed symbols and its own rows; said again whenever lost."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping

import msgspec
import orjson

from services.ingestor.binance import IdKind
from shared.bus import Bus, SourceRecord, TickWriter
from shared.errors import Unavailable
from shared.log import Log
from shared.runtime import pause

_TABLE = "ingestor"
_EVERY_S = 3.0
_TURN_S = 0.2


class Standing:
    """Remembered here, so that a Redis that comes back empty, or without its newest writes, is told again."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._source: SourceRecord | None = None
        self._rows: dict[str, str] = {}
        self._written: set[str] = set()
        self._symbols: set[str] | None = None
        self._new = False
        self.kinds: dict[str, IdKind] = {}
        """Symbol → whose ids its ticks carry."""

    def note(self, kinds: Mapping[str, IdKind]) -> None:
        """Remember whose ids are carried now; it is written at once where that is new."""
        if not kinds.items() <= self.kinds.items():
            self.kinds |= kinds
            self._new = True

    async def announce(self, source: str, reason: str, configured: str) -> list[str]:
        """Say what runs, before anything else is written; answers the symbols followed so far, none if the settings are new.

        Raises `Unavailable`.
        """
        self._source = await self._bus.set_source(source, reason)
        before = await self._bus.table(_TABLE)
        self.kinds = _kinds(before.get("id_kinds", "{}"))
        # What was changed at run time outlives a restart, until the settings themselves say something new.
        followed = await self._bus.symbols() if before.get("configured") == configured else []
        self._rows = {"configured": configured}
        await self._bus.set_row(_TABLE, "configured", configured)
        self._written.add("configured")
        return followed

    async def symbols(self) -> list[str]:
        """The followed symbols, sorted. Raises `Unavailable`."""
        return await self._bus.symbols() if self._symbols is None else sorted(self._symbols)

    async def follow(self, symbols: Iterable[str], *, replace: bool = False) -> None:
        """Add to the followed symbols, or with `replace` make them these. Raises `Unavailable`; they are written later then."""
        before = set() if replace else set(await self.symbols())
        self._symbols = before | set(symbols)
        await self._write_symbols(self._symbols)

    async def unfollow(self, symbols: Iterable[str]) -> None:
        """Follow these no more. Raises `Unavailable`; it is written later then."""
        self._symbols = set(await self.symbols()) - set(symbols)
        await self._write_symbols(self._symbols)

    async def _write_symbols(self, symbols: set[str]) -> None:
        await self._bus.follow_symbols(sorted(symbols), replace=True)

    async def restore(self) -> bool:
        """Write again what Redis has lost or holds in an older form; answers whether there was anything. Raises `Unavailable`."""
        ours = self._source
        if ours is None:
            return False
        stored = await self._bus.source()
        if stored is not None and stored.started_ms > ours.started_ms:
            return False  # another ingestor has begun after this one: it is the one that says
        lost = stored != ours
        if lost:
            await self._bus.set_source(ours.source, ours.reason, ours.started_ms)
        if self._symbols is not None and set(await self._bus.symbols()) != self._symbols:
            lost = True
            await self._write_symbols(self._symbols)
        rows = self._rows | ({"id_kinds": orjson.dumps(self.kinds, option=orjson.OPT_SORT_KEYS).decode()} if self.kinds else {})
        table = await self._bus.table(_TABLE)
        for row, text in rows.items():
            if table.get(row) != text:
                lost = lost or (row in self._written and row not in table)  # a text that differs is older, or ours has grown
                await self._bus.set_row(_TABLE, row, text)
                self._written.add(row)
        return lost

    async def run(self, writer: TickWriter, log: Log, stop: asyncio.Event) -> None:
        """Look after it at every new connection of `writer` and every few seconds, until `stop`."""
        loop = asyncio.get_running_loop()
        reconnects, looked_at = writer.reconnects, loop.time()
        while not stop.is_set():
            if self._new or writer.reconnects != reconnects or loop.time() - looked_at >= _EVERY_S:
                reconnects, looked_at, self._new = writer.reconnects, loop.time(), False
                try:
                    if await self.restore():
                        log.warning("Redis had lost what runs here; it is written again")
                except Unavailable:
                    reconnects = -2  # as soon as Redis answers
            await pause(stop, _TURN_S)
        if self._new:
            with contextlib.suppress(Unavailable):
                await self.restore()


def _kinds(text: str) -> dict[str, IdKind]:
    try:
        return msgspec.json.decode(text, type=dict[str, IdKind])
    except msgspec.DecodeError:
        return {}  # not written by this program
