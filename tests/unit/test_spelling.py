"""Misspelt names of settings: told, with the name that may be meant, and never where there is no mistake."""

from pathlib import Path

import pytest

from shared.cli.all_settings import KINDS
from shared.settings import Settings
from shared.spelling import given, names, unknown


@pytest.mark.parametrize(
    ("variable", "near"),
    [
        ("PAIRSTREAM_WINDW", "PAIRSTREAM_WINDOW"),
        ("PAIRSTREAM_SYMBOL", "PAIRSTREAM_SYMBOLS"),
        ("PAIRSTREAM_REDIS_URL_FLE", "PAIRSTREAM_REDIS_URL_FILE"),
        ("PAIRSTREAM_REPLAY_SPED", "PAIRSTREAM_REPLAY_SPEED"),
        ("PAIRSTREAM_QQQQ", ""),
    ],
)
def test_a_misspelt_name_is_told_with_the_nearest(variable: str, near: str) -> None:
    assert unknown(KINDS, [variable], all_kinds=True) == {variable: near}


def test_what_is_known_is_not_told() -> None:
    right = ["PAIRSTREAM_WINDOW", "PAIRSTREAM_REDIS_URL_FILE", "PAIRSTREAM_REPLAY_SPEED", "PAIRSTREAM_RULES_FILE"]
    right += ["PAIRSTREAM_REQUIRE", "PAIRSTREAM_TEST_REDIS", "PAIRSTREAM_REDIS_PASSWORD", "PAIRSTREAM_REDIS_PORT"]
    assert unknown(KINDS, right, all_kinds=True) == {}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_service_tells_of_its_own_misspelt_and_not_of_the_settings_of_others(kind: type[Settings]) -> None:
    assert unknown([kind], ["PAIRSTREAM_WINDW"], all_kinds=False) == {"PAIRSTREAM_WINDW": "PAIRSTREAM_WINDOW"}
    assert unknown([kind], [f"PAIRSTREAM_{name}" for name in names(KINDS)], all_kinds=False) == {}


def test_both_the_environment_and_dotenv_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in given():
        monkeypatch.delenv(name)
    (tmp_path / ".env").write_text("PAIRSTREAM_WINDW=300\nOTHER=1\n")
    monkeypatch.setenv("pairstream_fitt", "lagged")  # names are taken whatever their case
    assert given() == ["PAIRSTREAM_FITT", "PAIRSTREAM_WINDW"]
