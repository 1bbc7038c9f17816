"""`docker compose up` from clean: six confined containers, and a page with charts."""

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from playwright.sync_api import sync_playwright

from shared.settings import PREFIX
from tests.e2e.running_stack import SERVICES
from tests.recording import ROOT
from tests.redis_servers import free_port
from tests.waiting import wait_until_sync

pytestmark = [pytest.mark.docker, pytest.mark.long, pytest.mark.timeout(1200)]

PASSWORD = "a-password-of-the-test"


class Compose:
    """The project's compose file under a project name and on ports of the test's own."""

    def __init__(self, docker: str) -> None:
        self.ports = {name: free_port() for name in (*SERVICES, "redis")}
        self.env = {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}
        self.env |= {f"{PREFIX}{name.upper()}_PORT": str(port) for name, port in self.ports.items()}
        self.env |= {f"{PREFIX}SOURCE": "replay", f"{PREFIX}REDIS_PASSWORD": PASSWORD}
        # The developer's own .env stays outside.
        self.command = [docker, "compose", "--project-name", f"pairstream-test-{os.getpid()}", "--env-file", os.devnull]

    def __call__(self, *arguments: str, check: bool = True, timeout_s: float = 120) -> str:
        done = subprocess.run(
            [*self.command, *arguments], cwd=ROOT, env=self.env, capture_output=True, text=True, timeout=timeout_s, check=False
        )
        assert not check or done.returncode == 0, f"{arguments}:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    def containers(self) -> dict[str, dict[str, Any]]:
        """Service → what docker says of its container."""
        ids = self("ps", "--quiet").split()
        inspected = subprocess.run([self.command[0], "inspect", *ids], capture_output=True, text=True, check=True).stdout
        return {found["Config"]["Labels"]["com.docker.compose.service"]: found for found in json.loads(inspected)}


@pytest.fixture(scope="module")
def compose(docker: str) -> Iterator[Compose]:
    compose = Compose(docker)
    try:
        compose("build", timeout_s=900)
        compose("up", "--detach", "--wait", "--wait-timeout", "240", timeout_s=300)
        yield compose
    finally:
        compose("down", "--volumes", "--timeout", "10", check=False)


def test_every_container_is_healthy_and_confined(compose: Compose) -> None:
    containers = compose.containers()
    assert set(containers) == {*SERVICES, "redis"}
    for name, found in containers.items():
        host = found["HostConfig"]
        assert found["State"]["Health"]["Status"] == "healthy", name
        assert host["ReadonlyRootfs"], name
        assert host["CapDrop"] == ["ALL"], name
        assert not host["CapAdd"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert not host["Privileged"], name
        assert found["Config"]["User"] not in ("", "root", "0"), name
        addresses = {binding["HostIp"] for bindings in host["PortBindings"].values() for binding in bindings}
        assert addresses == {"127.0.0.1"}, name
        assert host["LogConfig"]["Config"]["max-size"], name
        assert host["RestartPolicy"]["Name"] == "unless-stopped", name
    assert len({found["Image"] for name, found in containers.items() if name != "redis"}) == 1


def test_nothing_can_be_written_and_nobody_is_root(compose: Compose) -> None:
    for name in SERVICES:
        script = "import os, pathlib; assert os.getuid() != 0; pathlib.Path('/app/x').write_text('')"
        assert "Read-only file system" in compose("exec", "-T", name, "sh", "-c", f'python -c "{script}" 2>&1 || true')


def test_only_the_ingestor_has_a_way_out(compose: Compose) -> None:
    containers = compose.containers()
    project = containers["ui"]["Config"]["Labels"]["com.docker.compose.project"]
    networks = {name: set(found["NetworkSettings"]["Networks"]) for name, found in containers.items()}
    assert networks.pop("ingestor") == {f"{project}_stack", f"{project}_exchange"}
    assert all(found == {f"{project}_stack"} for found in networks.values())
    # Its default route goes through the network that has one: the gateway is that network's.
    gateway = containers["ingestor"]["NetworkSettings"]["Networks"][f"{project}_exchange"]["Gateway"]
    route = compose("exec", "-T", "ingestor", "cat", "/proc/net/route").splitlines()[1].split()
    assert route[1] == "00000000"
    assert ".".join(str(byte) for byte in reversed(bytes.fromhex(route[2]))) == gateway


def test_redis_keeps_its_data_behind_a_password(compose: Compose) -> None:
    with pytest.raises(redis.AuthenticationError):
        redis.Redis(port=compose.ports["redis"]).ping()
    with redis.Redis(port=compose.ports["redis"], password=PASSWORD, decode_responses=True) as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.hget("pairstream:source", "source") == "replay"
        key = "replay:pairs:1s:ETHUSDT~BTCUSDT"
        wait_until_sync(lambda: "zscore" in (client.xrevrange(key, count=1) or [("", {})])[0][1], 60, "a z-score")
        before = client.xrange("replay:ticks:BTCUSDT", count=1)
        compose("restart", "redis")

        def back() -> bool:
            try:
                return bool(client.xrange("replay:ticks:BTCUSDT", count=1) == before)
            except redis.RedisError:
                return False

        wait_until_sync(back, 60, "Redis is back with its data")
        newest = client.xrevrange("replay:ticks:BTCUSDT", count=1)[0][0]
        wait_until_sync(lambda: client.xrevrange("replay:ticks:BTCUSDT", count=1)[0][0] > newest, 60, "ticks go on")


@pytest.mark.browser
def test_the_page_has_charts(compose: Compose, chromium: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{compose.ports['ui']}/")
        page.wait_for_selector("#plot .main-svg", timeout=60_000)
        page.wait_for_function("document.getElementById('stat-zscore')?.dataset.exact", timeout=60_000)
        browser.close()
