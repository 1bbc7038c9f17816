"""Real Redis servers for the tests: a container, or a process of our own that a test may harm."""

import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path

import redis

from shared.stack.redis_server import ServerProgram
from tests.waiting import wait_until_sync

IMAGE = "redis:8.0-trixie"


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    """Whether a server answers PING there: it is up and has loaded its data."""
    client = redis.Redis.from_url(url, socket_timeout=2.0, socket_connect_timeout=2.0)
    with contextlib.suppress(redis.RedisError, OSError):
        return bool(client.ping())
    return False


class OwnRedis:
    """A server process on a free port, with its data in `dir`; a test may kill, stop, freeze and restart it.

    The port stays the same over restarts. With `append_only`, data survives them in ``dir`` (fsync every write with
    `fsync` ``always``).
    """

    def __init__(self, program: ServerProgram, directory: Path, *, append_only: bool = False, fsync: str = "everysec") -> None:
        self.program = program
        self.dir = directory
        self.append_only = append_only
        self.fsync = fsync
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def append_only_files(self) -> list[Path]:
        """The files of the append-only log, oldest first; where and how many depends on the server's version."""
        return sorted([*self.dir.glob("appendonly.aof"), *self.dir.glob("appendonlydir/*.aof")])

    def start(self, *options: str) -> None:
        """Start it and wait until it answers. `options` are added to the command line."""
        assert self.process is None, "it is running"
        command = [str(self.program.path), "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(self.dir), "--save", ""]
        command += ["--appendonly", "yes" if self.append_only else "no", "--appendfsync", self.fsync, *options]
        with (self.dir / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        process = self.process

        def up() -> bool:
            assert process.poll() is None, f"it ended: {(self.dir / 'redis.log').read_text()[-2000:]}"
            return answers(self.url)

        wait_until_sync(up, 20, "Redis answers")

    def stop(self) -> None:
        """Stop it in good order: data is written out."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """SIGSTOP: it keeps its connections and answers nothing."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGCONT)

    def restart(self) -> None:
        self.stop()
        self.start()

    def _end(self, number: int) -> None:
        if self.process is None:
            return
        process, self.process = self.process, None
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
