"""`pairstream up`: from the start to the end without a process left, through crashes and beside others."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from tests.e2e.running_stack import SERVICES, RunningStack
from tests.redis_servers import free_port
from tests.waiting import wait_until_sync

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="what is left over is seen through /proc"),
]


@pytest.fixture(autouse=True)
def _redis_port_taken() -> Iterator[None]:
    """Redis' usual port is held in these tests, so that they neither take it nor depend on it."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", 6379))
            holder.listen()
        except OSError:
            pass  # somebody else holds it: just as well
        yield


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[RunningStack]:
    """A stack that has not been started yet."""
    stack = RunningStack(tmp_path)
    yield stack
    if stack.process is not None and stack.process.poll() is None:
        stack.process.kill()
        stack.process.wait()
    wait_until_sync(lambda: not stack.left_over(), 20, "the stack's processes have ended")


def test_from_start_to_end(stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> None:
    stack.start().wait_ready()
    run = stack.run

    # What the start says: where the page is, and how other programs reach the topics.
    assert f"Page: {run['ui_url']}" in stack.text
    assert f"Redis URL for your own programs: {run['redis_url']}" in stack.text
    assert ":6379/" not in run["redis_url"]
    assert run["redis_url"].startswith("redis://default:"), "the form that every redis-cli takes"
    assert "REPLAY 2 symbols" in stack.text
    assert httpx.get(run["ui_url"], follow_redirects=True, timeout=20).status_code == 200

    # Redis: append-only file, password, loopback; the files are the owner's alone.
    with redis.Redis.from_url(run["redis_url"]) as client:
        assert client.config_get("appendonly")["appendonly"] == "yes"
        assert client.config_get("bind")["bind"] == "127.0.0.1"
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=int(run["redis_url"].rpartition(":")[2].partition("/")[0])).ping()
    for name in ("run.json", "redis-password", "redis/redis.conf"):
        assert stat.S_IMODE((stack.state / name).stat().st_mode) == 0o600, name
    assert stat.S_IMODE(stack.state.stat().st_mode) == 0o700

    # The verbs find the running stack by themselves.
    listed = json.loads(stack.verb("topics", "--json").stdout)
    assert listed["redis_url"] == run["redis_url"]
    assert listed["namespace"] == "replay"
    assert {"replay:ticks:BTCUSDT", "replay:ticks:ETHUSDT"} <= {topic["key"] for topic in listed["topics"]}
    assert stack.verb("topics").stdout.startswith(f"Redis: {run['redis_url']}\n")
    doctor = stack.verb("doctor")
    assert doctor.returncode == 0, doctor.stdout
    assert "append-only file on" in doctor.stdout
    assert "held by the running stack" in doctor.stdout

    # A second one beside it, in the same directory and in another: says who holds the ports and leaves the first alone.
    before = stack.pids()
    second = stack.verb("up")
    assert second.returncode == 1
    port, pid = run["services"]["ui"]["port"], before["ui"]
    assert f"{port} ui (pid {pid})" in second.stdout
    elsewhere = RunningStack(tmp_path_factory.mktemp("elsewhere"), ui_port=port)
    foreign = elsewhere.verb("up")
    assert foreign.returncode == 1
    assert f"port {port}, which the ui needs, is held by Pairstream's own ui" in foreign.stdout
    assert str(stack.directory) in foreign.stdout
    assert stack.pids() == before

    # A crash is said, and mended.
    os.kill(before["sampler"], signal.SIGKILL)
    wait_until_sync(lambda: "sampler ended (killed by SIGKILL)" in stack.text, 10, "the crash is said")
    wait_until_sync(lambda: stack.pids().get("sampler", pid) != before["sampler"], 10, "the sampler is started again")
    stack.wait_ready(30)
    os.kill(before["redis"], signal.SIGKILL)
    wait_until_sync(lambda: "redis ended (killed by SIGKILL)" in stack.text, 10, "the crash of Redis is said")
    wait_until_sync(lambda: stack.pids().get("redis", before["redis"]) != before["redis"], 10, "Redis is started again")
    with redis.Redis.from_url(run["redis_url"]) as client:
        wait_until_sync(lambda: _length(client) > 0, 20, "the ticks are there again")

    begun = time.monotonic()
    assert stack.end(signal.SIGTERM) == 0
    assert time.monotonic() - begun < 10
    assert stack.left_over() == []
    assert not (stack.state / "run.json").exists()
    assert {f"{name}.log" for name in (*SERVICES, "redis")} <= {path.name for path in (stack.state / "logs").iterdir()}


def _length(client: "redis.Redis") -> int:
    try:
        return int(client.xlen("replay:ticks:BTCUSDT"))
    except redis.RedisError:
        return 0


