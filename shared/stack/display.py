"""What the supervisor shows: a live block of one line a service on a terminal, a line a change in a pipe."""

import os
import sys
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

_STYLES = {"ready": "green", "starting": "cyan", "waiting": "yellow", "crashed": "red", "stopped": "dim"}
_LEVELS = {"error": "red", "critical": "bold red", "warning": "yellow", "good": "green"}


class Row(NamedTuple):
    """The status line of a service."""

    name: str
    state: str
    """starting, waiting, ready, crashed or stopped."""
    port: int
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.name:<10} {self.state:<9} :{self.port:<6} {self.detail}".rstrip()


class Display:
    """Lines of events above, the state of the services below; where nobody reads it any more, silent."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._rows: dict[str, Row] = {}
        self._live: Live | None = None
        if self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(Text(""), console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)

    def say(self, line: str, level: str = "") -> None:
        """Print a line; with a level, one that tells of an event, with its time."""
        text = Text(f"{datetime.now():%H:%M:%S} {line}" if level else line, style=_LEVELS.get(level, ""))
        self._guarded(lambda: self._console.print(text))

    def show(self, row: Row) -> None:
        """Take a service's status line; one that says what was said before is not repeated."""
        if self._rows.get(row.name) == row:
            return
        self._rows[row.name] = row
        if self._live is None:
            self._guarded(lambda: self._console.print(Text(str(row))))
            return
        live = self._live
        self._guarded(lambda: live.update(self._block(), refresh=True))

    def begin(self) -> None:
        if self._live is not None:
            self._guarded(self._live.start)

    def end(self) -> None:
        if self._live is not None:
            self._guarded(self._live.stop)

    def _block(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, overflow="ellipsis")
        for row in self._rows.values():
            table.add_row(row.name, Text(row.state, style=_STYLES.get(row.state, "")), f":{row.port}", Text(row.detail))
        return table

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
            self._console.file.flush()
        except OSError:  # the reader of the pipe or the terminal has gone; the logs are in files
            self._live = None
            self._console = Console(file=open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115  # until the end
            sys.stdout = self._console.file
