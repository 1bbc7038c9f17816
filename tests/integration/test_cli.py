"""The verbs of the command line as processes, on a real Redis."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import pytest
import redis

from shared.settings import PREFIX
from tests.recording import ROOT
from tests.redis_servers import OwnRedis, free_port

KEY = "replay:bars:1m:BTCUSDT"
BAR = {
    "open": "100.0", "high": "101.0", "low": "99.5", "close": "100.50", "volume": "3", "quote_volume": "301.5",
    "taker_buy_volume": "1", "trades": "3", "status": "complete",
}  # fmt: skip


class Terminal:
    """A directory and an environment in which `pairstream` is called."""

    def __init__(self, directory: Path, url: str) -> None:
        self.directory = directory
        self.env = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
        self.env |= {"PYTHONPATH": str(ROOT), f"{PREFIX}REDIS_URL": url}
        self.begun: list[subprocess.Popen[bytes]] = []

    def verb(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "shared.cli", *arguments]
        return subprocess.run(command, cwd=self.directory, env=self.env, capture_output=True, text=True, timeout=60, check=False)

    def begin(self, *arguments: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "shared.cli", *arguments]
        pipe = subprocess.PIPE
        self.begun.append(subprocess.Popen(command, cwd=self.directory, env=self.env, stdout=pipe, stderr=pipe))
        return self.begun[-1]


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[list[Terminal]]:
    made: list[Terminal] = []
    yield made
    for process in (process for terminal in made for process in terminal.begun):
        process.kill()
        process.communicate()


@pytest.fixture
def terminal(terminals: list[Terminal], tmp_path: Path, redis_url: str) -> Terminal:
    terminals.append(Terminal(tmp_path, redis_url))
    return terminals[-1]


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        client.hset("pairstream:source", mapping={"source": "replay", "reason": "", "namespace": "replay", "started_ms": "1"})
        yield client


def add_bar(client: Any, minute: int, key: str = KEY) -> None:
    client.xadd(key, BAR, id=f"{1721336400000 + minute * 60_000}-0")


def read_line(output: IO[bytes] | None) -> dict[str, Any]:
    assert output is not None
    found: dict[str, Any] = json.loads(output.readline())
    return found


def test_topics_in_the_namespace_of_the_source(terminal: Terminal, client: Any, redis_url: str) -> None:
    add_bar(client, 0)
    add_bar(client, 1)
    add_bar(client, 0, "bars:1m:ETHUSDT")
    client.xadd("replay:stranger", {"a": "1"})
    document = json.loads(terminal.verb("topics", "--json").stdout)
    assert document == {
        "redis_url": redis_url,
        "namespace": "replay",
        "topics": [{"key": KEY, "topic": "bars", "length": 2, "last_id": "1721336460000-0", "last_time_ms": 1721336460000}],
    }
    table = terminal.verb("topics").stdout.splitlines()
    assert table[0] == f"Redis: {redis_url}"
    assert table[1].split() == ["key", "length", "last", "entry", "at", "(UTC)"]
    assert [line.split() for line in table[2:]] == [[KEY, "2", "1721336460000-0", "2024-07-18", "21:01:00.000"]]
    live = json.loads(terminal.verb("topics", "--json", "--namespace", "").stdout)
    assert [topic["key"] for topic in live["topics"]] == ["bars:1m:ETHUSDT"]


def test_tail_prints_the_last_ones_and_follows(terminal: Terminal, client: Any) -> None:
    for minute in range(5):
        add_bar(client, minute)
    following = terminal.begin("tail", "bars:1m:BTCUSDT", "-n", "2")
    assert [read_line(following.stdout)["id"] for _ in range(2)] == ["1721336580000-0", "1721336640000-0"]
    add_bar(client, 5)
    entry = read_line(following.stdout)
    assert entry["open_time_ms"] == 1721336700000
    assert (entry["symbol"], entry["interval"], entry["close"], entry["status"]) == ("BTCUSDT", "1m", 100.5, "complete")
    following.send_signal(signal.SIGINT)
    _, said = following.communicate(timeout=20)
    assert following.returncode == -signal.SIGINT
    assert said == b""


def test_tail_ends_quietly_when_its_reader_does(terminal: Terminal, client: Any) -> None:
    add_bar(client, 0)
    following = terminal.begin("tail", KEY)
    read_line(following.stdout)
    assert following.stdout is not None
    assert following.stderr is not None
    following.stdout.close()  # and not another entry comes
    assert following.wait(20) == 0
    assert following.stderr.read() == b""


def test_tail_waits_for_a_topic_that_is_not_there_yet(terminal: Terminal, client: Any) -> None:
    add_bar(client, 0)
    following = terminal.begin("tail", "bars:1m:SOLUSDT")
    assert following.stderr is not None
    assert b"replay:bars:1m:SOLUSDT does not exist yet; waiting for it" in following.stderr.readline()
    assert [following.stderr.readline() for _ in range(2)] == [b"There are:\n", f"  {KEY}\n".encode()]
    add_bar(client, 0, "replay:bars:1m:SOLUSDT")
    assert read_line(following.stdout)["symbol"] == "SOLUSDT"


def test_tail_lists_some_of_many_topics_one_a_line(terminal: Terminal, client: Any) -> None:
    for number in range(25):
        add_bar(client, 0, f"replay:bars:1m:S{number:02}USDT")
    following = terminal.begin("tail", "bars:1m:SOLUSDT")
    assert following.stderr is not None
    said = [following.stderr.readline().decode().rstrip() for _ in range(23)]
    assert said[2:] == [*(f"  replay:bars:1m:S{number:02}USDT" for number in range(20)), "  … and 5 more: pairstream topics"]


def test_tail_waits_for_the_source_and_follows_it(terminal: Terminal, redis_url: str) -> None:
    following = terminal.begin("tail", "bars:1m:BTCUSDT", "-n", "1")
    assert following.stderr is not None
    assert b"waiting for the ingestor" in following.stderr.readline()
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        add_bar(client, 0, "simulator:bars:1m:BTCUSDT")
        add_bar(client, 1, "bars:1m:BTCUSDT")
        client.hset("pairstream:source", mapping={"source": "simulator", "namespace": "simulator"})
        assert read_line(following.stdout)["id"] == "1721336400000-0"
        client.hset("pairstream:source", mapping={"source": "binance", "namespace": ""})
        assert b"the source is now binance" in following.stderr.readline()
        assert read_line(following.stdout)["id"] == "1721336460000-0"


def test_tail_outlives_a_restart_of_redis(terminals: list[Terminal], tmp_path: Path, redis_server: OwnRedis) -> None:
    terminals.append(Terminal(tmp_path, redis_server.url))
    with redis.Redis.from_url(redis_server.url, decode_responses=True) as client:
        client.hset("pairstream:source", mapping={"source": "binance", "namespace": ""})
        add_bar(client, 0, "bars:1m:BTCUSDT")
        following = terminals[0].begin("tail", "bars:1m:BTCUSDT")
        assert read_line(following.stdout)["id"] == "1721336400000-0"
        redis_server.stop()
        assert following.stderr is not None
        assert b"trying again" in following.stderr.readline()
        redis_server.start()
        add_bar(client, 1, "bars:1m:BTCUSDT")
    assert read_line(following.stdout)["id"] == "1721336460000-0"


def test_tail_of_no_topic(terminal: Terminal, client: Any) -> None:
    done = terminal.verb("tail", "candles:1m:BTCUSDT")
    assert done.returncode == 2
    assert "topics are ticks, bars, pairs" in done.stderr
    assert done.stdout == ""


def test_without_redis_the_verbs_say_so_in_a_line(terminals: list[Terminal], tmp_path: Path) -> None:
    terminals.append(Terminal(tmp_path, f"redis://127.0.0.1:{free_port()}/0"))
    for arguments in (["topics"], ["tail", KEY]):
        done = terminals[0].verb(*arguments)
        assert done.returncode == 1
        assert "make up" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    doctor = terminals[0].verb("doctor")
    assert doctor.returncode == 1
    assert "✗ Redis" in doctor.stdout
    assert "PAIRSTREAM_REDIS_URL" in doctor.stdout


def test_a_stack_that_was_killed_is_named(terminals: list[Terminal], tmp_path: Path) -> None:
    terminals.append(Terminal(tmp_path, ""))  # no setting says where Redis is
    (tmp_path / ".env").write_text(f"{PREFIX}HOST=127.0.0.1\n")
    (tmp_path / ".pairstream").mkdir()
    (tmp_path / ".pairstream" / "run.json").write_text("{}")
    inside = tmp_path / "inside"
    inside.mkdir()
    for directory, name in ((tmp_path, ".pairstream/run.json"), (inside, "../.pairstream/run.json")):
        terminals[0].directory = directory
        done = terminals[0].verb("topics")
        assert done.returncode == 1
        assert done.stderr == f"pairstream: the stack that {name} names is not running; start it with `make up`\n"


def test_doctor_names_a_wrong_setting(terminal: Terminal) -> None:
    terminal.env[f"{PREFIX}FIT"] = "quick"
    done = terminal.verb("doctor")
    assert done.returncode == 1
    assert "✗ settings   PAIRSTREAM_FIT=quick" in done.stdout


def test_doctor_looks_at_the_settings_of_every_service(terminal: Terminal) -> None:
    terminal.env |= {f"{PREFIX}UI_SESSIONS": "0", f"{PREFIX}WINDW": "300"}
    done = terminal.verb("doctor")
    assert done.returncode == 1
    assert "✗ settings   PAIRSTREAM_UI_SESSIONS=0" in done.stdout
    assert "• settings   PAIRSTREAM_WINDW: there is no such setting; is PAIRSTREAM_WINDOW meant?" in done.stdout
