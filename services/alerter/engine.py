"""The alert engine, a pure step: pair statistics and rules in, alerts out.

What it remembers is kept per stream: how far it was read, and per rule whether it has fired and when. An alert is committed
together with that, so that after a restart each row is judged exactly once, as if there had been none.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from pydantic import ValidationError

from services.alerter.rules import StoredRule, evaluate
from shared.intervals import interval_ms
from shared.messages import Alert, AlertState, PairStats, StepInput, Table
from shared.step import Output
from shared.topics import PAIRS, Channel

_CHECKPOINT_MS = 5_000
_COMMIT_ALERTS = 500
"""Alerts are committed in one script with their checkpoints; a day's worth of many pairs would hold Redis for too long."""


@dataclass(slots=True)
class _Watch:
    """Where one rule stands on one stream."""

    fired: bool = False
    fired_ms: int | None = None
    """Close time of the bar at which it fired last."""


@dataclass(slots=True)
class _Part:
    """What is remembered of one stream."""

    after_ms: int
    """Open time of the newest row judged."""
    watches: dict[str, _Watch] = field(default_factory=dict)

    def text(self) -> str:
        rules = {name: {"fired": watch.fired, "fired_ms": watch.fired_ms} for name, watch in sorted(self.watches.items())}
        return orjson.dumps({"after_ms": self.after_ms, "rules": rules}).decode()

    @classmethod
    def parse(cls, text: str) -> "_Part":
        kept = orjson.loads(text)
        return cls(kept["after_ms"], {name: _Watch(**watch) for name, watch in kept["rules"].items()})


