"""`pairstream up`: the whole stack until Ctrl-C."""

import asyncio
from pathlib import Path

import typer

from shared.cli.all_settings import misspelt, mistakes
from shared.settings import Settings, load
from shared.stack.supervisor import run_stack


def up(directory: Path) -> int:
    """Run the stack; answers the exit status: 0 after Ctrl-C or SIGTERM, 1 if it cannot start, 2 for wrong settings."""
    wrong = mistakes()
    for line in (*misspelt(), *wrong):
        typer.echo(f"pairstream: {line}", err=True)
    return 2 if wrong else asyncio.run(run_stack(load(Settings), directory))
