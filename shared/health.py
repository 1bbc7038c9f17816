"""Whether a service is ready, why not, and its figures."""

from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector


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
