"""Whether a service is ready, why not, and its figures; served at ``/healthz``, ``/readyz`` and ``/metrics``."""

from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from shared import __version__


class Health:
    """Reasons for not being ready, by part, and the registry of the service's metrics."""

    def __init__(self, service: str) -> None:
        self.service = service
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._reasons: dict[str, str] = {}

    def unready(self, part: str, reason: str) -> None:
        """The part does not work, for this reason in plain words."""
        self._reasons[part] = reason

    def ready(self, part: str) -> None:
        """The part works."""
        self._reasons.pop(part, None)

    @property
    def reasons(self) -> dict[str, str]:
        return dict(self._reasons)

    def counter(self, name: str, description: str, labels: tuple[str, ...] = ()) -> Counter:
        """A counter ``pairstream_<name>_total``."""
        return Counter(f"pairstream_{name}", description, labels, registry=self.registry)

    def gauge(self, name: str, description: str, labels: tuple[str, ...] = ()) -> Gauge:
        return Gauge(f"pairstream_{name}", description, labels, registry=self.registry)

    def histogram(self, name: str, description: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"pairstream_{name}", description, registry=self.registry, buckets=buckets)

    def report(self) -> dict[str, Any]:
        """The body of ``/readyz``."""
        return {"service": self.service, "ready": not self._reasons, "reasons": self.reasons}

    def exposition(self) -> tuple[bytes, str]:
        """The body of ``/metrics`` and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST


def health_app(health: Health, description: str) -> FastAPI:
    """The HTTP application of a service, so far with its three health routes."""
    app = FastAPI(title=f"Pairstream {health.service}", version=__version__, description=description)

    @app.get("/healthz", tags=["health"], summary="The process answers")
    async def healthz() -> dict[str, str]:
        return {"service": health.service, "status": "alive", "version": __version__}

    @app.get("/readyz", tags=["health"], summary="The service does its work; 503 with the reasons if not")
    async def readyz() -> JSONResponse:
        return JSONResponse(health.report(), status_code=503 if health.reasons else 200)

    @app.get("/metrics", tags=["health"], summary="Figures in Prometheus' text format")
    async def metrics() -> Response:
        body, content_type = health.exposition()
        return Response(body, media_type=content_type)

    return app
