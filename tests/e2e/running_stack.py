"""`pairstream up` as a process on free ports, in a directory of its own."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from shared.settings import PREFIX
from tests.recording import ROOT
from tests.waiting import wait_until_sync

SERVICES = ("ingestor", "sampler", "analytics", "alerter", "ui")


class RunningStack:
    """The supervisor's process, what it has printed, and what runs under it."""

    def __init__(self, directory: Path, **settings: str | int | float) -> None:
        self.directory = directory
        self.state = directory / ".pairstream"
        self.output = directory / "output.txt"
        self.env = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
        ports = {f"{name}_port": 0 for name in SERVICES}
        chosen = {"source": "replay"} | ports | settings
        self.env |= {"PYTHONPATH": str(ROOT)} | {f"{PREFIX}{name.upper()}": str(value) for name, value in chosen.items()}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> "RunningStack":
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "shared.cli", "up"],
                cwd=self.directory,
                env=self.env,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
            )
        return self

    @property
    def text(self) -> str:
        return self.output.read_text(encoding="utf-8")

    @property
    def run(self) -> dict[str, Any]:
        """What ``run.json`` says."""
        found: dict[str, Any] = json.loads((self.state / "run.json").read_text(encoding="utf-8"))
        return found

    def pids(self) -> dict[str, int]:
        """Name → process id of Redis and the services that run now."""
        run = self.run
        found = {name: service["pid"] for name, service in run["services"].items()} | {"redis": run["redis_pid"]}
        return {name: pid for name, pid in found.items() if pid}

    def state_of(self, service: str) -> str:
        """What the newest status line says of a service, such as ``ready``."""
        found = re.findall(rf"^{service} +(\w+) +:\d+", self.text, re.MULTILINE)
        return str(found[-1]) if found else ""

    def wait_ready(self, deadline_s: float = 60) -> "RunningStack":
        def ready() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, f"it ended:\n{self.text}"
            return all(self.state_of(name) == "ready" for name in SERVICES)

        wait_until_sync(ready, deadline_s, f"all services are ready:\n{self.text}")
        return self

    def verb(self, *arguments: str, timeout_s: float = 60) -> "subprocess.CompletedProcess[str]":
        """Another `pairstream` in the same directory, to its end."""
        return subprocess.run(
            [sys.executable, "-m", "shared.cli", *arguments],
            cwd=self.directory,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def end(self, number: signal.Signals = signal.SIGTERM, deadline_s: float = 10) -> int:
        """Send a signal and wait for the end; answers the exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(deadline_s)

    def left_over(self) -> list[str]:
        """Command lines of processes that run in this directory, whoever started them."""
        listed = subprocess.run(["ps", "-ww", "-eo", "pid=,stat=,command="], capture_output=True, text=True, check=True).stdout
        found = []
        for line in listed.splitlines():
            pid, state, command = line.split(None, 2)
            try:
                directory = Path(f"/proc/{pid}/cwd").readlink()
            except OSError:
                continue
            if directory.is_relative_to(self.directory) and not state.startswith("Z"):
                found.append(f"{pid} {command}")
        return found
