"""The source `none`: nothing is published, everything else is up."""

import asyncio
from collections.abc import Sequence

from shared.bus import Bus
from shared.health import Health


class Nothing:
    """No trades. The followed symbols are those of the settings and of the HTTP interface."""

    def __init__(self, wanted: Sequence[str], bus: Bus, health: Health) -> None:
        self._wanted = [symbol for symbol in wanted if symbol != "*"]
        self._bus = bus
        health.ready("feed")

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. Raises `Unavailable`."""
        await self._bus.follow_symbols(self._wanted)
        await stop.wait()

    async def follow(self, symbols: Sequence[str]) -> None:
        """Nothing is to be done beyond the set of symbols, which the HTTP interface keeps."""

    async def unfollow(self, symbols: Sequence[str]) -> None:
        """Likewise."""
