"""The command line without a stack: names of topics, lines of NDJSON, help."""

import json

import pytest
from typer.testing import CliRunner

from shared.cli import build
from shared.cli.tail import find_channel, line_of
from shared.errors import BadInput
from shared.stack.child import describe, is_shown, parse_entry, readable
from shared.stack.supervisor import row_of
from shared.topics import Channel, Keyspace

BARS = Channel("bars", ("1m", "BTCUSDT"))


@pytest.mark.parametrize(
    ("text", "here", "found"),
    [
        ("bars:1m:BTCUSDT", "", ("", BARS)),
        ("bars:1m:BTCUSDT", "replay", ("replay", BARS)),
        ("replay:bars:1m:BTCUSDT", "", ("replay", BARS)),
        ("dataset.old:bars:1m:BTCUSDT", "replay", ("dataset.old", BARS)),
        ("alerts", "replay", ("replay", Channel("alerts"))),
        ("bars:1m:BTCUSDT:{3}", "", ("", BARS)),
        ("pairs:1s:ETHUSDT~BTCUSDT@w600", "", ("", Channel("pairs", ("1s", "ETHUSDT~BTCUSDT@w600")))),
    ],
)
def test_a_topic_is_named_by_its_key_or_without_its_namespace(text: str, here: str, found: tuple[str, Channel]) -> None:
    keyspace, channel = find_channel(text, Keyspace(here, 8))
    assert (keyspace.namespace, channel) == found
    assert keyspace.partitions == 8


@pytest.mark.parametrize("text", ["", "bar", "bars", "bars:1m", "replay:bar:1m:BTCUSDT", "alerts:BTCUSDT", ":", "a:b:bars:1m:X"])
def test_what_is_no_topic_is_answered_with_the_topics_that_there_are(text: str) -> None:
    with pytest.raises(BadInput, match="topics are ticks, bars, pairs, tests, alerts, events"):
        find_channel(text, Keyspace())


def test_a_line_keeps_every_digit_and_leaves_out_what_is_unknown() -> None:
    fields = {"price": "64000.10", "size": "0.001000000000000000001"}
    line = line_of(Channel("ticks", ("BTCUSDT",)), "1721336400123-77", fields)
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert b'"price":64000.10,' in line
    assert b'"size":0.001000000000000000001,' in line
    read = json.loads(line)
    assert (read["id"], read["symbol"], read["time_ms"], read["trade_id"]) == ("1721336400123-77", "BTCUSDT", 1721336400123, 77)
    assert "side" not in read
    assert "resumed_ms" not in read


def test_help_names_the_verbs() -> None:
    done = CliRunner().invoke(build(), ["--help"])
    assert done.exit_code == 0
    for verb in ("up", "doctor", "topics", "tail", "asyncapi"):
        assert f" {verb} " in done.stdout


def test_asyncapi_prints_a_document() -> None:
    done = CliRunner().invoke(build(), ["asyncapi"])
    assert json.loads(done.stdout)["asyncapi"].startswith("3.")


def test_a_log_entry_becomes_a_line_for_people() -> None:
    line = '{"event": "load again", "level": "warning", "service": "sampler", "reason": "fenced"}'
    entry = parse_entry(line)
    assert entry is not None
    assert readable(entry) == "load again (reason: fenced)"
    failed = {"event": "failed", "level": "error", "exception": [{"exc_type": "ValueError", "exc_value": "no", "frames": []}]}
    assert readable(failed) == "failed (ValueError: no)"


@pytest.mark.parametrize("line", ["", "Traceback (most recent call last):", "{", '{"a": 1}', "[1]"])
def test_other_output_is_no_log_entry(line: str) -> None:
    assert parse_entry(line) is None


def test_an_exit_status_in_words() -> None:
    assert describe(-15) == "killed by SIGTERM"
    assert describe(3) == "exit status 3"


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        ({"event": "load again", "level": "warning"}, True),
        ({"event": "failed", "level": "error"}, True),
        ({"event": "starting", "level": "info"}, False),
        ({"event": "503 GET /readyz (127.0.0.1) 1.07ms", "level": "warning", "logger": "tornado.access"}, False),
        ({"event": "there is no such setting", "level": "warning", "variable": "PAIRSTREAM_WINDW"}, False),
    ],
    ids=["warning", "error", "info", "access line", "told at the start"],
)
def test_warnings_of_services_are_shown_and_access_lines_are_not(entry: dict[str, str], shown: bool) -> None:
    assert is_shown(entry) == shown


@pytest.mark.parametrize(
    ("report", "ready", "line"),
    [
        ({"service": "ui", "ready": True, "reasons": {}}, True, "ui         ready     :5006"),
        (
            {"service": "ui", "reasons": {"redis": "Redis is away", "source": "Redis is away", "feed": "no bars"}},
            False,
            "ui         waiting   :5006   Redis is away; no bars",
        ),
        (
            {"service": "ingestor", "ready": True, "reasons": {}},
            True,
            "ui         waiting   :5006   another program answers on port 5006",
        ),
        (["ui"], True, "ui         waiting   :5006   another program answers on port 5006"),
    ],
    ids=["ready", "each reason once", "another service", "another program"],
)
def test_a_status_line_tells_what_the_service_itself_says(report: object, ready: bool, line: str) -> None:
    assert str(row_of("ui", 5006, report, ready=ready)) == line
