"""Layout and names, where import-linter does not look."""

import ast
from pathlib import Path

import pytest

from tests.recording import ROOT

SERVICES = ("ingestor", "sampler", "analytics", "alerter", "ui")
MODULES = sorted([*ROOT.glob("shared/**/*.py"), *ROOT.glob("services/**/*.py")])
VAGUE = {"utils", "util", "helpers", "common", "base", "manager", "misc"}
LONGEST = 300
"""Lines of a module: one noun a module, and this is where it has become two."""


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_is_made_alike(service: str) -> None:
    directory = ROOT / "services" / service
    for name in ("__init__.py", "__main__.py", "settings.py"):
        assert (directory / name).is_file(), name
    promise = ast.get_docstring(ast.parse((directory / "__init__.py").read_text(encoding="utf-8")))
    assert promise


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_are_small_and_named_for_what_they_hold(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert path.stem not in VAGUE
    assert len(text.splitlines()) <= LONGEST
    assert path.name == "__main__.py" or ast.get_docstring(ast.parse(text)), "a module says what it is"
    assert "except Exception" not in text
