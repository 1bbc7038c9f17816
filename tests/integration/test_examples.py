"""The examples for outside consumers, run as their reader would run them, against a real Redis with real messages."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
import redis

from shared.bus import open_bus
from shared.messages import PairStats
from shared.stack.redis_server import find_server
from shared.topics import Keyspace
from tests.recording import ROOT
from tests.redis_servers import OwnRedis, free_port
from tests.waiting import wait_until

T0 = 1_700_000_040_000
FOLLOWERS = {"follow.py": [sys.executable], "follow.sh": ["sh"]}


@pytest.fixture(params=FOLLOWERS)
def follower(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """The command of an example, copied out of the project: it must need none of it."""
    name = str(request.param)
    if name == "follow.sh" and (missing := [program for program in ("sh", "redis-cli", "awk") if shutil.which(program) is None]):
        pytest.skip(f"{', '.join(missing)} not on this machine")
    return [*FOLLOWERS[name], str(shutil.copy(ROOT / "examples" / name, tmp_path))]


@contextmanager
def running(command: list[str], **environment: str) -> Iterator[list[str]]:
    """The lines it has printed so far."""
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PAIRSTREAM_REDIS_URL")}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env | environment, cwd=Path(command[1]).parent)
    lines: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=lambda out=process.stdout: lines.extend(line.rstrip("\n") for line in out))
    reader.start()
    try:
        yield lines
        assert process.poll() is None, "it must go on"
    finally:
        process.kill()
        process.wait()
        reader.join(10)
        process.stdout.close()


def stats(second: int, zscore: float | None, pair: str = "ETHUSDT~BTCUSDT") -> PairStats:
    number = 0.25
    return PairStats(
        "1s", pair, T0 + second * 1000, number, number, number, number, number, number, zscore, number, None,
        Decimal("3421.55"), Decimal("64100.10"), 300, 1.0, "ok" if zscore is not None else "warming_up", "log", "lagged",
    )  # fmt: skip


@pytest.mark.parametrize("namespace", ["", "replay"])
async def test_follower_prints_every_zscore_and_goes_on_from_its_offset(
    follower: list[str], redis_url: str, namespace: str
) -> None:
    zscores = [None, 0.5, -2.125, 3.0, -0.0000125]
    printed = ["warming_up", "0.5", "-2.125", "3", "-0.0000125"]
    async with open_bus(redis_url, Keyspace(namespace)) as bus:
        await bus.set_source("none", "")
        for second, zscore in enumerate(zscores):
            await bus.publish(stats(second, zscore))
        await bus.publish(stats(0, 9.0, "OTHER~BTCUSDT"))
        want = [f"{T0 + second * 1000} {text}" for second, text in enumerate(printed)]
        with running([*follower, redis_url, "pairs:1s:ETHUSDT~BTCUSDT", "0"]) as lines:
            await wait_until(lambda: len(lines) >= len(want), 15, "it has printed what was there")
            await bus.publish(stats(5, 1.5))
            await wait_until(lambda: len(lines) > len(want), 15, "it prints what comes")
        assert lines == [*want, f"{T0 + 5000} 1.5"]

        await bus.publish(stats(6, -1.25))
        with running([*follower, redis_url, "pairs:1s:ETHUSDT~BTCUSDT", f"{T0 + 4000}-0"]) as lines:
            await wait_until(lambda: len(lines) >= 2, 15, "it has gone on")
        assert lines == [f"{T0 + 5000} 1.5", f"{T0 + 6000} -1.25"], "nothing lost, nothing twice"


@pytest.fixture
def locked_url(tmp_path: Path) -> Iterator[str]:
    """A Redis with a password, its URL in the form that `pairstream up` prints: test_up looks at that."""
    directory = tmp_path / "redis"
    directory.mkdir()
    server = OwnRedis(find_server(), directory)
    server.start()
    with redis.Redis.from_url(server.url) as client:
        client.config_set("requirepass", "s3cret-_x")
    yield f"redis://default:s3cret-_x@127.0.0.1:{server.port}/0"
    server.kill()


async def test_follower_with_the_url_that_the_stack_prints(follower: list[str], locked_url: str) -> None:
    async with open_bus(locked_url, Keyspace()) as bus:
        await bus.publish(stats(0, 1.5))
    with running([*follower, locked_url, "pairs:1s:ETHUSDT~BTCUSDT", "0"]) as lines:
        await wait_until(lambda: lines, 15, "it prints")
    assert lines == [f"{T0} 1.5"]


def test_follower_without_the_right_url_says_so_in_a_line(follower: list[str], locked_url: str) -> None:
    password = locked_url.partition("@")[0] + "@"
    wrong = [locked_url.replace("s3cret", "guess"), locked_url.replace(password, "redis://")]
    for url in (*wrong, f"redis://127.0.0.1:{free_port()}/0", "somewhere"):
        done = subprocess.run([*follower, url], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 1
        assert done.stdout == ""
        assert done.stderr.startswith("Redis: ")
        assert done.stderr.endswith("Is the URL right, with its password? `pairstream topics` prints it\n")
        assert done.stderr.count("\n") == 1


async def test_follower_without_an_offset_prints_what_is_new(follower: list[str], redis_url: str) -> None:
    async with open_bus(redis_url, Keyspace()) as bus:
        await bus.publish(stats(0, 9.0))
        with running(follower, PAIRSTREAM_REDIS_URL=redis_url) as lines:
            second = 0

            async def new_one() -> bool:
                nonlocal second
                second += 1
                await bus.publish(stats(second, 1.5))
                return bool(lines)

            await wait_until(new_one, 15, "it prints")
        times = [int(line.split()[0]) for line in lines]
        assert times[0] > T0
        assert times == list(range(times[0], times[-1] + 1, 1000)), "from there on without a hole"


async def test_follower_reads_a_long_stream_to_its_end(redis_url: str, follower: list[str]) -> None:
    """More than one XREAD's worth."""
    async with open_bus(redis_url, Keyspace()) as bus:
        for second in range(2_500):
            await bus.publish(stats(second, second / 8))
        with running([*follower, redis_url, "pairs:1s:ETHUSDT~BTCUSDT", "0"]) as lines:
            await wait_until(lambda: len(lines) >= 2_500, 20, "it has printed all")
        assert [float(line.split()[1]) for line in lines] == [second / 8 for second in range(2_500)]
