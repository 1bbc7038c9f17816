"""Whatever the batches and wherever the process dies, the committed alerts are those of an undisturbed reading."""

from collections import defaultdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.alerter.engine import AlertEngine
from shared.codec import encode
from shared.messages import Alert, PairStats
from tests.unit.alerter.rows import T0, pairs, row, rule_row, rules

PAIRS = ("ETHUSDT~BTCUSDT", "SOLUSDT~BTCUSDT")
WIDTHS = {"1s": 1000, "5s": 5000}
ZSCORES = st.one_of(st.none(), st.sampled_from([0.0, 0.5, -0.5, 0.75, 2.0, -2.0, 2.5, -2.5, 1.0]))
RULES: list[dict[str, Any]] = [
    {"name": "plain"},
    {"name": "cooled", "cooldown_s": 7},
    {"name": "low", "side": "below", "enter": 1.0, "exit": 0.75, "interval": "1s"},
    {"name": "one", "pair": PAIRS[1], "cooldown_s": 2.5, "side": "above"},
]
Stream = tuple[str, str]


@st.composite
def histories(draw: st.DrawFn) -> dict[Stream, list[PairStats]]:
    """Rows of every stream, with holes in the grid."""
    found = {}
    for interval, width_ms in WIDTHS.items():
        for pair in PAIRS:
            zscores = draw(st.lists(ZSCORES, max_size=30))
            steps = draw(st.lists(st.integers(1, 3), min_size=len(zscores), max_size=len(zscores)))
            time_ms, rows = T0, []
            for zscore, step in zip(zscores, steps, strict=True):
                time_ms += step * width_ms
                rows.append(row(time_ms, zscore, pair, interval))
            found[interval, pair] = rows
    return found


def expected(history: dict[Stream, list[PairStats]]) -> dict[tuple[str, str, str], list[tuple[int, str]]]:
    """The oracle: per rule and stream, one walk over the rows by the words of the documentation."""
    found: dict[tuple[str, str, str], list[tuple[int, str]]] = {}
    for rule in RULES:
        for (interval, pair), rows in history.items():
            if rule.get("interval", interval) != interval or rule.get("pair", pair) != pair:
                continue
            outcome: list[tuple[int, str]] = []
            for r in rows:
                if r.zscore is None:
                    continue
                watched = {"both": abs(r.zscore), "above": r.zscore, "below": -r.zscore}[rule.get("side", "both")]
                if outcome and outcome[-1][1] == "fired":
                    if watched <= rule.get("exit", 0.5):
                        outcome.append((r.open_time_ms, "resolved"))
                    continue
                firings = [time_ms for time_ms, state in outcome if state == "fired"]
                rested = not firings or r.open_time_ms - firings[-1] >= 1000 * rule.get("cooldown_s", 0)
                if watched >= rule.get("enter", 2.0) and rested:
                    outcome.append((r.open_time_ms, "fired"))
            if outcome:
                found[rule["name"], interval, pair] = outcome
    return found


class World:
    """Redis as the loop sees it: streams to read, and alerts and checkpoints that are committed together."""

    def __init__(self, history: dict[Stream, list[PairStats]]) -> None:
        self.history = history
        self.committed: list[Alert] = []
        self.checkpoints: dict[str, str] = {}
        self.start()

    def start(self) -> None:
        self.step = AlertEngine(list(WIDTHS))
        self.step.restore(dict(self.checkpoints))
        self._commit(self.step.on_messages([rules(*(rule_row(**rule) for rule in RULES)), pairs(*PAIRS)]))
        self.offsets = {c.parameters: int(after.partition("-")[0]) for c, after in self.step.wants().items()}

    def _commit(self, output: Any) -> None:
        self.committed += output.messages
        self.checkpoints |= output.checkpoints

    def read(self, counts: dict[Stream, int], *, dies: bool) -> None:
        """One turn of the loop; it may die between the step and the commit."""
        batch: list[PairStats] = []
        for stream, count in counts.items():
            unread = [r for r in self.history[stream] if r.open_time_ms > self.offsets[stream]][:count]
            if unread:
                self.offsets[stream] = unread[-1].open_time_ms
            batch += unread
        output = self.step.on_messages(batch)
        if dies:
            self.start()
        else:
            self._commit(output)

    @property
    def done(self) -> bool:
        return all(not rows or rows[-1].open_time_ms <= self.offsets[stream] for stream, rows in self.history.items())


STREAMS: list[Stream] = [(interval, pair) for interval in WIDTHS for pair in PAIRS]
TURNS = st.lists(
    st.tuples(
        st.dictionaries(st.sampled_from(STREAMS), st.integers(1, 12)),
        st.sampled_from(["goes on", "goes on", "dies before the commit", "dies after the commit", "tells the time"]),
    ),
    max_size=25,
)


@settings(max_examples=200, deadline=None)
@given(histories(), TURNS)
def test_alerts_are_the_same_whatever_the_batches_and_restarts(history: dict[Stream, list[PairStats]], turns: Any) -> None:
    world = World(history)
    for number, (counts, event) in enumerate(turns):
        world.read(counts, dies=event == "dies before the commit")
        if event == "tells the time":
            world._commit(world.step.on_clock(number * 10_000))
        elif event == "dies after the commit":
            world.start()
    while not world.done:
        world.read(dict.fromkeys(STREAMS, 7), dies=False)

    found: dict[tuple[str, str, str], list[tuple[int, str]]] = defaultdict(list)
    for alert in world.committed:
        found[alert.rule, alert.interval, alert.pair].append((alert.bar_ms, alert.state))
    assert found == expected(history)

    undisturbed = World(history)
    undisturbed.read(dict.fromkeys(STREAMS, 1000), dies=False)

    def stable(alerts: list[Alert]) -> list[list[str]]:
        return sorted(list(encode(alert).values()) for alert in alerts)

    assert stable(world.committed) == stable(undisturbed.committed), "the same bytes"
