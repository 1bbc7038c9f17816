"""The step of the analytics: bars in, a row for every bar time that both legs of a pair have out."""

from collections.abc import Mapping, Sequence

import numpy as np

from services.analytics.pair_stats import pair_stats
from services.analytics.parameters import Model, parse_name, parse_rows
from services.analytics.window import NOTHING_BEFORE, Integers, Leg
from shared.intervals import interval_ms
from shared.messages import Bar, PairStats, StepInput, Table
from shared.step import Output
from shared.topics import BARS, PAIRS, Channel, Keyspace

ROWS_AT_ONCE = 500
"""Rows in one answer, some 30 ms of work: a pair computed back over hours must not keep lease and HTTP waiting."""
AHEAD_BARS = 4096
"""How many bars a leg is kept for beyond the window, waiting for the other leg; more are read again if they are needed."""


class Job:
    """One pair at one interval."""

    def __init__(self, interval: str, name: str, model: Model, last: int | None) -> None:
        pair, _ = parse_name(name)
        self.interval = interval
        self.name = name
        self.model = model
        self.y = Channel(BARS.name, (interval, pair.y))
        self.x = Channel(BARS.name, (interval, pair.x))
        self.last = last
        """Number of the last bar whose row is published; ``None`` before the first."""

    @property
    def part(self) -> str:
        """The checkpoint's name."""
        return f"{self.interval}:{self.name}"

    @property
    def needs_from(self) -> int:
        """Number of the first bar that is needed for the next row."""
        return NOTHING_BEFORE if self.last is None else max(0, self.last + 1 - self.model.span)


