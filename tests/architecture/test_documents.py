"""Documents say what the code does: the generated ones, and the commands that the others name."""

import re
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from shared.cli import build
from shared.settings import PREFIX
from tests.recording import ROOT
from tools.generate import KINDS, generated, rows

TEXTS = ("README.md", "ARCHITECTURE.md", "CHANGELOG.md", "Makefile", "docker-compose.yml")


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.name)
def test_generated_files_are_current(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == generated()[path], "run `make generated`"


def test_the_readme_has_a_place_for_the_settings() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for kind in KINDS.values():
        for row in rows(kind):
            assert f"| `{row.variable}` |" in readme


def test_every_setting_says_what_it_is() -> None:
    for kind in KINDS.values():
        for row in rows(kind):
            assert len(row.description) > 10, row.variable


def test_every_setting_that_is_named_somewhere_exists() -> None:
    known = {row.variable for kind in KINDS.values() for row in rows(kind)}
    known |= {f"{PREFIX}{name}" for name in ("REDIS_PASSWORD", "REDIS_PORT", "REQUIRE", "TEST_REDIS", "NAME")}
    for path in (*(ROOT / name for name in TEXTS), *ROOT.glob("shared/**/*.py"), *ROOT.glob("services/**/*.py")):
        for variable in re.findall(rf"{PREFIX}[A-Z][A-Z_]*[A-Z]", path.read_text(encoding="utf-8")):
            assert {variable, variable.removesuffix("_FILE")} & known, f"{path}: {variable}"


def test_commands_in_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    verbs = {command.name or command.callback.__name__ for command in build().registered_commands if command.callback}
    for name in TEXTS[:3]:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert set(re.findall(r"\bmake ([a-z]+(?:-[a-z]+)*)`", text)) <= targets, name
        assert set(re.findall(r"\bpairstream ([a-z]+)", text)) <= verbs, name


def test_verbs_without_a_stack_explain_themselves() -> None:
    verbs = {command.name or command.callback.__name__ for command in build().registered_commands if command.callback}
    for verb in verbs:
        assert CliRunner().invoke(build(), [verb, "--help"]).exit_code == 0, verb


def test_nothing_of_a_developer_s_machine_is_committed() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        assert not name.startswith((".venv/", ".pairstream/")), name
        assert Path(name).name != ".env", name
