"""`pairstream up`: the whole stack until Ctrl-C."""

import asyncio
from pathlib import Path

import typer

from services.alerter.settings import AlerterSettings
from services.analytics.settings import AnalyticsSettings
from services.ingestor.settings import IngestorSettings
from services.sampler.settings import SamplerSettings
from services.ui.settings import UiSettings
from shared.errors import SettingsError
from shared.settings import Settings, load
from shared.spelling import UNKNOWN, given, unknown
from shared.stack.supervisor import run_stack

KINDS: tuple[type[Settings], ...] = (IngestorSettings, SamplerSettings, AnalyticsSettings, AlerterSettings, UiSettings)


def up(directory: Path) -> int:
    """Run the stack; answers the exit status: 0 after Ctrl-C or SIGTERM, 1 if it cannot start, 2 for wrong settings."""
    mistakes: dict[str, None] = {}
    for kind in KINDS:
        try:
            load(kind)
        except SettingsError as error:
            mistakes |= dict.fromkeys(str(error).splitlines())
    for variable, near in unknown(KINDS, given(), all_kinds=True).items():
        typer.echo(f"pairstream: {variable}: {UNKNOWN}{f'; is {near} meant?' if near else ''}", err=True)
    for mistake in mistakes:
        typer.echo(f"pairstream: {mistake}", err=True)
    return 2 if mistakes else asyncio.run(run_stack(load(Settings), directory))
