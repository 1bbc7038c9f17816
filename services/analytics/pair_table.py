"""The table `pairs` in Redis: which pairs and variants are computed, who asked for them, and until when."""

import asyncio
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from services.analytics.parameters import PairParameters, WindowBars, canonical, configured, parse_name, parse_rows, variant_name
from services.analytics.settings import AnalyticsSettings
from shared.bus import Bus
from shared.errors import BadInput
from shared.settings import Fit, Price
from shared.symbols import Pair

TABLE = "pairs"
WANTED_FOR_MS = 3_600_000
MAX_HTTP_PAIRS = 500
"""Pairs with the configured parameters that may be asked for over HTTP, where a mistaken loop would fill Redis."""


class PairRequest(BaseModel):
    """A pair to be computed; what is left out is as configured."""

    model_config = ConfigDict(extra="forbid")

    pair: str = Field(description="Y~X, Y the dependent leg", examples=["ETHUSDT~BTCUSDT"])
    window: WindowBars | None = Field(None, description="regression window in bars")
    z_window: WindowBars | None = Field(None, description="z-score window in bars; left out: the regression window")
    fit: Fit | None = Field(None, description="lagged or inclusive")
    price: Price | None = Field(None, description="log or raw")
    intercept: bool | None = Field(None, description="whether the regression has an intercept")


class Wanted(NamedTuple):
    """A row of the table that was asked for."""

    name: str
    parameters: PairParameters
    new: bool


class TableFull(BadInput):
    """No more pairs or variants are accepted for now."""

    http_status = 409


class PairTable:
    """The rows, under the namespace of a bus. Its methods raise `Unavailable`."""

    def __init__(self, bus: Bus, settings: AnalyticsSettings) -> None:
        self._bus = bus
        self._settings = settings
        self._unwanted: set[str] = set()
        self._adding = asyncio.Lock()

    async def rows(self) -> dict[str, PairParameters]:
        """The usable rows by name, sorted."""
        return parse_rows(await self._bus.table(TABLE))

    async def prepare(self) -> None:
        """Bring the rows in line with the settings of this start."""
        stored = await self._bus.table(TABLE)
        for name, parameters in parse_rows(stored).items():
            pair, variant = parse_name(name)
            if parameters.origin == "settings" and str(pair) not in self._settings.pairs:
                await self._bus.delete_row(TABLE, name)
            elif variant and variant_name(parameters, self._settings) != variant:
                await self._bus.delete_row(TABLE, name)  # its name was given beside other settings
            elif parameters.origin == "http":
                await self._write(name, configured(self._settings, "http"), stored)
        await self.keep_configured()

    async def keep_configured(self) -> None:
        """Write the configured pairs that are lacking or differ, but for those deleted over HTTP since the start."""
        stored = await self._bus.table(TABLE)
        for name in self._settings.pairs:
            if name not in self._unwanted:
                await self._write(name, configured(self._settings, "settings"), stored)

    async def want(self, request: PairRequest, now_ms: int) -> Wanted:
        """Have a pair computed, or its wish renewed. Raises `BadInput`, `TableFull`."""
        async with self._adding:  # two at once would both find the last free place
            return await self._want(request, now_ms)

    async def _want(self, request: PairRequest, now_ms: int) -> Wanted:
        pair = Pair.parse(request.pair)
        base = configured(self._settings, "variant")
        asked = request.model_dump(exclude={"pair"}, exclude_none=True)
        parameters = canonical(base.model_copy(update={**asked, "wanted_ms": now_ms}), self._settings)
        variant = variant_name(parameters, self._settings)
        rows = await self.rows()
        name = f"{pair}@{variant}" if variant else str(pair)
        if not variant:
            if name not in rows and name not in self._settings.pairs:
                asked_for = sum(other.origin == "http" for other in rows.values())
                if asked_for >= MAX_HTTP_PAIRS:
                    raise TableFull(f"{asked_for} pairs were asked for, which is the limit; delete one with DELETE /pairs/NAME")
            self._unwanted.discard(name)
            parameters = rows.get(name) or configured(self._settings, "settings" if name in self._settings.pairs else "http")
        elif name not in rows:
            kept = [row for row, other in rows.items() if other.origin == "variant"]
            if len(kept) >= self._settings.max_variants:
                raise TableFull(
                    f"{len(kept)} variants are computed, which is the limit (PAIRSTREAM_MAX_VARIANTS); "
                    "delete one with DELETE /pairs/NAME, or wait: unwanted ones are dropped after an hour"
                )
        new = await self._bus.set_row(TABLE, name, parameters.model_dump_json())
        return Wanted(name, parameters, new)

    async def drop(self, name: str) -> bool:
        """Take a row away; whether there was one. Its stream goes with it."""
        if name in self._settings.pairs:
            self._unwanted.add(name)
        return await self._bus.delete_row(TABLE, name)

    async def drop_unwanted(self, now_ms: int) -> list[str]:
        """Take away the variants that nobody has wanted for an hour; answers their names."""
        old = [
            name
            for name, parameters in (await self.rows()).items()
            if parameters.origin == "variant" and (parameters.wanted_ms or 0) < now_ms - WANTED_FOR_MS
        ]
        for name in old:
            await self._bus.delete_row(TABLE, name)
        return old

    async def _write(self, name: str, parameters: PairParameters, stored: dict[str, str]) -> None:
        text = parameters.model_dump_json()
        if stored.get(name) != text:
            await self._bus.set_row(TABLE, name, text)
