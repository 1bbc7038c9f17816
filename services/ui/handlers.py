"""The Tornado handlers beside the page: health, downloads, our own static files, and what every response carries."""

import gzip
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.iostream import StreamClosedError
from tornado.web import OutputTransform, RequestHandler, StaticFileHandler

from services.ui.commands import Analytics
from shared import __version__
from shared.health import Health

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        # Bokeh's callbacks need eval, Panel's modules are blobs
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' blob: {websocket}",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)


class SecurityHeaders(OutputTransform):
    """Adds the security headers to every response, Bokeh's and Panel's included."""

    def __init__(self, request: HTTPServerRequest) -> None:
        super().__init__(request)
        host = request.host if all(c.isalnum() or c in ".:-[]_" for c in request.host) else ""
        scheme = "wss" if request.protocol == "https" else "ws"
        self._policy = CONTENT_SECURITY_POLICY.format(websocket=f"{scheme}://{host}" if host else "")

    def transform_first_chunk(
        self, status_code: int, headers: HTTPHeaders, chunk: bytes, finishing: bool
    ) -> tuple[int, HTTPHeaders, bytes]:
        headers["Content-Security-Policy"] = self._policy
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "no-referrer"
        headers["Server"] = "Pairstream"
        return status_code, headers, chunk


@lru_cache(maxsize=256)
def _compressed(path: str, _modified_ns: int) -> bytes:
    return gzip.compress(Path(path).read_bytes(), 6)


class CompressedFiles(StaticFileHandler):
    """Static files, gzipped once a process: the page's scripts are three times smaller that way."""

    _KINDS = (".js", ".css", ".svg", ".json", ".html", ".map")

    async def get(self, path: str, include_body: bool = True) -> None:
        accepts = "gzip" in self.request.headers.get("Accept-Encoding", "")
        if not accepts or not path.endswith(self._KINDS) or "Range" in self.request.headers:
            await super().get(path, include_body)
            return
        self.path = self.parse_url_path(path)
        absolute = self.validate_absolute_path(self.root, self.get_absolute_path(self.root, self.path))
        if absolute is None:
            return
        self.absolute_path = absolute
        self.modified = self.get_modified_time()
        self.set_headers()
        self.set_header("Vary", "Accept-Encoding")
        if self.should_return_304():
            self.set_status(304)
            return
        body = _compressed(absolute, Path(absolute).stat().st_mtime_ns)
        self.set_header("Content-Encoding", "gzip")
        self.set_header("Content-Length", len(body))
        if include_body:
            self.write(body)
        await self.flush()

    def set_extra_headers(self, path: str) -> None:
        self.set_header("Cache-Control", "public, max-age=86400" if "v" in self.request.arguments else "no-cache")


class HealthHandler(RequestHandler):
    """``/healthz``, ``/readyz`` and ``/metrics``."""

    def initialize(self, health: Health) -> None:
        self._health = health

    async def get(self, route: str) -> None:
        self.set_header("Cache-Control", "no-store")
        if route == "metrics":
            body, content_type = self._health.exposition()
            self.set_header("Content-Type", content_type)
            self.write(body)
        elif route == "readyz":
            self.set_status(503 if self._health.reasons else 200)
            self.write(self._health.report())
        else:
            self.write({"service": self._health.service, "status": "alive", "version": __version__})


_EXPORTS = ("ticks/", "bars/", "pairs/")


class ExportHandler(RequestHandler):
    """``/export/…``: the analytics' downloads, passed on as they come, so that the browser knows one origin only."""

    def initialize(self, analytics: Analytics) -> None:
        self._analytics = analytics

    async def get(self, path: str) -> None:
        if not path.startswith(_EXPORTS) or not path.isprintable() or not {".", ".."}.isdisjoint(path.split("/")) or "?" in path:
            self.set_status(404)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(f"There is no such export. There are {', '.join(f'/export/{kind}…' for kind in _EXPORTS)}\n")
            return
        try:
            url = httpx.URL(self._analytics.url).copy_with(path=f"/export/{path}", query=self.request.query.encode() or None)
            async with self._analytics.client.stream("GET", url, timeout=httpx.Timeout(30.0, read=60.0)) as answer:
                self.set_status(answer.status_code)
                for name in ("Content-Type", "Content-Disposition"):
                    if name in answer.headers:
                        self.set_header(name, answer.headers[name])
                async for chunk in answer.aiter_bytes(1 << 16):
                    self.write(chunk)
                    await self.flush()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if self._headers_written:
                # the browser must see a broken download, not a short file
                self.request.connection.close()  # type: ignore[union-attr]
                return
            self.set_status(502)
            self.set_header("Content-Type", "text/plain; charset=utf-8")
            self.finish(f"The analytics service does not answer ({type(error).__name__}). Try again when it is back.\n")
        except StreamClosedError:
            return


def routes(health: Health, analytics: Analytics, static: dict[str, Path]) -> list[tuple[Any, ...]]:
    """Tornado's patterns for everything but the page itself. `static`: path prefix → folder."""
    return [
        (r"/(healthz|readyz|metrics)", HealthHandler, {"health": health}),
        (r"/export/(.+)", ExportHandler, {"analytics": analytics}),
        *((rf"{prefix}(.*)", CompressedFiles, {"path": str(folder)}) for prefix, folder in static.items()),
    ]
