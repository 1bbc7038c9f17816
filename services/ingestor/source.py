"""What every source is to the rest of the ingestor."""

import asyncio
from collections.abc import Sequence
from typing import Protocol


class Source(Protocol):
    """One of Binance, replay, simulator and none."""

    async def run(self, stop: asyncio.Event) -> None:
        """Feed the intake until `stop`."""

    async def follow(self, symbols: Sequence[str]) -> None:
        """Follow these too. Raises `BadInput` for a symbol that the source does not have, `Unavailable` for Redis."""

    async def unfollow(self, symbols: Sequence[str]) -> None:
        """Follow these no more. Raises `Unavailable`."""
