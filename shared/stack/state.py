"""The directory ``.pairstream``: what a running stack is and where, so that others on this machine find it."""

import fcntl
import os
import secrets
from pathlib import Path
from typing import IO, Any

import orjson
from pydantic import BaseModel, ValidationError

import shared
from shared.settings import Settings

DIRECTORY = ".pairstream"


class ServiceRun(BaseModel):
    """One service of a running stack."""

    port: int
    pid: int | None = None


class Run(BaseModel):
    """A running stack, as ``run.json`` says."""

    version: str
    supervisor_pid: int
    started_ms: int
    redis_url: str
    redis_pid: int | None = None
    """``None`` for a Redis that the supervisor did not start."""
    ui_url: str
    services: dict[str, ServiceRun]


class StateDirectory:
    """Files of one stack: lock, password, ``run.json``, logs, Redis' data. Only the owner may read them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs = path / "logs"
        self.redis = path / "redis"
        self._lock: IO[Any] | None = None

    def create(self) -> None:
        for directory in (self.path, self.logs, self.redis):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def acquire(self) -> bool:
        """Take the directory for this process until `release` or its end; answers ``False`` if another has it."""
        lock = (self.path / "lock").open("a")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            return False
        self._lock = lock
        return True

    def release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def in_use(self) -> bool:
        """Whether a supervisor holds the directory."""
        try:
            with (self.path / "lock").open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def password(self) -> str:
        """The password of the embedded Redis, made at the first start."""
        path = self.path / "redis-password"
        if not path.exists():
            write_private(path, secrets.token_urlsafe(24))
        return path.read_text(encoding="utf-8").strip()

    def write_run(self, run: Run) -> None:
        write_private(self.path / "run.json", orjson.dumps(run.model_dump(), option=orjson.OPT_INDENT_2).decode() + "\n")

    def drop_run(self) -> None:
        (self.path / "run.json").unlink(missing_ok=True)

    def read_run(self) -> Run | None:
        """What was written last, by a stack that may be dead; ``None`` without a readable one."""
        try:
            return Run.model_validate_json((self.path / "run.json").read_bytes())
        except (OSError, ValidationError):
            return None


def write_private(path: Path, text: str) -> None:
    """Replace a file as a whole; only its owner may read it."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)


def running_stack(*, here: bool = False) -> Run | None:
    """The stack that runs in this directory or in one above it, else, unless `here`, in the checkout of this code."""
    cwd = Path.cwd()
    for place in (cwd, *cwd.parents) if here else (cwd, *cwd.parents, Path(shared.__file__).parents[1]):
        state = StateDirectory(place / DIRECTORY)
        if state.in_use():
            return state.read_run()
    return None


def ended_stack() -> Path | None:
    """``run.json`` in this directory or in one above it that no running stack stands behind: its supervisor was killed."""
    cwd = Path.cwd()
    for place in (cwd, *cwd.parents):
        run = place / DIRECTORY / "run.json"
        if run.exists():
            return None if StateDirectory(place / DIRECTORY).in_use() else run
    return None


def redis_url(settings: Settings) -> str:
    """The Redis of the running stack, else that of the settings.

    A stack elsewhere than here counts less than a setting that was made on purpose.
    """
    run = running_stack(here="redis_url" in settings.model_fields_set)
    return run.redis_url if run else settings.redis_url
