"""What an alert gets on its way out of the engine: the wall time of its publication, and its place in the metrics."""

from collections.abc import Callable, Mapping, Sequence

from services.alerter.engine import AlertEngine
from shared.health import Health
from shared.messages import Alert, PairStats, StepInput
from shared.step import Output
from shared.topics import Channel


class Metrics:
    """The alerter's own figures, beside those of the loop."""

    def __init__(self, health: Health) -> None:
        self.alerts = health.counter("alerts", "Alerts raised", ("rule", "state"))
        self.rows = health.counter("rows_evaluated", "Rows of pair statistics judged by the rules")


class StampedEngine:
    """The engine with the clock added. `Alert.at_ms` is the one field outside the promise of determinism: it is
    filled here, so that the engine itself reads no clock and answers the same to the same rows."""

    def __init__(self, engine: AlertEngine, metrics: Metrics, now_ms: Callable[[], int]) -> None:
        self._engine = engine
        self._metrics = metrics
        self._now_ms = now_ms

    def restore(self, checkpoints: Mapping[str, str]) -> None:
        self._engine.restore(checkpoints)

    def wants(self) -> Mapping[Channel, str]:
        return self._engine.wants()

    def on_messages(self, batch: Sequence[StepInput]) -> Output:
        output = self._engine.on_messages(batch)
        self._metrics.rows.inc(sum(isinstance(message, PairStats) for message in batch))
        return output._replace(messages=[self._stamped(alert) for alert in output.messages if isinstance(alert, Alert)])

    def _stamped(self, alert: Alert) -> Alert:
        self._metrics.alerts.labels(alert.rule, alert.state).inc()
        return alert._replace(at_ms=self._now_ms())

    def on_clock(self, now_ms: int) -> Output:
        return self._engine.on_clock(now_ms)
