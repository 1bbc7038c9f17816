"""`pairstream up`: the whole stack until Ctrl-C."""

import asyncio
from pathlib import Path

import typer

from shared.errors import SettingsError
from shared.settings import Settings, load
from shared.stack.supervisor import run_stack


def up(directory: Path) -> int:
    """Run the stack; answers the exit status: 0 after Ctrl-C or SIGTERM, 1 if it cannot start, 2 for wrong settings."""
    try:
        settings = load(Settings)
    except SettingsError as error:
        typer.echo(f"pairstream: {error}", err=True)
        return 2
    return asyncio.run(run_stack(settings, directory))
