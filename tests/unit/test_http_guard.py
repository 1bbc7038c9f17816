"""What the services' HTTP refuses: bodies without end, foreign web pages, hosts of other names."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from shared.health import Health
from shared.http_app import http_app
from shared.http_guard import OriginGuard


def application(host: str = "127.0.0.1") -> OriginGuard:
    app = http_app(Health("sampler"), "A service.", uploads=("/ticks",))

    @app.post("/things")
    async def things(body: dict[str, Any]) -> int:
        return len(body)

    @app.post("/ticks")
    async def ticks(body: dict[str, Any]) -> int:
        return len(body["text"])

    return OriginGuard(app, host)


def client(host: str = "127.0.0.1", at: str = "127.0.0.1:8003") -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(application(host)), base_url=f"http://{at}")


async def streamed(count: int, sent: list[int] | None = None) -> AsyncIterator[bytes]:
    yield b'{"text": "'
    for _ in range(count):
        if sent is not None:
            sent.append(100_000)
        yield b"x" * 100_000
    yield b'"}'


@pytest.mark.parametrize("path", ["/things", "/healthz", "/nowhere"])
async def test_a_declared_body_of_more_than_a_megabyte_is_refused_unread(path: str) -> None:
    async with client() as http:
        answer = await http.post(path, content=b"x" * 1_000_001)
    assert (answer.status_code, answer.json()) == (413, {"detail": "the body is longer than 1000000 bytes"})


async def test_a_streamed_body_is_refused_as_soon_as_it_is_too_long() -> None:
    sent: list[int] = []
    async with client() as http:
        http.headers["Content-Type"] = "application/json"
        answer = await http.post("/things", content=streamed(1000, sent))
        assert (answer.status_code, answer.json()) == (413, {"detail": "the body is longer than 1000000 bytes"})
        assert sum(sent) <= 1_100_000
        assert (await http.post("/things", content=streamed(9))).json() == 1
        assert (await http.post("/ticks", content=streamed(30))).json() == 3_000_000, "uploads have no limit"


@pytest.mark.parametrize(
    ("origin", "at", "status"),
    [
        (None, "127.0.0.1:8003", 200),
        ("http://127.0.0.1:8003", "127.0.0.1:8003", 200),
        ("http://localhost:8003", "localhost:8003", 200),
        ("http://LOCALHOST:8003", "localhost:8003", 200),
        ("http://localhost:8003", "127.0.0.1:8003", 403),
        ("http://127.0.0.1:5006", "127.0.0.1:8003", 403),
        ("https://example.org", "127.0.0.1:8003", 403),
        ("null", "127.0.0.1:8003", 403),
        ("", "127.0.0.1:8003", 403),
        ("http://[bad", "127.0.0.1:8003", 403),
    ],
)
async def test_a_foreign_page_is_refused(origin: str | None, at: str, status: int) -> None:
    async with client(at=at) as http:
        answer = await http.post("/things", json={}, headers={} if origin is None else {"Origin": origin})
    assert answer.status_code == status
    assert status == 200 or "may not ask this service" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("bound", "host", "status"),
    [
        ("127.0.0.1", "127.0.0.1:8003", 200),
        ("127.0.0.1", "localhost:8003", 200),
        ("127.0.0.1", "localhost.:8003", 200),
        ("127.0.0.1", "127.0.1.1", 200),
        ("127.0.0.1", "[::1]:8003", 200),
        ("::1", "[::1]:8003", 200),
        ("localhost", "localhost:8003", 200),
        ("127.0.0.1", "rebound.example.org:8003", 403),
        ("127.0.0.1", "127.0.0.1.example.org:8003", 403),
        ("127.0.0.1", "[bad", 403),
        ("0.0.0.0", "analytics:8003", 200),
        ("0.0.0.0", "server.example.org:8003", 200),
        ("10.0.0.7", "server.example.org", 200),
    ],
)
async def test_on_a_loopback_address_only_its_own_names_are_answered(bound: str, host: str, status: int) -> None:
    async with client(bound) as http:
        assert (await http.get("/healthz", headers={"Host": host})).status_code == status
        # a name that was rebound to this machine is of one origin with its page
        page = await http.post("/things", json={}, headers={"Host": host, "Origin": f"http://{host}"})
        assert page.status_code == status
