"""One load on one chain: how much CPU each process took per tick, how late things came, and whether anything was lost."""

import threading
import time
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple

from bench.exchange import Sent
from bench.frames import FIRST_ID
from bench.machine import busy_s
from bench.stacks import Chain, Delays, Stack
from bench.waiting import wait_until

DRAIN_S = 60.0
LATE_S = 1.0
"""A chain keeps up if, when the load ends, the last tick is stored within this time and no bar or row was later than this."""

_PROBE_S = 0.1
_PAGE = 10_000


class Load(NamedTuple):
    """What a load of some seconds came to."""

    chain: str
    rate: float
    """Ticks a second that were sent; what was wanted, unless the chain held the sender up."""
    wanted: float
    seconds: float
    cpu_us: dict[str, float]
    """Process → CPU time per tick, from the first tick until all was drained, in µs."""
    busy: dict[str, float]
    """Process → CPU time per second of the load, 1 = one core."""
    elsewhere: float | None
    """The same of everything else on these cores; ``None`` where it is not to be had."""
    tick_age_ms: float
    """Age of the newest tick in Redis, median of the probes: sending, receiving, writing."""
    tick_age_max_ms: float
    drain_s: float
    """From the last tick sent until the last tick stored."""
    late_ms: float | None
    """The largest delay of a bar or a row behind its earliest time, within the load; ``None`` for the bare chain."""
    sustained: bool


def run_load(stack: Stack, rate: float, seconds: float) -> Load:
    """Put the stack under load and wait until it has taken everything. Raises `Failed` if it does not within a minute."""
    probes: list[Delays] = []
    ended = threading.Event()
    before, start, busy = stack.processes.cpu(), time.monotonic(), busy_s()
    stack.exchange.order(rate, seconds)
    answer = _Answer(stack, ended)
    answer.start()
    while not ended.wait(_PROBE_S):
        probes.append(stack.delays())
    answer.join()
    sent = answer.sent
    assert sent is not None, "the load generator has ended"
    wait_until(lambda: stack.stored(sent.last_ids), DRAIN_S, "the last tick is in Redis", stack.processes.check, 0.005)
    drain_s = time.time() - sent.end_ms / 1000
    after, taken_s, busy_after = stack.processes.cpu(), time.monotonic() - start, busy_s()
    wait_until(lambda: stack.taken(sent.last_ids), DRAIN_S, "bars and rows of the last tick", stack.processes.check)
    used = {name: after[name] - before[name] for name in before}
    ages = [probe.tick_ms for probe in probes]
    late = max((ms for probe in probes for ms in (probe.bar_ms, probe.pair_ms) if ms is not None), default=None)
    return Load(
        chain=stack.name,
        rate=sent.sent / sent.seconds,
        wanted=rate,
        seconds=sent.seconds,
        cpu_us={name: value / sent.sent * 1e6 for name, value in used.items()},
        busy={name: value / taken_s for name, value in used.items()},
        elsewhere=None if busy is None or busy_after is None else max(0.0, (busy_after - busy - sum(used.values())) / taken_s),
        tick_age_ms=median(ages),
        tick_age_max_ms=max(ages),
        drain_s=drain_s,
        late_ms=late,
        sustained=sent.behind < 0.005 * rate * seconds and max(drain_s, max(ages) / 1000, (late or 0) / 1000) <= LATE_S,
    )


class _Answer(threading.Thread):
    """Waits for the generator's answer while the probes go on."""

    def __init__(self, stack: Stack, ended: threading.Event) -> None:
        super().__init__(daemon=True)
        self._exchange = stack.exchange
        self._ended = ended
        self.sent: Sent | None = None

    def run(self) -> None:
        try:
            self.sent = self._exchange.sent()
        finally:
            self._ended.set()


class Verdict(NamedTuple):
    """Everything that was sent, held against everything that is there."""

    ticks: int
    missing: int
    doubled: int
    bars: int
    bar_ticks: int
    """Sum of the trades of the 1s bars."""
    bar_ticks_expected: int
    """Ticks up to the last one of the newest bar of each symbol."""
    flawed_bars: int
    """1s bars, but for each symbol's first, that are not complete or quiet or do not follow the one before."""
    rows: int
    rows_missing: int
    """Bar times that both legs of a pair have, without a row."""
    declared: int
    """Gaps and late trades in `events`."""

    @property
    def nothing_lost(self) -> bool:
        wrong = self.missing or self.doubled or self.flawed_bars or self.rows_missing or self.declared
        return not wrong and self.bar_ticks == self.bar_ticks_expected


def verify(chain: Chain) -> Verdict:
    """Read everything the chain has written, entry by entry."""
    client = chain.server.client
    ticks = missing = doubled = bars = bar_ticks = expected = flawed = rows = rows_missing = 0
    times: dict[str, set[str]] = {}
    for symbol in chain.symbols:
        seen = 0
        newest = FIRST_ID - 1
        for entry_id, _ in _entries(client, f"ticks:{symbol}"):
            trade_id = int(entry_id.partition("-")[2])
            doubled += trade_id <= newest
            missing += max(0, trade_id - newest - 1)
            newest = max(newest, trade_id)
            seen += 1
        ticks += seen
        found = _entries(client, f"bars:1s:{symbol}")
        times[symbol] = {entry_id for entry_id, _ in found}
        bars += len(found)
        bar_ticks += sum(int(bar["trades"]) for _, bar in found)
        expected += max(int(bar.get("last_id", 0)) for _, bar in found) - FIRST_ID + 1
        opens = [int(entry_id.partition("-")[0]) for entry_id, _ in found]
        flawed += sum(later - earlier != 1000 for earlier, later in pairwise(opens))
        flawed += sum(bar["status"] not in ("complete", "quiet") for _, bar in found[1:])
    for pair in chain.pairs:
        have = {entry_id for entry_id, _ in _entries(client, f"pairs:1s:{pair}")}
        y, x = pair.split("~")
        newest_row = max(have)
        rows += len(have)
        rows_missing += len({entry_id for entry_id in times[y] & times[x] if entry_id <= newest_row} - have)
    declared = sum(event["kind"] in ("gap", "late") for _, event in _entries(client, "events"))
    return Verdict(ticks, missing, doubled, bars, bar_ticks, expected, flawed, rows, rows_missing, declared)


def _entries(client: Any, key: str) -> list[tuple[str, dict[str, str]]]:
    found: list[tuple[str, dict[str, str]]] = []
    start = "-"
    while page := client.xrange(key, start, "+", _PAGE):
        found += page
        start = f"({page[-1][0]}"
    return found
