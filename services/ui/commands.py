"""Commands to the analytics over HTTP: variants of a pair, and the tests on demand."""

import asyncio
from collections import Counter
from typing import Any

import httpx

from shared.errors import BadInput, Unavailable
from shared.log import Log
from shared.runtime import pause
from shared.symbols import Pair

RENEW_S = 300.0
"""A variant is dropped when nobody has asked for it for an hour."""

Variant = tuple[Pair, int]
"""Pair and window in bars."""


class Analytics:
    """The analytics' HTTP interface. Every method raises `Unavailable` or, for a refusal with its reason, `BadInput`."""

    def __init__(self, client: httpx.AsyncClient, url: str, log: Log) -> None:
        self.client = client
        self.url = url
        self._log = log
        self._shown: Counter[Variant] = Counter()

    async def variant(self, wanted: Variant) -> str:
        """Ask for a pair with a window of its own; answers its row in the table of pairs, such as Y~X@w600."""
        pair, window = wanted
        answer = await self._post("/pairs", json={"pair": str(pair), "window": window})
        return str(answer["name"])

    async def report(self, pair: Pair, interval: str, window: int) -> dict[str, Any]:
        """Run the tests now; the report as it is published."""
        return await self._post(f"/tests/{pair}", params={"interval": interval, "window": window})

    def show(self, variant: Variant) -> None:
        """Renew this variant for as long as somebody shows it; each `show` needs one `hide`."""
        self._shown[variant] += 1

    def hide(self, variant: Variant) -> None:
        self._shown[variant] -= 1
        if self._shown[variant] <= 0:
            del self._shown[variant]

    async def renew(self, stop: asyncio.Event) -> None:
        """Keep the shown variants alive until `stop`."""
        while not stop.is_set():
            await pause(stop, RENEW_S)
            for variant in tuple(self._shown):
                try:
                    await self.variant(variant)
                except (Unavailable, BadInput) as error:
                    self._log.warning("variant not renewed", variant=str(variant), detail=str(error))

    async def _post(self, path: str, **request: Any) -> dict[str, Any]:
        try:
            response = await self.client.post(self.url + path, **request)
            if response.is_success:
                body: dict[str, Any] = response.json()
                return body
            reason = _reason(response)
        except (httpx.HTTPError, ValueError) as error:
            raise Unavailable(f"the analytics service does not answer ({type(error).__name__})") from error
        if response.is_server_error:
            raise Unavailable(reason)
        raise BadInput(reason)


def _reason(response: httpx.Response) -> str:
    """What a refusal says, in plain words."""
    body = response.json() if response.headers.get("content-type", "").startswith("application/json") else {}
    detail = body.get("detail") if isinstance(body, dict) else None
    if isinstance(detail, list):  # FastAPI's list of mistakes in the request
        detail = "; ".join(str(mistake.get("msg")) for mistake in detail if isinstance(mistake, dict))
    return str(detail) if detail else f"the analytics service answered {response.status_code}"
