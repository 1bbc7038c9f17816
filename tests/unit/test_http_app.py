"""The application that the services start from: its page of documentation."""

import re

import httpx

from shared.health import Health
from shared.http_app import http_app


async def test_the_docs_need_no_other_host() -> None:
    transport = httpx.ASGITransport(http_app(Health("sampler"), "Turns ticks into bars."))
    async with httpx.AsyncClient(transport=transport, base_url="http://sampler") as client:
        page = await client.get("/docs")
        assert page.status_code == 200
        assert not re.search(r"(?:https?:)?//[\w.-]+\.\w", page.text), "no other host is named"
        files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        assert len(files) == 3, "script, style and icon"
        for file in files:
            assert (await client.get(file)).status_code == 200, file
        found = re.search(r"url: '([^']+)'", page.text)
        assert found
        assert "/readyz" in (await client.get(found[1])).json()["paths"]
        assert (await client.get("/redoc")).status_code == 404
