"""Writes what is written from the code: AsyncAPI document, ``.env.example``, settings of README and compose, example of README.

``python tools/generate.py`` writes; ``--check`` writes nothing and fails if a file is not what would be written.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from services.alerter.settings import AlerterSettings
from services.analytics.settings import AnalyticsSettings
from services.ingestor.settings import IngestorSettings
from services.sampler.settings import SamplerSettings
from services.ui.settings import UiSettings
from shared.cli.asyncapi import text as asyncapi_text
from shared.settings import PREFIX, SERVICES, Settings

ROOT = Path(__file__).resolve().parents[1]
KINDS: dict[str, type[Settings]] = {
    "common": Settings,
    "ingestor": IngestorSettings,
    "sampler": SamplerSettings,
    "analytics": AnalyticsSettings,
    "alerter": AlerterSettings,
    "ui": UiSettings,
}
READERS = {
    "SOURCE": "ingestor",
    "SYMBOLS": "ingestor",
    "PAIRS": "analytics, ui",
    "WINDOW": "analytics, ui, ingestor",
    "FIT": "analytics",
    "PRICE": "analytics",
    "INTERCEPT": "analytics",
    "Z_ENTER": "alerter, ui",
    "Z_EXIT": "alerter, ui",
    **{f"{name.upper()}_PORT": name for name in SERVICES},
    "ANALYTICS_PORT": "analytics, ui",
    **{f"{name.upper()}_URL": "ui" for name in SERVICES},
}
"""Who reads a common setting that not all services read."""
ENV_HEAD = """\
# Settings of Pairstream, each with its default: copy this file to .env and change what you like.
# Variables of the environment come before this file. PAIRSTREAM_NAME_FILE=path reads the value of NAME from a file.
# Written by `make generated` from the settings classes.
"""
COMPOSE_DECIDES = ("REDIS_URL", "HOST", *(f"{name.upper()}_{what}" for name in SERVICES for what in ("PORT", "URL")))
"""What docker-compose.yml sets itself, for containers have names and addresses of their own."""


class Row(NamedTuple):
    """One setting."""

    variable: str
    default: str
    description: str


COMPOSE_ROWS = (
    Row(f"{PREFIX}REDIS_PASSWORD", "pairstream", "password of compose's Redis, published on 127.0.0.1 alone; letters and digits"),
    Row(f"{PREFIX}REDIS_PORT", "6379", "port of this machine at which compose's Redis is published"),
)


def default_text(value: Any) -> str:
    """A default as it would be written in the environment.

    >>> default_text(True), default_text(["1s", "1m"]), default_text(10.0), default_text(None)
    ('1', '1s,1m', '10', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, float):
        return f"{value:g}" if value < 1e6 else str(int(value))
    if isinstance(value, Path) and value.is_relative_to(ROOT):
        return value.relative_to(ROOT).as_posix()
    return str(value)


def rows(kind: type[Settings]) -> Iterator[Row]:
    """The settings that a class adds to the common ones."""
    inherited = set() if kind is Settings else set(Settings.model_fields)
    for name, field in kind.model_fields.items():
        if name not in inherited:
            yield Row(f"{PREFIX}{name.upper()}", default_text(field.default), field.description or "")


def env_example() -> str:
    """The text of ``.env.example``."""
    lines = [ENV_HEAD]
    for title, kind in KINDS.items():
        found = list(rows(kind))
        if found:
            lines.append(f"\n# --- {title} ---\n")
        lines += [f"# {row.description}\n#{row.variable}={row.default}\n" for row in found]
    lines.append("\n# --- docker compose ---\n")
    lines += [f"# {row.description}\n#{row.variable}={row.default}\n" for row in COMPOSE_ROWS]
    return "".join(lines)


def settings_table() -> str:
    """The settings as a Markdown table."""
    lines = ["| variable | default | what | read by |", "|---|---|---|---|"]
    for title, kind in KINDS.items():
        for row in rows(kind):
            default = f"`{row.default}`" if row.default else "(empty)"
            what = row.description.replace("|", "\\|")
            reader = READERS.get(row.variable.removeprefix(PREFIX), "all services") if kind is Settings else title
            lines.append(f"| `{row.variable}` | {default} | {what} | {reader} |")
    lines += [f"| `{row.variable}` | `{row.default}` | {row.description} | docker compose |" for row in COMPOSE_ROWS]
    return "\n".join(lines) + "\n"


def example() -> str:
    """The Python consumer of ``examples/``, as a Markdown code block."""
    return f"```python\n{(ROOT / 'examples' / 'follow.py').read_text(encoding='utf-8')}```\n"


def compose_settings() -> str:
    """The settings that docker-compose.yml hands on from the shell and from .env, where they are set there."""
    own = {PREFIX + name for name in COMPOSE_DECIDES}
    return "".join(f"  {row.variable}:\n" for kind in KINDS.values() for row in rows(kind) if row.variable not in own)


def between(text: str, begin: str, end: str, inside: str) -> str:
    """The text with what stands between two lines replaced; unchanged without these lines."""
    head, found, rest = text.partition(begin + "\n")
    _, found_end, tail = rest.partition(end)
    return f"{head}{begin}\n{inside}{end}{tail}" if found and found_end else text


def generated() -> dict[Path, str]:
    """Path → the text that the file should have."""
    readme, compose = ROOT / "README.md", ROOT / "docker-compose.yml"
    return {
        ROOT / "docs" / "asyncapi.json": asyncapi_text(),
        ROOT / ".env.example": env_example(),
        readme: between(
            between(readme.read_text(encoding="utf-8"), "<!-- settings:start -->", "<!-- settings:end -->", settings_table()),
            "<!-- example:start -->",
            "<!-- example:end -->",
            example(),
        ),
        compose: between(
            compose.read_text(encoding="utf-8"), "  # settings (make generated)", "  # end of settings", compose_settings()
        ),
    }


def main() -> int:
    check = "--check" in sys.argv
    stale = []
    for path, text in generated().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.relative_to(ROOT))
            if not check:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text, encoding="utf-8")
    for path in stale:
        sys.stdout.write(f"{path} {'is not what `make generated` writes' if check else 'written'}\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
