"""A TCP proxy before Redis that does one harm at a chosen command: hold it, or execute it and lose the reply."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Literal

from tests.redis_servers import free_port

Harm = Literal["hold", "lose_reply"]


class RedisProxy:
    """Forwards to `target_port`. Armed with a harm and a marker, it harms the next request that contains the marker, once.

    ``hold``: the request never reaches Redis, its connection stays open and silent.
    ``lose_reply``: Redis executes the request; the connection is cut before the reply.
    """

    def __init__(self, target_port: int) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._target_port = target_port
        self._armed: tuple[Harm, bytes] | None = None
        self.struck = asyncio.Event()

    def arm(self, harm: Harm, marker: bytes) -> None:
        self._armed = (harm, marker)
        self.struck.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        lose = asyncio.Event()

        async def back() -> None:
            while data := await there_reader.read(1 << 16):
                if lose.is_set():
                    break
                writer.write(data)
                await writer.drain()
            writer.close()

        async def forth() -> None:
            while data := await reader.read(1 << 20):
                if self._armed is not None and self._armed[1] in data:
                    harm, self._armed = self._armed[0], None
                    if harm == "hold":
                        self.struck.set()
                        await asyncio.Event().wait()
                    lose.set()
                    there_writer.write(data)
                    await there_writer.drain()
                    self.struck.set()
                    continue
                there_writer.write(data)
                await there_writer.drain()
            there_writer.close()

        backward = asyncio.create_task(back())
        with suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(forth(), backward)

    @asynccontextmanager
    async def running(self) -> "AsyncIterator[RedisProxy]":
        server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        try:
            yield self
        finally:
            server.close()
