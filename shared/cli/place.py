"""Where the verbs look: the Redis of the running stack, and the namespace of its source."""

import functools
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple, ParamSpec

import typer

from shared.bus import Bus, open_bus
from shared.errors import BadInput, SettingsError, Unavailable
from shared.settings import Settings, load
from shared.stack.state import ended_stack, redis_url

Parameters = ParamSpec("Parameters")


class StackEnded(Unavailable):
    """The Redis that was looked for belonged to a stack that was killed."""


class Place(NamedTuple):
    """Where a verb looks."""

    bus: Bus
    follows: bool
    """Whether the namespace is the one of the source, which may change."""
    known: bool
    """Whether there is a namespace yet: before its first tick the ingestor says what it runs on."""


@asynccontextmanager
async def place(namespace: str | None) -> AsyncIterator[Place]:
    """The running stack's Redis, else that of the settings.

    In the namespace that is asked for, else that of the settings, else that of the source. Raises `SettingsError`
    and `Unavailable`.
    """
    settings = load(Settings)
    try:
        async with open_bus(redis_url(settings), settings.keyspace(settings.namespace)) as bus:
            if namespace is not None or settings.namespace:
                yield Place(bus if namespace is None else bus.within(namespace), follows=False, known=True)
            else:
                source = await bus.source()
                yield Place(bus.within(source.namespace) if source else bus, follows=True, known=source is not None)
    except Unavailable as error:
        ended = None if "redis_url" in settings.model_fields_set else ended_stack()
        if ended is None:
            raise
        raise StackEnded(f"the stack that {os.path.relpath(ended)} names is not running; start it with `make up`") from error


def answering(verb: Callable[Parameters, int]) -> Callable[Parameters, int]:
    """A verb whose failures for known reasons are one line on stderr and an exit status."""

    @functools.wraps(verb)
    def answered(*args: Parameters.args, **kwargs: Parameters.kwargs) -> int:
        try:
            return verb(*args, **kwargs)
        except (SettingsError, BadInput) as error:
            typer.echo(f"pairstream: {error}", err=True)
            return 2
        except StackEnded as error:
            typer.echo(f"pairstream: {error}", err=True)
            return 1
        except Unavailable as error:
            typer.echo(
                f"pairstream: {str(error).rstrip('.')}. Is it running? Start it with `make up`, or see `pairstream doctor`.",
                err=True,
            )
            return 1
        except KeyboardInterrupt:
            return 130

    return answered
