"""The UI's server without a browser: health, headers, who may open a WebSocket, static files, and following the source."""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from shared.topics import Keyspace
from tests.builders import START_MS, add, bar
from tests.processes import ServiceProcess
from tests.waiting import wait_until_sync

SOURCE = "pairstream:source"


@pytest.fixture
def ui(redis_url: str, tmp_path: Path) -> Iterator[ServiceProcess]:
    """The UI alone; the analytics is not there."""
    service = ServiceProcess("ui", tmp_path, redis_url=redis_url, analytics_port=9, ui_sessions=2)
    service.start()
    yield service
    service.stop()


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(redis_url, decode_responses=True)
    yield client
    client.close()


def say_source(client: redis.Redis, source: str, namespace: str) -> None:
    client.hset(SOURCE, mapping={"source": source, "reason": "", "namespace": namespace, "started_ms": 1})


def wait_alive(ui: ServiceProcess) -> None:
    def alive() -> bool:
        try:
            return ui.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False

    wait_until_sync(alive, 30, "the UI answers")


def test_ready_only_when_the_source_is_known_and_read(ui: ServiceProcess, client: redis.Redis) -> None:
    wait_alive(ui)
    wait_until_sync(lambda: "source" in ui.get("/readyz").json()["reasons"], 10, "it waits for the source")
    assert ui.get("/readyz").status_code == 503
    say_source(client, "simulator", "simulator")
    ui.wait_ready()
    assert ui.get("/readyz").json() == {"service": "ui", "ready": True, "reasons": {}}
    assert ui.get("/healthz").json()["status"] == "alive"
    metrics = ui.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "pairstream_ui_sessions 0.0" in metrics.text


def test_every_answer_carries_the_security_headers_and_names_no_other_host(ui: ServiceProcess) -> None:
    wait_alive(ui)
    page = ui.get("/")
    for answer in (page, ui.get("/assets/desk.css"), ui.get("/healthz"), ui.get("/nothing"), ui.get("/export/ticks/X")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert f"connect-src 'self' blob: ws://127.0.0.1:{ui.port};" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert re.findall(r"""(?:src|href)\s*=\s*["'](?:https?:)?//[^"']+""", page.text) == []


def test_what_the_page_loads_is_compressed_and_small(ui: ServiceProcess) -> None:
    """Three megabytes for a first visit, everything from this server."""
    wait_alive(ui)
    files = re.findall(r"""<(?:script|link)[^>]+(?:src|href)="([^"]+\.(?:js|css)[^"]*)\"""", ui.get("/").text)
    assert any("plotly" in file for file in files)
    total = 0
    for file in files:
        with httpx.stream("GET", f"http://127.0.0.1:{ui.port}/{file}", headers={"Accept-Encoding": "gzip"}) as answer:
            assert answer.status_code == 200, file
            assert answer.headers["content-encoding"] == "gzip"
            raw = b"".join(answer.iter_raw())
        total += len(raw)
        assert gzip.decompress(raw)
    assert total < 3_000_000


@pytest.mark.parametrize(("origin", "status"), [("http://evil.example", 403), ("null", 403), ("http://localhost:{port}", 101)])
def test_foreign_pages_may_not_open_the_socket(ui: ServiceProcess, origin: str, status: int) -> None:
    wait_alive(ui)
    found = re.search(r'"token":"([^"]+)"', ui.get("/").text)
    assert found
    address = f"ws://127.0.0.1:{ui.port}/ws"
    options = {"origin": origin.format(port=ui.port), "subprotocols": ["bokeh", found[1]]}
    if status == 101:
        with connect(address, **options) as socket:  # type: ignore[arg-type]
            assert "ACK" in str(socket.recv(10)) + str(socket.recv(10)) + str(socket.recv(10))
        return
    with pytest.raises(InvalidStatus) as refused:
        connect(address, **options)  # type: ignore[arg-type]
    assert refused.value.response.status_code == status


def test_downloads_say_when_the_analytics_is_away(ui: ServiceProcess) -> None:
    wait_alive(ui)
    answer = ui.get("/export/pairs/1s/ETHUSDT~BTCUSDT")
    assert answer.status_code == 502
    assert "does not answer" in answer.text


def test_export_and_assets_reach_nothing_else(ui: ServiceProcess) -> None:
    wait_alive(ui)
    wanted = {
        "/export/%2e%2e/pairs": 404,
        "/export/..%2f..%2fmetrics": 404,
        "/export/bars/%2e%2e/%2e%2e/metrics": 404,
        "/export//": 404,
        "/export/ticks/X%3fa": 404,
        "/export/ticks/%0d%0aX": 404,
        "/export/ticks/%00": 404,
        "/export/ticks/BTCUSDT": 502,  # a download, and the analytics is away
        "/assets/%2e%2e/settings.py": 403,
    }
    url = httpx.URL(f"http://127.0.0.1:{ui.port}")
    with httpx.Client() as plain:
        answers = {path: plain.send(httpx.Request("GET", url.copy_with(raw_path=path.encode()))).status_code for path in wanted}
    assert answers == wanted


def test_change_of_source_is_followed(ui: ServiceProcess, client: redis.Redis) -> None:
    """What is read after the change comes from the new namespace."""
    say_source(client, "replay", "replay")
    ui.wait_ready()
    say_source(client, "simulator", "simulator")
    add(client, Keyspace("simulator"), bar("ETHUSDT", START_MS, "100.00"))

    def moved() -> bool:
        lines = [json.loads(line) for line in ui.log.read_text().splitlines() if line.startswith("{")]
        return [line["namespace"] for line in lines if line["event"] == "following"] == ["replay", "simulator"]

    wait_until_sync(moved, 20, "the UI follows the simulator")
    ui.wait_ready()


def test_a_wrong_setting_stops_the_start(redis_url: str, tmp_path: Path) -> None:
    service = ServiceProcess("ui", tmp_path, redis_url=redis_url, history_bars=5).start()
    assert service.process is not None
    assert service.process.wait(30) == 2
    assert "PAIRSTREAM_HISTORY_BARS=5" in service.log.read_text()
    service.process = None
