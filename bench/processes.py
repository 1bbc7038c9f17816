"""The processes under measurement: started with logs of their own, their CPU time read, all ended at the end."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from shared.settings import PREFIX

ROOT = Path(__file__).resolve().parent.parent


class Failed(Exception):
    """A process of the benchmark ended or answered nothing; the text says which and shows its last lines."""


def cpu_s(pid: int) -> float:
    """CPU time of a process so far, user and system, in seconds (steps of 10 ms)."""
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        # The name, in parentheses, may hold anything; after it come state and numbers: utime and stime are fields 14 and 15.
        columns = stat.read_text().rpartition(")")[2].split()
        return (int(columns[11]) + int(columns[12])) / os.sysconf("SC_CLK_TCK")
    text = subprocess.run(["ps", "-o", "time=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout
    seconds = 0.0
    for part in text.strip().replace("-", ":").split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


class Processes:
    """Named processes; leaving the block ends them, last started first."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> "Processes":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.close()

    def start(
        self, name: str, command: Sequence[str | Path], settings: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program in the directory of the run, without any of the caller's own settings but these."""
        env = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
        env |= {"PYTHONPATH": str(ROOT)} | {PREFIX + key: value for key, value in (settings or {}).items()}
        with self._log(name).open("ab") as log:
            process = subprocess.Popen(
                [str(part) for part in command],
                cwd=self.directory,
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if name == "exchange" else log,
                stderr=log,
                start_new_session=True,
            )
        self._running[name] = process
        self._stack.callback(_end, process)
        return process

    def python(
        self, name: str, module: str, *arguments: str, settings: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start ``python -m MODULE ARGUMENTS``."""
        return self.start(name, [sys.executable, "-m", module, *arguments], settings)

    def check(self) -> None:
        """Raises `Failed` if one has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise Failed(f"{name} ended with status {process.returncode}:\n{self._log(name).read_text()[-2000:]}")

    def cpu(self) -> dict[str, float]:
        """Name → CPU time so far, in seconds."""
        self.check()
        return {name: cpu_s(process.pid) for name, process in self._running.items()}

    def _log(self, name: str) -> Path:
        return self.directory / f"{name}.log"


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
