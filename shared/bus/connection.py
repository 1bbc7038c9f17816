"""A bare RESP2 connection: packed by hand or by hiredis, parsed by hiredis, owned by one task, never retried."""

import asyncio
import ssl
from typing import Any

import hiredis
from redis.asyncio.connection import parse_url

from shared.errors import Unavailable

_CHUNK_BYTES = 1 << 18


def pack(*command: str | int) -> bytes:
    """A command in RESP."""
    packed: bytes = hiredis.pack_command(command)  # type: ignore[arg-type]  # the stub allows tuples of one element only
    return packed


class Connection:
    """One socket to Redis. After any exception it must be closed; replies could belong to an earlier command."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout_s: float) -> None:
        self._reader = reader
        self._writer = writer
        self._timeout_s = timeout_s
        self._parser = hiredis.Reader(encoding="utf-8", errors="replace")

    @classmethod
    async def open(cls, url: str, timeout_s: float = 5.0) -> "Connection":
        """Connect, authenticate and select the database of a ``redis://``, ``rediss://`` or ``unix://`` URL.

        `timeout_s` bounds the connect and each wait for replies. Raises `Unavailable`.
        """
        target = parse_url(url)
        try:
            async with asyncio.timeout(timeout_s):
                if "path" in target:
                    reader, writer = await asyncio.open_unix_connection(target["path"], limit=_CHUNK_BYTES)
                else:
                    context = ssl.create_default_context() if url.startswith("rediss://") else None
                    reader, writer = await asyncio.open_connection(
                        target.get("host", "127.0.0.1"), target.get("port", 6379), ssl=context, limit=_CHUNK_BYTES
                    )
        except (OSError, TimeoutError) as error:
            raise Unavailable(f"Redis does not answer: {str(error) or 'timeout'}") from error
        connection = cls(reader, writer, timeout_s)
        try:
            if target.get("password"):
                user = (target["username"],) if target.get("username") else ()
                await connection.call("AUTH", *user, target["password"])
            if target.get("db"):
                await connection.call("SELECT", str(target["db"]))
        except Unavailable:
            await connection.close()
            raise
        return connection

    def write(self, packed: bytes) -> None:
        """Queue packed commands for sending. Raises `Unavailable` on a closed connection, where uvloop raises RuntimeError."""
        if self._writer.is_closing():
            raise Unavailable("Redis closed the connection")
        self._writer.write(packed)

    async def drain(self) -> None:
        """Wait until the socket has taken most of what was written."""
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise Unavailable(f"Redis stopped reading: {str(error) or 'timeout'}") from error

    async def replies(self, count: int, extra_s: float = 0.0) -> list[Any]:
        """The next `count` replies; an error reply is a `hiredis.ReplyError` in its place. Raises `Unavailable`."""
        found: list[Any] = []
        try:
            async with asyncio.timeout(self._timeout_s + extra_s):
                while True:
                    while len(found) < count:
                        reply = self._parser.gets()
                        if reply is False:
                            break
                        found.append(reply)
                    if len(found) == count:
                        return found
                    data = await self._reader.read(_CHUNK_BYTES)
                    if not data:
                        raise Unavailable("Redis closed the connection")
                    self._parser.feed(data)
        except (OSError, TimeoutError, hiredis.ProtocolError) as error:
            raise Unavailable(f"Redis does not answer: {str(error) or 'timeout'}") from error

    async def call(self, *command: str | int, extra_s: float = 0.0) -> Any:
        """The reply to one command. Raises `Unavailable`, for error replies as well."""
        self.write(pack(*command))
        await self.drain()
        (reply,) = await self.replies(1, extra_s)
        if isinstance(reply, hiredis.ReplyError):
            raise Unavailable(f"Redis refused {command[0]}: {reply}")
        return reply

    async def close(self) -> None:
        self._writer.close()
        try:
            async with asyncio.timeout(1.0):
                await self._writer.wait_closed()
        except (OSError, TimeoutError):
            pass
