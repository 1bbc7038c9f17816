"""Requests that are no symbols are refused in plain words."""

import httpx
import pytest

from services.ingestor.api import Desk, ingestor_app
from shared.health import Health


@pytest.mark.parametrize("method", ["POST", "DELETE"])
@pytest.mark.parametrize(
    "body", [rb'{"symbols":["\ud800"]}', rb'{"symbols":["\ud800BTC"],"\ud800":1}', rb'"\ud800"', rb'{"symbols":[{"\ud800":1}]}']
)
async def test_lone_surrogates(method: str, body: bytes) -> None:
    app = ingestor_app(Health("ingestor"), Desk())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        answer = await http.request(method, "/symbols", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert isinstance(answer.json()["detail"], str)
