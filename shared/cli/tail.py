"""`pairstream tail`: a topic as NDJSON, as it grows."""

import asyncio
import os
import select
import signal
import sys
from collections.abc import Mapping
from decimal import Decimal

import msgspec
import typer

from shared.bus import Bus, StreamReader
from shared.cli.place import answering, place
from shared.cli.topics import existing
from shared.codec import decode
from shared.errors import BadInput, Unavailable
from shared.messages import Tick
from shared.topics import TOPICS, Channel, Keyspace

_BLOCK_MS = 500
_RETRY_S = 1.0
_LISTED = 20
_encode = msgspec.json.Encoder(decimal_format="number").encode


class ReaderGone(Exception):
    """Nobody reads what is printed any more."""


@answering
def tail(topic: str, last: int, namespace: str | None) -> int:
    """Print the last entries of a topic and then the new ones, until Ctrl-C or until the reader of the pipe has gone."""
    # Ctrl-C ends it there and then, like any filter: there is nothing to put away, and a cancelled command may hold it up.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        asyncio.run(_tail(topic, last, namespace))
    except (ReaderGone, BrokenPipeError):
        # Nothing is left to be said, not by the interpreter's own flush at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def find_channel(topic: str, keyspace: Keyspace) -> tuple[Keyspace, Channel]:
    """The stream that is meant by a key, with or without its namespace, and the keyspace it is in. Raises `BadInput`."""
    if topic.partition(":")[0] in TOPICS:
        return keyspace, Keyspace("", 1).channel(topic.rpartition(":{")[0] if topic.endswith("}") else topic)
    named, _, rest = topic.partition(":")
    if rest.partition(":")[0] not in TOPICS:
        raise BadInput(f"{topic!r} is no topic; topics are {', '.join(TOPICS)}, such as bars:1s:BTCUSDT")
    return find_channel(rest, keyspace._replace(namespace=named))


def line_of(channel: Channel, entry_id: str, fields: Mapping[str, str]) -> bytes:
    """An entry as one line of JSON: its id, then the message with what stands in key and id; numbers with all their digits."""
    message = decode(channel, entry_id, fields)
    if isinstance(message, Tick):
        shown = message._asdict() | {"price": Decimal(message.price), "size": Decimal(message.size)}
    else:
        shown = message._asdict()
    return _encode({"id": entry_id} | {name: value for name, value in shown.items() if value is not None}) + b"\n"


async def _tail(topic: str, last: int, namespace: str | None) -> None:
    printed: dict[Keyspace, str] = {}
    reached = False
    away = False
    while True:
        try:
            async with place(namespace) as (bus, follows, known):
                keyspace, channel = find_channel(topic, bus.keyspace)
                follows = follows and topic.partition(":")[0] in TOPICS
                if away:
                    typer.echo("pairstream: Redis is back", err=True)
                    away = False
                if known or not follows:
                    await _follow(bus.within(keyspace.namespace), channel, last, printed, follows=follows)
                elif not reached:
                    typer.echo("pairstream: waiting for the ingestor to say what it runs on", err=True)
            reached = True
        except Unavailable as error:
            if not reached and not printed:
                raise
            if not away:
                typer.echo(f"pairstream: {error}; trying again", err=True)
            away = True
        _check_reader()
        await asyncio.sleep(_RETRY_S)


async def _follow(bus: Bus, channel: Channel, last: int, printed: dict[Keyspace, str], *, follows: bool) -> None:
    """Print what comes, for ever, or with `follows` until the source moves to another namespace.

    `printed`: keyspace → id of the last entry that was printed from it; kept up to date.
    """
    if bus.keyspace not in printed:
        newest = await bus.last_id(channel)
        if newest is None:
            await _say_that_it_waits(bus, channel)
        shown = await bus.entries(channel, end=newest, count=last, newest_first=True) if newest and last else []
        _print([line_of(channel, entry_id, fields) for entry_id, fields in reversed(shown)])
        printed[bus.keyspace] = newest or "0"
    reader = await StreamReader.open(bus.url, bus.keyspace)
    try:
        reader.follow({channel: printed[bus.keyspace]})
        while True:
            for read in await reader.read(_BLOCK_MS):
                _print([line_of(channel, entry_id, _pairs(flat)) for entry_id, flat in read.entries])
                printed[bus.keyspace] = read.entries[-1][0]
            _check_reader()
            source = await bus.source() if follows else None
            if source is not None and source.namespace != bus.keyspace.namespace:
                typer.echo(f"pairstream: the source is now {source.source}, namespace {source.namespace or '(none)'}", err=True)
                return
    finally:
        await reader.close()


async def _say_that_it_waits(bus: Bus, channel: Channel) -> None:
    keys = [line.key for line in await existing(bus)]
    lines = [f"pairstream: {bus.keyspace.key(channel)} does not exist yet; waiting for it"]
    if keys:
        more = [f"  … and {len(keys) - _LISTED} more: pairstream topics"] if len(keys) > _LISTED else []
        lines += ["There are:", *(f"  {key}" for key in keys[:_LISTED]), *more]
    else:
        lines.append("There is no topic at all: is the stack running (`make up`)?")
    typer.echo("\n".join(lines), err=True)


def _pairs(flat: list[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _print(lines: list[bytes]) -> None:
    sys.stdout.buffer.write(b"".join(lines))
    sys.stdout.buffer.flush()


def _check_reader() -> None:
    """Raises `ReaderGone` if the other end of the pipe is closed: a quiet topic would not tell by writing."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    if any(event & (select.POLLERR | select.POLLHUP | select.POLLNVAL) for _, event in poll.poll(0)):
        raise ReaderGone