class PairAnalyzer:
    """Statistics of the pairs of one partition. A checkpoint is the open time of a pair's last published row."""

    def __init__(self, windows: Mapping[str, int], keyspace: Keyspace, partition: int, min_coverage: float) -> None:
        """`windows`: interval → configured window in bars."""
        self._windows = windows
        self._widths_ms = {interval: interval_ms(interval) for interval in windows}
        self._keyspace = keyspace
        self._partition = partition
        self._min_coverage = min_coverage
        self._stored: dict[str, int] = {}
        self._rows: Mapping[str, str] | None = None
        self._jobs: dict[str, Job] = {}
        self._users: dict[Channel, list[Job]] = {}
        self._legs: dict[Channel, Leg] = {}
        self._reread: dict[Channel, Leg] = {}
        self._followed: set[Channel] = set()
        self._waiting: dict[str, Job] = {}

    def restore(self, checkpoints: Mapping[str, str]) -> None:
        self._stored = {part: int(text) for part, text in checkpoints.items()}

    def wants(self) -> Mapping[Channel, str]:
        """Both legs of every pair, from where its next row needs them.

        A stream to be read again from further back is left out of one answer, so that the reader forgets where it was.
        """
        wanted = {channel: self._after(channel, leg.complete_from) for channel, leg in self._legs.items()}
        self._followed = set(wanted)
        for channel, leg in self._reread.items():
            self._legs[channel] = leg
        self._reread.clear()
        return wanted

    def on_messages(self, batch: Sequence[StepInput]) -> Output:
        checkpoints: dict[str, str] = {}
        dropped: list[Channel] = []
        for item in batch:
            if isinstance(item, Bar):
                channel = Channel(BARS.name, (item.interval, item.symbol))
                leg = self._legs.get(channel)
                if leg is not None:
                    leg.append(item)
                    for job in self._users[channel]:
                        self._waiting[job.part] = job
            elif isinstance(item, Table) and item.name == PAIRS.name and item.rows != self._rows:
                self._rows = item.rows
                dropped += self._take_table(item.rows)
                checkpoints.update(dict.fromkeys((f"{c.parameters[0]}:{c.parameters[1]}" for c in dropped), ""))
        messages: list[PairStats] = []
        touched: set[Channel] = set()
        while self._waiting and len(messages) < ROWS_AT_ONCE:
            job = self._waiting.pop(next(iter(self._waiting)))
            rows = self._next_rows(job, ROWS_AT_ONCE - len(messages))
            touched |= {job.y, job.x}
            if rows:
                messages += rows
                checkpoints[job.part] = str(rows[-1].open_time_ms)
                if len(messages) >= ROWS_AT_ONCE:
                    self._waiting[job.part] = job
        for channel in touched:
            self._forget(channel)
        return Output(messages, checkpoints, dropped, unfinished=bool(self._waiting))

    def on_clock(self, now_ms: int) -> Output:
        """Nothing here depends on the time."""
        return Output()

    def _take_table(self, rows: Mapping[str, str]) -> list[Channel]:
        """Begin and end jobs as the table says; answers the streams of those that ended."""
        jobs: dict[str, Job] = {}
        for name, parameters in parse_rows(rows).items():
            if self._keyspace.partition(name.partition("@")[0]) != self._partition:
                continue
            for interval, window in self._windows.items():
                job = Job(interval, name, parameters.model(window), None)
                stored = self._stored.pop(job.part, None)
                before = self._jobs.get(job.part)
                if before is not None:
                    job.last = before.last
                elif stored is not None:
                    job.last = stored // self._widths_ms[interval]
                jobs[job.part] = job
        ended = [part for part in self._jobs if part not in jobs]
        # What is stored of pairs that are not in the table any more; other intervals of those that are stay, for they
        # may be configured again.
        names = {job.name for job in jobs.values()}
        ended += [part for part in self._stored if part.partition(":")[2] not in names]
        self._stored = {part: ms for part, ms in self._stored.items() if part not in ended}
        self._users = {}
        for job in jobs.values():
            before = self._jobs.get(job.part)
            for channel in (job.y, job.x):
                self._users.setdefault(channel, []).append(job)
                # A job that was there has its bars, or waits for a silent leg, for which no stream is read again.
                if before is None or before.model != job.model:
                    self._read_from(channel, job.needs_from)
            self._waiting[job.part] = job
        self._jobs = jobs
        self._waiting = {part: jobs[part] for part in self._waiting if part in jobs}
        self._legs = {channel: leg for channel, leg in self._legs.items() if channel in self._users}
        self._reread = {channel: leg for channel, leg in self._reread.items() if channel in self._users}
        return [Channel(PAIRS.name, tuple(part.split(":", 1))) for part in ended]

    def _after(self, channel: Channel, number: int) -> str:
        return "0" if number <= 0 else f"{number * self._widths_ms[channel.parameters[0]] - 1}-0"

    def _read_from(self, channel: Channel, number: int) -> None:
        """See to it that the leg is complete from this bar on."""
        leg = self._reread.get(channel, self._legs.get(channel))
        if leg is not None and leg.complete_from <= number:
            return
        fresh = Leg(self._widths_ms[channel.parameters[0]], number, leg.begins if leg is not None else 0)
        if channel in self._followed:
            self._legs.pop(channel, None)
            self._reread[channel] = fresh
        else:
            self._legs[channel] = fresh

    def _next_rows(self, job: Job, limit: int) -> list[PairStats]:
        """The rows that can be computed now, at most `limit`."""
        y, x = self._legs.get(job.y), self._legs.get(job.x)
        if y is None or x is None:
            return []
        after = -1 if job.last is None else job.last
        y_new, x_new = y.numbers_after(after), x.numbers_after(after)
        if not len(y_new) or not len(x_new):
            return []
        # A leg that was kept too short, for the other had fallen silent and came back with older bars.
        for leg, channel, others in ((y, job.y, x_new), (x, job.x, y_new)):
            sought = others[others.searchsorted(leg.begins) :]
            if len(sought) and sought[0] <= leg.newest and leg.complete_from > max(0, int(sought[0]) - job.model.span):
                self._read_from(channel, max(0, int(sought[0]) - job.model.span))
                return []
        rows = [
            pair_stats(job.interval, job.name, job.model, self._min_coverage, y, x, int(number))
            for number in _common(y_new, x_new, limit)
        ]
        if rows:
            job.last = rows[-1].open_time_ms // y.width_ms
        return rows

    def _forget(self, channel: Channel) -> None:
        """Drop the bars of a leg that no next row needs, and those that wait too long for the other leg."""
        leg, users = self._legs.get(channel), self._users.get(channel)
        if leg is None or not users:
            return
        span = max(job.model.span for job in users)
        if len(leg) <= 2 * (span + AHEAD_BARS):
            return
        needed = min(self._needed(job, channel) for job in users)
        if not any(job.part in self._waiting for job in users):
            needed = max(needed, int(leg.numbers[-span - AHEAD_BARS]))
        leg.discard(needed)

    def _needed(self, job: Job, channel: Channel) -> int:
        """Number of the first bar of a leg that the job's next row may need."""
        other = self._legs.get(job.x if channel == job.y else job.y)
        after = -1 if job.last is None else job.last
        if other is not None and job.part not in self._waiting:
            after = max(after, other.newest)  # what both have up to there has been computed
        return max(0, after + 1 - job.model.span)


def _common(a: Integers, b: Integers, limit: int) -> Integers:
    """The numbers that both have, the first `limit` of them at most."""
    if len(a) == len(b) == 1:
        return a if a[0] == b[0] else a[:0]
    return np.intersect1d(a, b, assume_unique=True)[:limit]