class AlertEngine:
    """Judges each row of the pair statistics by the rules that are about it.

    Rows of a batch are judged by the time at which their bars close, then by interval width, then by pair, and the rules
    of a row by name. A row without z-score changes nothing.
    """

    def __init__(self, intervals: Sequence[str]) -> None:
        """`intervals`: the configured ones."""
        self._widths = {interval: interval_ms(interval) for interval in intervals}
        self._rules_table: dict[str, str] | None = None
        self._rules: list[StoredRule] = []
        self._pairs: list[str] = []
        self._rules_of: dict[Channel, list[StoredRule]] = {}
        self._parts: dict[Channel, _Part] = {}
        self._unjudged: deque[PairStats] = deque()
        self._moved: set[Channel] = set()
        self._checkpoint_at_ms: int | None = None

    def restore(self, checkpoints: Mapping[str, str]) -> None:
        for part, text in checkpoints.items():
            name, *parameters = part.split(":")
            self._parts[Channel(name, tuple(parameters))] = _Part.parse(text)

    def wants(self) -> Mapping[Channel, str]:
        return {channel: self._begin(channel, rules) for channel, rules in self._rules_of.items()}

    def _begin(self, channel: Channel, rules: Iterable[StoredRule]) -> str:
        part = self._parts.get(channel)
        if part is not None:
            return f"{part.after_ms}-0"
        interval = channel.parameters[0]
        first_ms = min(rule.judges_after_ms(interval) for rule in rules) - self._widths[interval]
        return f"{first_ms}-0" if first_ms > 0 else "0"

    def on_messages(self, batch: Sequence[StepInput]) -> Output:
        checkpoints: dict[str, str] = {}
        for message in batch:
            if isinstance(message, Table):
                checkpoints |= self._on_table(message)
        rows = [message for message in batch if isinstance(message, PairStats)]
        rows.sort(key=lambda row: (row.open_time_ms + self._widths[row.interval], self._widths[row.interval], row.pair))
        self._unjudged += rows
        alerts: list[Alert] = []
        changed: set[Channel] = set()
        while self._unjudged and len(alerts) < _COMMIT_ALERTS:
            row = self._unjudged.popleft()
            raised = self._on_row(row)
            if raised:
                alerts += raised
                changed.add(PAIRS.channel(row))
        return Output(alerts, checkpoints | self._checkpoints(changed), unfinished=bool(self._unjudged))

    def on_clock(self, now_ms: int) -> Output:
        """Keeps the offsets from time to time, so that a restart after a quiet day does not read all of it again."""
        last_ms = self._checkpoint_at_ms
        if last_ms is not None and 0 <= now_ms - last_ms < _CHECKPOINT_MS:
            return Output()
        self._checkpoint_at_ms = now_ms
        return Output(checkpoints=self._checkpoints(set(self._moved)))

    def _checkpoints(self, channels: set[Channel]) -> dict[str, str]:
        self._moved -= channels
        return {str(channel): self._parts[channel].text() for channel in sorted(channels)}

    def _on_table(self, table: Table) -> dict[str, str]:
        """Take a table; the checkpoints make what was read so far be judged by the rules of then, for ever."""
        if table.name == "rules":
            if table.rows == self._rules_table:
                return {}
            self._rules_table = dict(table.rows)
            self._rules = [rule for _, rule in sorted(valid_rules(table.rows).items()) if rule.enabled]
            self._forget_all_but({rule.name for rule in self._rules})
        elif table.name == "pairs":
            if sorted(table.rows) == self._pairs:
                return {}
            self._pairs = sorted(table.rows)
        self._rules_of = {}
        for rule in self._rules:
            for channel in rule.channels(self._pairs, self._widths):
                self._rules_of.setdefault(channel, []).append(rule)
        return self._checkpoints(set(self._moved))

    def _forget_all_but(self, names: set[str]) -> None:
        """A rule that was removed or disabled begins anew when it comes back."""
        for channel, part in self._parts.items():
            for name in part.watches.keys() - names:
                del part.watches[name]
                self._moved.add(channel)

    def _on_row(self, row: PairStats) -> list[Alert]:
        channel = PAIRS.channel(row)
        part = self._parts.setdefault(channel, _Part(-1))
        if row.open_time_ms <= part.after_ms:
            return []
        part.after_ms = row.open_time_ms
        self._moved.add(channel)
        if row.zscore is None:
            return []
        close_ms = row.open_time_ms + self._widths[row.interval]
        alerts = []
        for rule in self._rules_of.get(channel, ()):
            if close_ms <= rule.judges_after_ms(row.interval):
                continue
            watch = part.watches.get(rule.name, _Watch())
            state = evaluate(rule, fired=watch.fired, fired_ms=watch.fired_ms, zscore=row.zscore, close_ms=close_ms)
            if state is None:
                continue
            alerts.append(_alert(rule, watch, row, row.zscore, state, close_ms))
            fired = state == "fired"
            part.watches[rule.name] = _Watch(fired, close_ms if fired else watch.fired_ms)
        return alerts


def valid_rules(rows: Mapping[str, str]) -> dict[str, StoredRule]:
    """The rules of the table. Rows that are none, which only another program can have written, are left out."""
    rules = {}
    for name, text in rows.items():
        try:
            rule = StoredRule.model_validate_json(text)
        except ValidationError:
            continue
        if rule.name == name:
            rules[name] = rule
    return rules


def _alert(rule: StoredRule, watch: _Watch, row: PairStats, zscore: float, state: AlertState, close_ms: int) -> Alert:
    explain: dict[str, Any] = {
        name: float(value) if name in ("y", "x") else value
        for name, value in row._asdict().items()
        if value is not None and name not in ("pair", "interval", "open_time_ms")
    }
    explain |= {
        "bar_ms": row.open_time_ms,
        "close_ms": close_ms,
        "previous_state": "fired" if watch.fired else "armed",
        "rule": {
            **rule.model_dump(exclude={"enabled", "since_ms_by_interval"}),
            "since_ms": rule.judges_after_ms(row.interval),
        },
    }
    if watch.fired_ms is not None:
        explain["last_fired_ms"] = watch.fired_ms
    return Alert(
        rule=rule.name,
        kind=rule.kind,
        pair=row.pair,
        interval=row.interval,
        state=state,
        value=zscore,
        threshold=rule.enter if state == "fired" else rule.exit,
        bar_ms=row.open_time_ms,
        explain=explain,
    )
