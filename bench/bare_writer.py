"""The first half of the bare chain: ``python -m bench.bare_writer WS_URL REDIS_HOST REDIS_PORT PASSWORD``.

WebSocket in, XADD out, with the symbol, the id, the price and the size cut out of the frame by position: the least that any
program in this language and with this library does. No check, no order, no memory of what was written.
"""

import asyncio
import sys

import hiredis
import uvloop
from websockets.asyncio.client import connect

_BATCH = 500


async def _main(url: str, host: str, port: str, password: str) -> None:
    reader, writer = await asyncio.open_connection(host, int(port))
    replies = hiredis.Reader()
    queue: list[str] = []
    wake = asyncio.Event()

    async def answered(count: int) -> None:
        while count:
            while count and (reply := replies.gets()) is not False:
                if isinstance(reply, hiredis.ReplyError):
                    raise reply
                count -= 1
            if count:
                replies.feed(await reader.read(1 << 18))

    async def send() -> None:
        while True:
            await wake.wait()
            batch = queue[:_BATCH]
            del queue[:_BATCH]
            if not queue:
                wake.clear()
            writer.write("".join(batch).encode())
            await answered(len(batch))

    writer.write(f"*2\r\n$4\r\nAUTH\r\n${len(password)}\r\n{password}\r\n".encode())
    await answered(1)
    async with asyncio.TaskGroup() as group:
        group.create_task(send())
        async with connect(url, compression=None, max_queue=None) as socket:
            async for frame in socket:
                assert isinstance(frame, str)
                part = frame.split('"', 26)
                key, price, size = f"ticks:{part[15]}", part[21], part[25]
                entry_id = f"{part[12][1:-1]}-{part[18][1:-1]}"
                side = "sell" if frame.endswith("true}}") else "buy"
                queue.append(
                    f"*9\r\n$4\r\nXADD\r\n${len(key)}\r\n{key}\r\n${len(entry_id)}\r\n{entry_id}\r\n"
                    f"$5\r\nprice\r\n${len(price)}\r\n{price}\r\n$4\r\nsize\r\n${len(size)}\r\n{size}\r\n"
                    f"$4\r\nside\r\n${len(side)}\r\n{side}\r\n"
                )
                wake.set()


if __name__ == "__main__":
    uvloop.run(_main(*sys.argv[1:]))
