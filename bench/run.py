"""The whole benchmark: rounds of redis-benchmark, bare chain and product in turn, then single stages."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench.load import Load, Verdict, run_load, verify
from bench.machine import Machine, machine
from bench.micro import Stage, micro
from bench.processes import Processes
from bench.server_speed import ServerSpeed, server_speed
from bench.stacks import BareChain, Chain, Stack, start_server

STEP = 1.25
"""By how much the rate goes up until the chain does not keep up."""


_TRIES = 3
"""How often a chain must fail to keep up with a rate: something else on the machine may have got in the way."""


class Plan(NamedTuple):
    """How much to measure."""

    symbols: int
    pairs: int
    rate: float
    """Ticks a second of the first load; CPU per tick is compared at this rate."""
    top_rate: float
    """Where the search for the highest rate ends."""
    seconds: float
    """Length of the load at `rate`; each step of the search takes half of it."""
    rounds: int
    cores: int
    stage_ticks: int


FULL = Plan(symbols=100, pairs=20, rate=20_000, top_rate=200_000, seconds=8, rounds=3, cores=2, stage_ticks=50_000)
QUICK = Plan(symbols=100, pairs=20, rate=20_000, top_rate=32_000, seconds=4, rounds=1, cores=2, stage_ticks=10_000)


class Round(NamedTuple):
    """One turn of everything."""

    load_average: float
    server: ServerSpeed | None
    bare: list[Load]
    chain: list[Load]
    verdict: Verdict


class Results(NamedTuple):
    """All that was measured."""

    plan: Plan
    machine: Machine
    rounds: list[Round]
    stages: list[Stage]

    @property
    def nothing_lost(self) -> bool:
        return all(one.verdict.nothing_lost for one in self.rounds)


def run(plan: Plan, say: Callable[[str], None]) -> Results:
    """Measure; `say` is told what is going on. Raises `bench.processes.Failed`."""
    here = machine()
    rounds = [_round(plan, f"round {number} of {plan.rounds}", say) for number in range(1, plan.rounds + 1)]
    say("single stages")
    with tempfile.TemporaryDirectory(prefix="pairstream-bench-") as directory, Processes(Path(directory)) as processes:
        stages = micro(start_server(processes), plan.stage_ticks, max(3, plan.rounds))
    return Results(plan, here, rounds, stages)


def _round(plan: Plan, name: str, say: Callable[[str], None]) -> Round:
    load_average = os.getloadavg()[0]
    say(f"{name}: redis-benchmark")
    with tempfile.TemporaryDirectory(prefix="pairstream-bench-") as directory, Processes(Path(directory)) as processes:
        server = server_speed(processes, start_server(processes), int(plan.rate * plan.seconds))
    say(f"{name}: bare chain is starting")
    with tempfile.TemporaryDirectory(prefix="pairstream-bench-") as directory, Processes(Path(directory)) as processes:
        bare = _loads(BareChain(processes, plan.symbols), plan, name, say)
    say(f"{name}: chain is starting")
    with tempfile.TemporaryDirectory(prefix="pairstream-bench-") as directory, Processes(Path(directory)) as processes:
        stack = Chain(processes, plan.symbols, plan.pairs)
        chain = _loads(stack, plan, name, say)
        say(f"{name}: every tick, bar and row is counted")
        verdict = verify(stack)
    return Round(load_average, server, bare, chain, verdict)


def _loads(stack: Stack, plan: Plan, name: str, say: Callable[[str], None]) -> list[Load]:
    """The load at the plan's rate, then more and more until it is too much."""
    loads: list[Load] = []
    rate, seconds = plan.rate, plan.seconds
    while rate <= plan.top_rate:
        for _ in range(_TRIES):
            say(f"{name}: {stack.name} at {rate:,.0f} ticks/s")
            loads.append(run_load(stack, rate, seconds))
            if loads[-1].sustained:
                break
        else:
            break
        rate, seconds = rate * STEP, plan.seconds / 2
    return loads
