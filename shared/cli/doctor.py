"""`pairstream doctor`: is this machine fit to run it, and what is to be mended if not."""

import asyncio
import os
import platform
import shutil
import sys
import time
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple

import httpx
from rich.console import Console
from rich.text import Text

from services.ingestor.settings import IngestorSettings
from shared import __version__
from shared.bus import open_bus
from shared.cli.all_settings import misspelt, mistakes
from shared.errors import Unavailable
from shared.settings import PREFIX, SERVICES, load, redis_place
from shared.stack import ports
from shared.stack.redis_server import OLDEST, find_server
from shared.stack.state import DIRECTORY, Run, StateDirectory, running_stack

_LIBRARIES = ("redis", "hiredis", "numpy", "pandas", "statsmodels", "panel", "bokeh", "fastapi", "websockets")
_CLOCK_S = 2.0
_LEAST_BYTES = 1_000_000_000
_MARKS = {"ok": ("✓", "green"), "note": ("•", "yellow"), "bad": ("✗", "red")}


class Check(NamedTuple):
    """One thing that was looked at."""

    name: str
    verdict: Literal["ok", "note", "bad"]
    """A note is worth knowing and hinders nothing."""
    found: str
    mend: str = ""


def doctor() -> int:
    """Print every check as it is done; answers 1 if one is bad, else 0."""
    console = Console(highlight=False, soft_wrap=True)
    bad = 0

    async def main() -> None:
        nonlocal bad
        async for check in checks():
            mark, style = _MARKS[check.verdict]
            line = Text.assemble((mark, style), f" {check.name:<10} {check.found}")
            console.print(line)
            if check.mend:
                console.print(Text(f"             {check.mend}", style=style))
            bad += check.verdict == "bad"

    asyncio.run(main())
    console.print("All is well." if not bad else f"{bad} to mend.")
    return 1 if bad else 0


async def checks() -> AsyncIterator[Check]:
    """The checks, one after the other."""
    yield versions()
    for line in misspelt():
        yield Check("settings", "note", line, "correct the name in the environment or in .env")
    if wrong := mistakes():
        for line in wrong:
            yield Check("settings", "bad", line, "correct it in the environment or in .env")
        return
    settings = load(IngestorSettings)
    yield Check(
        "settings", "ok", f"source {settings.source}, symbols {','.join(settings.symbols)}, pairs {','.join(settings.pairs)}"
    )
    run = running_stack(here="redis_url" in settings.model_fields_set)
    yield _stack(run)
    for check in port_checks(settings, run):
        yield check
    yield await _redis(settings, run)
    for check in await _exchange(settings):
        yield check
    yield disk(Path(DIRECTORY))


def versions() -> Check:
    """Pairstream, Python, and the libraries that matter."""
    libraries = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    fits = (3, 11) <= sys.version_info[:2] < (3, 14)
    found = f"pairstream {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}; {libraries}"
    return Check("versions", "ok" if fits else "bad", found, "" if fits else "install Python 3.11, 3.12 or 3.13")


def _stack(run: Run | None) -> Check:
    if run is None:
        return Check("stack", "note", "not running", "start it with `make up`")
    return Check("stack", "ok", f"running since {time.strftime('%F %T', time.localtime(run.started_ms / 1000))}: {run.ui_url}")


def port_checks(settings: IngestorSettings, run: Run | None) -> Iterator[Check]:
    """Whether the five ports are free, or held by the running stack itself."""
    free = []
    for name in SERVICES:
        port = getattr(settings, f"{name}_port")
        if (run is not None and run.services[name].port == port) or port == 0 or ports.is_free(settings.host, port):
            free.append(f"{port} {name}")
        else:
            mend = f"end that, or choose another port: {PREFIX}{name.upper()}_PORT=…"
            yield Check("port", "bad", f"{port}, for the {name}, is held by {ports.holder(port)}", mend)
    if free:
        yield Check("ports", "ok", f"{', '.join(free)}: {'held by the running stack' if run else 'free'}")