def test_ctrl_c_and_the_next_start(stack: RunningStack) -> None:
    stack.start().wait_ready()
    password = stack.run["redis_url"]
    assert stack.end(signal.SIGINT) == 0
    assert stack.left_over() == []
    stack.output.unlink()
    stack.start().wait_ready()
    assert stack.run["redis_url"].rpartition("@")[0] == password.rpartition("@")[0], "the password stays"
    with redis.Redis.from_url(stack.run["redis_url"]) as client:
        first = client.xrange("replay:ticks:BTCUSDT", count=1)[0][0]
        newest = client.xrevrange("replay:ticks:BTCUSDT", count=1)[0][0]
        assert first < newest
        wait_until_sync(lambda: client.xrevrange("replay:ticks:BTCUSDT", count=1)[0][0] != newest, 20, "ticks go on")
    assert stack.end(signal.SIGINT) == 0


def test_nothing_outlives_a_killed_supervisor(stack: RunningStack) -> None:
    stack.start().wait_ready()
    assert stack.end(signal.SIGKILL) == -signal.SIGKILL
    wait_until_sync(lambda: not stack.left_over(), 12, "everything has ended")
    done = stack.verb("topics")
    assert done.returncode == 1
    assert done.stderr == "pairstream: the stack that .pairstream/run.json names is not running; start it with `make up`\n"


@pytest.mark.long
def test_leftovers_of_a_stack_without_guardian_are_ended_at_the_next_start(stack: RunningStack) -> None:
    stack.start().wait_ready()
    guardian = [int(line.split()[0]) for line in stack.left_over() if "guardian.py" in line]
    assert len(guardian) == 1
    left = set(stack.pids().values())
    os.kill(guardian[0], signal.SIGKILL)
    stack.end(signal.SIGKILL)
    assert {int(line.split()[0]) for line in stack.left_over()} == left
    stack.output.unlink()
    stack.start().wait_ready()
    assert "an earlier stack has left running" in stack.text
    assert not left & {int(line.split()[0]) for line in stack.left_over()}
    assert stack.end() == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"window": "x", "fit": "quick"},
        {"replay": "/nope", "rules_file": "/nope", "sampler_linger_ms": "-1", "min_coverage": "2", "ui_sessions": "0"},
    ],
    ids=["common", "of each service"],
)
def test_wrong_settings_of_all_services_are_told_before_anything_starts(tmp_path: Path, wrong: dict[str, str]) -> None:
    stack = RunningStack(tmp_path, **wrong, windw="300")
    done = stack.verb("up")
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0] == "pairstream: PAIRSTREAM_WINDW: there is no such setting; is PAIRSTREAM_WINDOW meant?"
    for variable, value in wrong.items():
        # Each once, although all services read the common ones.
        assert sum(line.startswith(f"pairstream: PAIRSTREAM_{variable.upper()}={value}") for line in lines) == 1, done.stderr
    assert len(lines) == 1 + len(wrong)
    assert not stack.state.exists()


def test_two_services_on_one_port(tmp_path: Path) -> None:
    port = free_port()
    done = RunningStack(tmp_path, ui_port=port, sampler_port=port).verb("up")
    assert done.returncode == 2
    assert f"PAIRSTREAM_SAMPLER_PORT and PAIRSTREAM_UI_PORT are the same, {port}" in done.stderr


def test_data_of_a_newer_redis_are_not_left_beside_an_older_one(tmp_path: Path) -> None:
    """An older server would ignore them and begin an empty history in the same directory."""
    stack = RunningStack(tmp_path)
    programs = tmp_path / "programs"
    programs.mkdir()
    old = programs / "redis-server"
    old.write_text("#!/bin/sh\necho 'Redis server v=6.2.14 sha=0:0 bits=64'\n")
    old.chmod(0o755)
    (programs / "ps").symlink_to(str(shutil.which("ps")))
    stack.env["PATH"] = str(programs)
    (stack.state / "redis" / "appendonlydir").mkdir(parents=True)
    done = stack.verb("up")
    assert done.returncode == 1
    assert "The data in .pairstream/redis was written by Redis 7.0 or newer" in done.stdout
    assert "redis-server is 6.2.14, too old" in done.stdout
    assert [path.name for path in (stack.state / "redis").iterdir()] == ["appendonlydir"]


def test_a_port_held_by_another_program(tmp_path: Path) -> None:
    port = free_port()
    ready = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print(flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", ready, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        done = RunningStack(tmp_path, analytics_port=port).verb("up")
        assert other.poll() is None
        other.kill()
    assert done.returncode == 1
    assert f"port {port}, which the analytics needs, is held by {sys.executable} -c" in done.stdout
    assert f"(pid {other.pid})" in done.stdout
    assert "PAIRSTREAM_ANALYTICS_PORT" in done.stdout


def test_a_redis_of_ones_own(tmp_path: Path, redis_url: str) -> None:
    stack = RunningStack(tmp_path, redis_url=redis_url).start().wait_ready()
    assert stack.run["redis_url"] == redis_url
    assert set(stack.pids()) == set(SERVICES)
    assert stack.end() == 0
    with redis.Redis.from_url(redis_url) as client:
        assert client.xlen("replay:ticks:BTCUSDT") > 0


def test_a_redis_that_is_not_there(tmp_path: Path) -> None:
    done = RunningStack(tmp_path, redis_url=f"redis://127.0.0.1:{free_port()}/0").verb("up")
    assert done.returncode == 1
    assert "Redis" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
