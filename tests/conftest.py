"""Fixtures of all tests: a real Redis, a Chromium, a Docker engine.

Redis is a container (testcontainers) where a Docker engine runs, else a server process of our own; the tests are the
same either way. ``PAIRSTREAM_TEST_REDIS=container`` or ``server`` decides instead.
``PAIRSTREAM_REQUIRE=docker,browser`` makes failures of the skips for want of either.
"""

import importlib.util
import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NoReturn

import hypothesis
import pytest
import redis

from shared.errors import Unavailable
from shared.settings import PREFIX
from shared.stack.redis_server import find_server
from tests.redis_servers import IMAGE, OwnRedis, answers, free_port
from tests.waiting import wait_until, wait_until_sync

__all__ = ["free_port", "wait_until", "wait_until_sync"]

# A busy machine is no failure: how long an example takes says nothing here.
hypothesis.settings.register_profile(
    "suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("suite")

_REQUIRED = {name.strip() for name in os.environ.get("PAIRSTREAM_REQUIRE", "").split(",") if name.strip()}
_WANTED_REDIS = os.environ.get("PAIRSTREAM_TEST_REDIS", "auto")
_server_in_use = pytest.StashKey[str]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the tests marked long as well")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes minutes; runs with --long (make test-all)"))


def pytest_report_header() -> list[str]:
    browser = _chromium()
    return [
        f"redis of the tests: {_redis_plan()}",
        f"docker engine: {'yes' if _docker_engine() else 'no'}; chromium: {browser or 'no'}; "
        f"required: {', '.join(sorted(_REQUIRED)) or 'nothing'}",
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if used := config.stash.get(_server_in_use, ""):
        terminalreporter.write_line(f"redis of the tests was: {used}")


@cache
def _docker_engine() -> bool:
    """Whether a Docker engine answers."""
    if shutil.which("docker") is None or importlib.util.find_spec("docker") is None:
        return False
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=10)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except (DockerException, OSError):
        return False


@cache
def _chromium() -> str | None:
    """Path of a Chromium: of the system, else playwright's own."""
    for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if found := shutil.which(name):
            return found
    own = sorted(Path.home().glob(".cache/ms-playwright/chromium-*/chrome-linux*/chrome"))
    return str(own[-1]) if own else None


def _redis_plan() -> str:
    if _WANTED_REDIS == "container" or (_WANTED_REDIS == "auto" and _docker_engine()):
        return f"testcontainers, {IMAGE}"
    try:
        return f"own server, {find_server()}"
    except Unavailable as error:
        return f"none: {error}"


def _missing(what: str, reason: str) -> NoReturn:
    if what in _REQUIRED:
        pytest.fail(f"{what} is required here: {reason}")
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The developer's own settings must not reach the tests; `.env` is kept out by each test's own directory or values."""
    for name in list(os.environ):
        if name.startswith(PREFIX) and name not in ("PAIRSTREAM_REQUIRE", "PAIRSTREAM_TEST_REDIS"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def _redis_of_session(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[str]:
    if _redis_plan().startswith("testcontainers"):
        from docker.errors import DockerException
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer

        # Its reaper is one more image from a registry; the container is removed below.
        testcontainers_config.ryuk_disabled = True
        container = DockerContainer(IMAGE).with_exposed_ports(6379).with_command("redis-server --save '' --appendonly no")
        try:
            container.start()
        except DockerException as error:
            if "docker" in _REQUIRED or _WANTED_REDIS == "container":
                raise
            pytestconfig.stash[_server_in_use] = f"own server, for the container did not start ({error})"
        else:
            try:
                url = f"redis://{container.get_container_host_ip()}:{container.get_exposed_port(6379)}/0"
                wait_until_sync(lambda: answers(url), 30, "Redis in the container answers")
                yield url
            finally:
                container.stop()
            return
    server = OwnRedis(find_server(), tmp_path_factory.mktemp("redis"))
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def redis_url(_redis_of_session: str) -> str:
    """URL of a real, empty Redis database that this test has to itself."""
    client = redis.Redis.from_url(_redis_of_session)
    client.flushall()
    client.script_flush()
    client.close()
    return _redis_of_session


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[OwnRedis]:
    """A Redis process of the test's own, running, with an append-only file: kill, stop, freeze and restart it at will."""
    directory = tmp_path / "redis"
    directory.mkdir()
    server = OwnRedis(find_server(), directory, append_only=True)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium."""
    found = _chromium()
    if found is None:
        _missing("browser", "no Chromium on this machine")
    return found


@pytest.fixture(scope="session")
def docker() -> str:
    """Path of the docker command; its engine answers."""
    if not _docker_engine():
        _missing("docker", "no Docker engine answers on this machine")
    return str(shutil.which("docker"))
