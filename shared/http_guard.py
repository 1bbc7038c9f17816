"""What a service refuses before it looks at a request: bodies without end, and what foreign web pages send.

A browser lets any page send requests to services of this machine. Such a request says so in its ``Origin``; one that comes
by a name that was pointed to this machine afterwards (DNS rebinding) says so in its ``Host``. Programs send no ``Origin``.
"""

from ipaddress import ip_address
from socket import gethostname
from urllib.parse import urlsplit

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 1_000_000
_LOOPBACK_NAMES = ("localhost", "ip6-localhost", "localhost.localdomain")


class BodyLimit:
    """Answers 413 to a body of more than `max_bytes`, declared or sent, but for paths that begin with one of `uploads`."""

    def __init__(self, app: ASGIApp, uploads: tuple[str, ...] = (), max_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._uploads = uploads
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(self._uploads):
            await self._app(scope, receive, send)
            return
        words = f"the body is longer than {self._max_bytes} bytes"
        declared = Headers(scope=scope).get("content-length", "0")
        if declared.isdecimal() and int(declared) > self._max_bytes:
            await JSONResponse({"detail": words}, status_code=413)(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_bytes:
                raise HTTPException(413, words)  # inside the application, which answers it
            return message

        await self._app(scope, counted, send)


class OriginGuard:
    """Answers 403 to requests of foreign pages, and, on a loopback address, to those for a host of another name."""

    def __init__(self, app: ASGIApp, host: str) -> None:
        """`host`: the address that the service listens on."""
        self._app = app
        self._own_names = {host.lower(), gethostname().lower(), *_LOOPBACK_NAMES} if _is_loopback(host) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = self._reason_to_refuse(Headers(scope=scope)) if scope["type"] in ("http", "websocket") else ""
        if not reason:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await JSONResponse({"detail": reason}, status_code=403)(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008, "reason": reason})  # before the handshake: 403

    def _reason_to_refuse(self, headers: Headers) -> str:
        host, origin = headers.get("host", ""), headers.get("origin")
        if origin is not None and _place(origin.partition("//")[2]) != _place(host):
            return f"a page of {origin!r} may not ask this service; ask without an Origin header, or from this service's own page"
        if self._own_names is not None and host:
            name, _ = _place(host)
            if name not in self._own_names and not _is_loopback(name):
                return f"this service is not {host!r}; ask it as localhost, or set PAIRSTREAM_HOST"
        return ""


def _place(host: str) -> tuple[str, int | None]:
    """Name and port of a ``Host`` header or of an origin behind its ``//``; no name if it cannot be read."""
    try:
        parts = urlsplit(f"//{host}")
        return (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return "", None


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name.lower() in _LOOPBACK_NAMES
