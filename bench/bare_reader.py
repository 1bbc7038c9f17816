"""The second half of the bare chain: ``python -m bench.bare_reader REDIS_HOST REDIS_PORT PASSWORD KEY…``.

XREAD from the beginning and on, entries counted and dropped. The count so far is kept in the key ``read``.
"""

import socket
import sys
import time

import hiredis


def main(host: str, port: str, password: str, *keys: str) -> None:
    connection = socket.create_connection((host, int(port)))
    replies = hiredis.Reader(encoding="utf-8")

    def call(*command: str | int) -> object:
        connection.sendall(hiredis.pack_command(command))  # type: ignore[arg-type]
        while (reply := replies.gets()) is False:
            replies.feed(connection.recv(1 << 18))
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        return reply

    call("AUTH", password)
    offsets = dict.fromkeys(keys, "0")
    total, said_at = 0, 0.0
    while True:
        found = call("XREAD", "COUNT", 1000, "BLOCK", 100, "STREAMS", *offsets, *offsets.values())
        assert found is None or isinstance(found, list)
        for key, entries in found or ():
            offsets[key] = entries[-1][0]
            total += len(entries)
        if time.monotonic() - said_at > 0.05:
            call("SET", "read", total)
            said_at = time.monotonic()


if __name__ == "__main__":
    main(*sys.argv[1:])
