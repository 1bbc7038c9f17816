"""The source `none`: nothing is published, everything else is up."""

import asyncio
from collections.abc import Sequence

from services.ingestor.standing import Standing
from shared.health import Health


class Nothing:
    """No trades. The followed symbols are those of the settings and of the HTTP interface."""

    def __init__(self, wanted: Sequence[str], standing: Standing, health: Health) -> None:
        self._wanted = [symbol for symbol in wanted if symbol != "*"]
        self._standing = standing
        health.ready("feed")

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`. Raises `Unavailable`."""
        await self._standing.follow(self._wanted, replace=True)
        await stop.wait()

    async def follow(self, symbols: Sequence[str]) -> None:
        """Nothing is to be done beyond the set of symbols, which the HTTP interface keeps."""

    async def unfollow(self, symbols: Sequence[str]) -> None:
        """Likewise."""
