"""One process of the stack: started, its output kept and its warnings passed on, started again with backoff when it crashes."""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Literal

import orjson

from shared.spelling import UNKNOWN

State = Literal["starting", "running", "crashed", "stopped"]

BACKOFF_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
STEADY_S = 30.0
"""A process that ran this long begins the backoff anew."""
_LOG_BYTES = 10_000_000
_LINE_BYTES = 1 << 20
_SHOWN_LEVELS = ("warning", "error", "critical")
_ACCESS = ("tornado.access", "uvicorn.access")
"""Loggers of what a browser has asked for, which is no event of the stack."""
BAD_SETTINGS = 2
"""The exit status of a service whose settings are wrong: starting it again would not help."""
COULD_NOT_START = 127
"""The exit status, as a shell gives it, of a program that could not be started."""


class Child:
    """A process and what is known of it."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        env: Mapping[str, str],
        log: Path,
        say: Callable[[str, str], None],
        changed: Callable[["Child"], None],
    ) -> None:
        """`say` takes a line for the terminal and its level; `changed` is called when pid or state are other than before."""
        self.name = name
        self.state: State = "stopped"
        self.pid: int | None = None
        self.exit_status: int | None = None
        self.last_lines: deque[str] = deque(maxlen=30)
        """The newest lines of its output that are no log entries."""
        self.started = asyncio.Event()
        self._command = command
        self._env = env
        self._log_path = log
        self._say = say
        self._changed = changed
        self._stop = asyncio.Event()
        self._logger = logging.Logger(name)
        handler = RotatingFileHandler(log, maxBytes=_LOG_BYTES, backupCount=2, encoding="utf-8")
        self._logger.addHandler(handler)

    async def run(self) -> None:
        """Keep it running until `stop`, or until it says that its settings are wrong."""
        failures = 0
        while not self._stop.is_set():
            begun = time.monotonic()
            status = await self._run_once()
            if self._stop.is_set() or status == BAD_SETTINGS:
                break
            failures = 0 if time.monotonic() - begun > STEADY_S else failures
            delay_s = BACKOFF_S[min(failures, len(BACKOFF_S) - 1)]
            failures += 1
            why = f": {self.last_lines[-1].strip()}" if self.last_lines else ""
            self._say(f"{self.name} ended ({describe(status)}){why}; starting again in {delay_s:g} s ({self._log_path})", "error")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), delay_s)
        self._move("stopped", None)
        for handler in self._logger.handlers:
            handler.close()

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ask it, and everything it has started, to end, and start it no more."""
        self._stop.set()
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    async def _run_once(self) -> int:
        self.last_lines.clear()
        self._move("starting", None)
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=dict(self._env),
                limit=_LINE_BYTES,
                # The terminal's Ctrl-C goes to the supervisor alone, which ends the processes in order.
                start_new_session=True,
            )
        except OSError as error:
            self.last_lines.append(str(error))
            self._move("crashed", None)
            return COULD_NOT_START
        assert process.stdout is not None
        self._move("running", process.pid)
        self.started.set()
        if self._stop.is_set():
            self.stop()
        pump = asyncio.create_task(self._pump(process.stdout))
        status = await process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # whatever it may have left behind
        await asyncio.wait({pump}, timeout=1.0)
        pump.cancel()
        self.exit_status = status
        self._move("stopped" if self._stop.is_set() else "crashed", None)
        return status

    async def _pump(self, output: asyncio.StreamReader) -> None:
        while True:
            try:
                raw = await output.readline()
            except ValueError:  # a line longer than the limit
                raw = await output.read(_LINE_BYTES)
            if not raw:
                return
            line = raw.decode(errors="replace").rstrip("\n")
            self._logger.info(line)
            entry = parse_entry(line)
            if entry is None:
                if line.strip():
                    self.last_lines.append(line)
            elif is_shown(entry):
                self._say(f"{self.name}: {readable(entry)}", str(entry["level"]))

    def _move(self, state: State, pid: int | None) -> None:
        self.state, self.pid = state, pid
        self._changed(self)


def parse_entry(line: str) -> dict[str, Any] | None:
    """A line of a service's log as its fields, ``None`` if it is none."""
    if not line.startswith("{"):
        return None
    try:
        entry = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return entry if isinstance(entry, dict) and "event" in entry else None


def is_shown(entry: Mapping[str, Any]) -> bool:
    """Whether a log entry is for the terminal as well: a warning or worse that nobody has been told otherwise."""
    return entry.get("level") in _SHOWN_LEVELS and entry.get("logger") not in _ACCESS and entry["event"] != UNKNOWN


def readable(entry: Mapping[str, Any]) -> str:
    """A log entry as one line for people.

    >>> readable({"event": "load again", "level": "warning", "service": "sampler", "reason": "fenced"})
    'load again (reason: fenced)'
    """
    hidden = ("event", "level", "timestamp", "service", "exception", "logger")
    details = [f"{name}: {value}" for name, value in entry.items() if name not in hidden]
    match entry.get("exception"):
        case [{"exc_type": kind, "exc_value": value}, *_]:
            details.append(f"{kind}: {value}")
    return f"{entry['event']} ({', '.join(details)})" if details else str(entry["event"])


def describe(status: int) -> str:
    """An exit status in words.

    >>> describe(-9), describe(1)
    ('killed by SIGKILL', 'exit status 1')
    """
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
