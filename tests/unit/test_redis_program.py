"""Which Redis server `pairstream up` would embed, and what is said where there is none."""

import importlib.util
import sys
from pathlib import Path

import pytest

from shared.errors import Unavailable
from shared.stack.redis_server import find_server


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory on PATH; there is no wheel with a server either."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    return tmp_path


def install(directory: Path, name: str, text: str) -> Path:
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def banner(version: str) -> str:
    return f"echo 'Redis server v={version} sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=0'"


def test_redis_on_path_comes_first(programs: Path) -> None:
    redis = install(programs, "redis-server", banner("7.0.15"))
    install(programs, "valkey-server", banner("8.1.0"))
    assert find_server() == (redis, "7.0.15")


def test_valkey_stands_in_for_an_old_redis(programs: Path) -> None:
    install(programs, "redis-server", banner("6.0.16"))
    valkey = install(programs, "valkey-server", "echo 'Valkey server v=8.1.0 sha=0:0 bits=64'")
    assert find_server() == (valkey, "8.1.0")


@pytest.mark.parametrize(
    ("text", "reason"),
    [(None, "on this machine: install"), (banner("5.0.14"), "is 5.0.14, too old"), ("exit 127", "redis-server does not run")],
    ids=["none", "old", "shim"],
)
def test_no_server_is_one_sentence_with_the_ways_to_mend_it(programs: Path, text: str | None, reason: str) -> None:
    if text is not None:
        install(programs, "redis-server", text)
    with pytest.raises(Unavailable) as caught:
        find_server()
    said = str(caught.value)
    assert reason in said
    for way in (
        "apt install redis-server",
        "brew install redis",
        "Python 3.11 or 3.12",
        "PAIRSTREAM_REDIS_URL",
        "docker compose up",
    ):
        assert way in said
    assert "\n" not in said


def test_the_environment_s_own_server_does_not_come_before_the_system_s(
    programs: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = install(programs, "redis-server", banner("7.0.15"))
    environment = tmp_path_factory.mktemp("environment")
    (environment / "bin").mkdir()
    install(environment / "bin", "redis-server", banner("6.2.14"))
    monkeypatch.setenv("PATH", f"{environment / 'bin'}:{programs}")
    monkeypatch.setenv("VIRTUAL_ENV", str(environment))  # activated
    assert find_server() == (system, "7.0.15")
    monkeypatch.delenv("VIRTUAL_ENV")  # not activated, but its bin directory was put on PATH
    monkeypatch.setattr(sys, "prefix", str(environment))
    assert find_server() == (system, "7.0.15")


def test_a_python_without_an_environment_leaves_path_as_it_is(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own bin directory is the system's."""
    (programs / "bin").mkdir()
    redis = install(programs / "bin", "redis-server", banner("7.0.15"))
    monkeypatch.setenv("PATH", str(programs / "bin"))
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.setattr(sys, "prefix", str(programs))
    monkeypatch.setattr(sys, "base_prefix", str(programs))
    assert find_server() == (redis, "7.0.15")


def test_data_of_a_newer_server_is_not_given_to_an_older_one(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    install(programs, "redis-server", banner("6.2.14"))
    data = tmp_path_factory.mktemp("data")
    assert find_server(data).version == "6.2.14"
    (data / "appendonlydir").mkdir()
    with pytest.raises(Unavailable) as caught:
        find_server(data)
    said = str(caught.value)
    assert said.startswith(f"The data in {data} was written by Redis 7.0 or newer, and there is no such server")
    for part in ("redis-server is 6.2.14, too old", "put one on PATH", f"move {data} away", "PAIRSTREAM_REDIS_URL"):
        assert part in said
    assert "\n" not in said
    valkey = install(programs, "valkey-server", "echo 'Valkey server v=8.1.0 sha=0:0 bits=64'")
    assert find_server(data) == (valkey, "8.1.0")
