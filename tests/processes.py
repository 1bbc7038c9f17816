"""The services as real processes: start, kill -9, freeze, and read their logs."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from shared.settings import PREFIX
from tests.recording import ROOT
from tests.redis_servers import free_port
from tests.waiting import wait_until_sync


class ServiceProcess:
    """``python -m services.NAME`` with the given settings, on a free port of its own."""

    def __init__(self, name: str, directory: Path, **settings: str | int | float) -> None:
        self.name = name
        self.port = free_port()
        self.log = directory / f"{name}.log"
        self._directory = directory
        self._env = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
        self._env |= {"PYTHONPATH": str(ROOT), f"{PREFIX}{name.upper()}_PORT": str(self.port)}
        self._env |= {f"{PREFIX}{key.upper()}": str(value) for key, value in settings.items()}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "ServiceProcess":
        """Start it, in a directory without a ``.env``; it need not be up yet."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"services.{self.name}"], env=self._env, cwd=self._directory, stdout=log, stderr=log
            )
        return self

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=10)

    def wait_ready(self, deadline_s: float = 30) -> "ServiceProcess":
        def ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"{self.name} ended:\n{self.log.read_text()[-3000:]}"
            try:
                return self.get("/readyz").status_code == 200
            except httpx.TransportError:
                return False

        wait_until_sync(ready, deadline_s, f"{self.name} is ready")
        return self

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """kill -9, and wait for the end."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM, and the exit status; more than 10 s is a failure."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(number)
        self.process.send_signal(signal.SIGCONT)
        try:
            return self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process = None