async def _redis(settings: IngestorSettings, run: Run | None) -> Check:
    if run is None and "redis_url" not in settings.model_fields_set:
        try:
            program = await asyncio.to_thread(find_server, StateDirectory(Path(DIRECTORY)).redis)
            return Check("Redis", "ok", f"none runs yet; `make up` will start {program}")
        except Unavailable as error:
            return Check("Redis", "bad", str(error))
    url = run.redis_url if run else settings.redis_url
    where = redis_place(url)
    async with open_bus(url, settings.keyspace("")) as bus:
        try:
            begun = time.perf_counter()
            await bus.ping()
            answer_ms = (time.perf_counter() - begun) * 1000
            info = await bus.info()
        except Unavailable as error:
            return Check("Redis", "bad", f"{where}: {error}", f"start it, or correct {PREFIX}REDIS_URL")
    number = str(info["redis_version"])
    name = str(info.get("server_name", "redis"))
    used = int(info["used_memory"]) / 1e6
    found = f"{where}: {name} {info.get('valkey_version', number)}, answers in {answer_ms:.1f} ms, {used:.0f} MB in use"
    if tuple(map(int, number.split(".")[:2])) < OLDEST:
        return Check("Redis", "bad", found, "6.2 or newer is needed")
    if not info.get("aof_enabled"):
        return Check(
            "Redis", "note", f"{found}, no append-only file", "what it holds is lost when it ends: CONFIG SET appendonly yes"
        )
    if info.get("aof_last_write_status") != "ok":
        return Check("Redis", "bad", f"{found}, its append-only file cannot be written", "is its disk full?")
    return Check("Redis", "ok", f"{found}, append-only file on")


async def _exchange(settings: IngestorSettings) -> list[Check]:
    """Whether the exchange answers, and whether this machine's clock agrees with its."""
    url = f"{settings.binance_rest_url.rstrip('/')}/fapi/v1/time"
    needed = settings.source == "binance"
    try:
        async with httpx.AsyncClient(timeout=10.0) as client:
            begun_ms = time.time() * 1000
            answer = await client.get(url)
            ended_ms = time.time() * 1000
            answer.raise_for_status()
            server_ms = float(answer.json()["serverTime"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        why = (
            f"HTTP {error.response.status_code}"
            if isinstance(error, httpx.HTTPStatusError)
            else str(error) or type(error).__name__
        )
        mend = f"correct the network or {PREFIX}BINANCE_REST_URL; without it, {PREFIX}SOURCE=auto plays the bundled recording"
        unknown = Check("clock", "note", "not compared: the exchange does not answer")
        return [Check("exchange", "bad" if needed else "note", f"{url}: {why}", mend), unknown]
    # Half the round trip is how far off the comparison itself may be.
    half_ms = (ended_ms - begun_ms) / 2
    off_s = (begun_ms + half_ms - server_ms) / 1000
    agrees = abs(off_s) - half_ms / 1000 < _CLOCK_S
    clock = Check(
        "clock",
        "ok" if agrees else "note",
        f"{off_s:+.2f} s from the exchange's",
        "" if agrees else "trades are judged by the exchange's clock, so nothing breaks; set yours with NTP all the same",
    )
    return [Check("exchange", "ok", f"{url} answers in {half_ms * 2:.0f} ms"), clock]


def disk(directory: Path) -> Check:
    """Room for Redis' data and the logs."""
    place = next(path for path in (directory.resolve(), *directory.resolve().parents) if path.exists())
    free = shutil.disk_usage(place).free
    writable = os.access(place, os.W_OK)
    found = f"{free / 1e9:.1f} GB free in {place}{'' if writable else ', which cannot be written'}"
    if free < _LEAST_BYTES or not writable:
        return Check("disk", "bad", found, "make room, or start it in another directory")
    return Check("disk", "ok", found)
