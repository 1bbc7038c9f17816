"""`pairstream topics`: what there is to read."""

import asyncio
from datetime import UTC, datetime
from typing import NamedTuple

import orjson
import typer

from shared.bus import Bus
from shared.cli.place import answering, place


class Line(NamedTuple):
    """One stream."""

    key: str
    topic: str
    length: int
    last_id: str | None
    last_time_ms: int | None


@answering
def topics(namespace: str | None, *, as_json: bool) -> int:
    """Print every stream of every topic of one namespace."""
    url, lines, chosen = asyncio.run(_gather(namespace))
    if as_json:
        document = {"redis_url": url, "namespace": chosen, "topics": [line._asdict() for line in lines]}
        typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
        return 0
    typer.echo(f"Redis: {url}")
    if not lines:
        where = f"namespace {chosen}" if chosen else "the namespace without a name"
        typer.echo(f"No topics in {where} yet: is the stack running (`make up`)? --namespace looks in another.")
        return 0
    key = max(len(line.key) for line in lines)
    length = max(6, *(len(str(line.length)) for line in lines))
    last = max(10, *(len(line.last_id or "") for line in lines))
    typer.echo(f"{'key':<{key}}  {'length':>{length}}  {'last entry':<{last}}  at (UTC)")
    for line in lines:
        at = "" if line.last_time_ms is None else utc(line.last_time_ms)
        typer.echo(f"{line.key:<{key}}  {line.length:>{length}}  {line.last_id or '':<{last}}  {at}".rstrip())
    return 0


def utc(ms: int) -> str:
    """Milliseconds UTC as a date and time.

    >>> utc(1721336400123)
    '2024-07-18 21:00:00.123'
    """
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}.{ms % 1000:03d}"


async def _gather(namespace: str | None) -> tuple[str, list[Line], str]:
    async with place(namespace) as (bus, _, _):
        return bus.url, await existing(bus), bus.keyspace.namespace


async def existing(bus: Bus) -> list[Line]:
    """Every stream of a topic in the bus's namespace, by topic and key."""
    lines = []
    for channel in await bus.channels():
        last_id = await bus.last_id(channel)
        last_ms = int(last_id.partition("-")[0]) if last_id else None
        lines.append(Line(bus.keyspace.key(channel), channel.topic, await bus.length(channel), last_id, last_ms))
    return lines
