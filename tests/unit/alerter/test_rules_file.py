"""The file of rules: what it says, and what a mistake in it says."""

from pathlib import Path

import pytest

from services.alerter.settings import AlerterSettings
from shared.errors import SettingsError
from shared.settings import load
from tests.recording import ROOT


def started(path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> AlerterSettings:
    path.write_text(text, encoding="utf-8")
    monkeypatch.chdir(path.parent)
    monkeypatch.setenv("PAIRSTREAM_RULES_FILE", str(path))
    return load(AlerterSettings)


def refusal(path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines of the error, without the file's name, which each must begin with."""
    with pytest.raises(SettingsError) as caught:
        started(path, text, monkeypatch)
    lines = str(caught.value).splitlines()
    prefix = f"PAIRSTREAM_RULES_FILE={path}: "
    assert all(line.startswith(prefix) for line in lines), lines
    return [line.removeprefix(prefix) for line in lines]


def test_without_a_file_there_is_one_rule_at_the_configured_thresholds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRSTREAM_Z_ENTER", "2.5")
    monkeypatch.setenv("PAIRSTREAM_Z_EXIT", "1")
    (rule,) = load(AlerterSettings).rules()
    assert (rule.name, rule.kind, rule.pair, rule.interval, rule.origin) == ("zscore", "zscore", "*", "*", "default")
    assert (rule.enter, rule.exit, rule.cooldown_s, rule.enabled, rule.side) == (2.5, 1.0, 60.0, True, "both")


def test_the_example_file_is_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "examples" / "rules.toml").read_text(encoding="utf-8")
    rules = started(tmp_path / "rules.toml", text, monkeypatch).rules()
    assert len(rules) >= 2
    assert all(rule.origin == "file" for rule in rules)


def test_defaults_of_a_rule_and_spelling_of_a_pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '[[rule]]\nname = "a"\npair = "ethusdt~btcusdt@w600"\ninterval = "1m"\nenter = 3\nexit = 1\n'
    (rule,) = started(tmp_path / "rules.toml", text, monkeypatch).rules()
    assert (rule.pair, rule.interval, rule.enter, rule.cooldown_s) == ("ETHUSDT~BTCUSDT@w600", "1m", 3.0, 60.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[rule]]\nname = "a"\nenter = 2\nexit = 3\n', "rule 1 (a): exit (3) must be below enter (2)"),
        ('[[rule]]\nname = "a"\nexit = 1\n', "rule 1 (a): enter: is missing. Allowed: "),
        ('[[rule]]\nname = "a"\nenter = -1\nexit = 1\n', "rule 1 (a): enter = -1: "),
        ('[[rule]]\nname = "a"\nenter = nan\nexit = 1\n', "rule 1 (a): enter = nan: "),
        ('[[rule]]\nname = "a"\nenter = inf\nexit = 1\n', "rule 1 (a): enter = inf: "),
        ('[[rule]]\nname = "a b"\nenter = 2\nexit = 1\n', "rule 1 (a b): name = 'a b': "),
        ('[[rule]]\nenter = 2\nexit = 1\n', "rule 1 (without a name): name: is missing"),
        ('[[rule]]\nname = "a"\nenter = 2\nexit = 1\npair = "ETHUSDT"\n', "rule 1 (a): pair = 'ETHUSDT': 'ETHUSDT' is no pair"),
        ('[[rule]]\nname = "a"\nenter = 2\nexit = 1\npair = "A~B@!"\n', "rule 1 (a): pair = 'A~B@!': '!' is no variant"),
        ('[[rule]]\nname = "a"\nenter = 2\nexit = 1\ninterval = "1 s"\n', "rule 1 (a): interval = '1 s': "),
        (
            '[[rule]]\nname = "a"\nenter = 2\nexit = 1\ninterval = "2m"\n',
            "rule 1 (a): interval = '2m': not configured. Allowed: 1s, 1m, 5m or *",
        ),
        ('[[rule]]\nname = "a"\nenter = 2\nexit = 1\nside = "up"\n', "rule 1 (a): side = 'up': "),
        ('[[rule]]\nname = "a"\nenter = 2\nexit = 1\nkind = "price"\n', "rule 1 (a): kind = 'price': "),
        ('[[rule]]\nname = "a"\nenter = 2\nexit = 1\ncooldown = 3\n', "rule 1 (a): cooldown: there is no such field; there are "),
        ('rule = 3\n', "rule: write each rule as a table [[rule]]"),
        ('[rule]\nname = "a"\n', "rule: write each rule as a table [[rule]]"),
        ('[[rules]]\nname = "a"\n', "rules: unknown; write each rule as a table [[rule]]"),
        ('[[rule]\n', "no TOML: "),
    ],
)  # fmt: skip
def test_mistakes_name_rule_field_and_what_is_allowed(
    text: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = refusal(tmp_path / "rules.toml", text, monkeypatch)
    assert line.startswith(says)


def test_every_mistake_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = """
    [[rule]]
    name = "a"
    enter = 2
    exit = 1
    [[rule]]
    name = "b"
    enter = "high"
    exit = -1
    [[rule]]
    name = "a"
    enter = 3
    exit = 1
    """
    lines = refusal(tmp_path / "rules.toml", text, monkeypatch)
    assert [line.split(":")[0] for line in lines] == ["rule 2 (b)", "rule 2 (b)", "rule 3 (a)"]
    assert "enter = 'high'" in lines[0]
    assert "exit = -1" in lines[1]
    assert lines[2] == "rule 3 (a): name: two rules have it; each needs its own"


def test_file_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "no.toml"
    monkeypatch.setenv("PAIRSTREAM_RULES_FILE", str(path))
    with pytest.raises(SettingsError, match=r"no\.toml: No such file or directory; name a file that can be read"):
        load(AlerterSettings)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match="UTF-8"):
        load(AlerterSettings)
