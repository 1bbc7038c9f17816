"""The results as tables for people and as JSON for programs."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.table import Table

from bench.load import Load
from bench.run import Results

_STAGES = {
    "exchange": "load generator (not the product's)",
    "ingestor": "ingestor: receive, parse, check, write",
    "writer": "writer: receive, cut, write",
    "redis": "Redis, append-only file on",
    "sampler": "sampler: read, bars, commit",
    "analytics": "analytics: bars to pair statistics",
    "reader": "reader: read, count",
}
_FULL = 0.85


def summary(results: Results) -> dict[str, Any]:
    """The medians over the rounds, ready for JSON."""
    rate = results.plan.rate
    chain, bare = ([_at(loads, rate) for loads in column] for column in _columns(results))
    chain_us, bare_us = _medians([load.cpu_us for load in chain]), _medians([load.cpu_us for load in bare])
    speeds = [one.server for one in results.rounds if one.server is not None]
    highest = [_highest(one.chain) for one in results.rounds]
    bare_highest = [_highest(one.bare) for one in results.rounds]
    return {
        "highest_rate": median(highest),
        "bare_highest_rate": median(bare_highest),
        "reached_top_rate": all(load.sustained for one in results.rounds for load in one.chain[-1:]),
        "limit": _limit(results),
        "nothing_lost": results.nothing_lost,
        "ticks": sum(one.verdict.ticks for one in results.rounds),
        "cpu_us_per_tick": chain_us,
        "bare_cpu_us_per_tick": bare_us,
        "cpu_us_per_tick_in_all": _ours(chain_us),
        "bare_cpu_us_per_tick_in_all": _ours(bare_us),
        "cpu_ratio_to_bare": _ours(chain_us) / _ours(bare_us),
        "tick_age_ms": median(load.tick_age_ms for load in chain),
        "redis_benchmark_entries_per_s": median(speed.entries_per_s for speed in speeds) if speeds else None,
        "redis_benchmark_redis_us": median(speed.redis_us for speed in speeds) if speeds else None,
        "elsewhere_cores": median(load.elsewhere or 0.0 for load in chain),
    }


def as_json(results: Results) -> dict[str, Any]:
    """Everything, with the medians first."""
    return {
        "summary": summary(results),
        "machine": results.machine._asdict(),
        "plan": results.plan._asdict(),
        "stages": [{**stage._asdict(), "ratio": stage.ratio} for stage in results.stages],
        "rounds": [
            {
                "load_average": one.load_average,
                "redis_benchmark": None if one.server is None else one.server._asdict(),
                "bare": [load._asdict() for load in one.bare],
                "chain": [load._asdict() for load in one.chain],
                "verdict": {**one.verdict._asdict(), "nothing_lost": one.verdict.nothing_lost},
            }
            for one in results.rounds
        ],
    }


def show(results: Results, console: Console) -> None:
    """Print the tables; without colours and frames where it is no terminal."""
    found, here, plan = summary(results), results.machine, results.plan
    border = box.ROUNDED if console.is_terminal else None
    rounds = f"medians of {plan.rounds} rounds" if plan.rounds > 1 else "one round"
    console.print(
        Group(
            f"{here.processor}, {here.cores} cores, {here.system}, Python {here.python}, Redis {here.redis}; "
            f"load average before {here.load_average:.2f}, other work during the loads {found['elsewhere_cores']:.2f} cores",
            f"{plan.symbols} symbols, {plan.pairs} pairs at three intervals, append-only file every second; {rounds}",
            "",
            _cpu_table(found, plan.rate, border),
            "",
            _rates_table(results, border),
            "",
            _stages_table(results, border),
            "",
        ),
        soft_wrap=True,
    )
    console.print(f"Highest rate that keeps up: {found['highest_rate']:,.0f} ticks/s", style="bold", highlight=False)
    if found["redis_benchmark_entries_per_s"]:
        console.print(
            f"redis-benchmark on the same machine: {found['redis_benchmark_entries_per_s']:,.0f} XADD/s, "
            f"{found['redis_benchmark_redis_us']:.1f} µs of Redis each",
            highlight=False,
        )
    console.print(f"What limits it: {found['limit']}", highlight=False)
    console.print(_verdict_text(results), style="green" if results.nothing_lost else "bold red", highlight=False)


def _verdict_text(results: Results) -> str:
    totals = {name: sum(getattr(one.verdict, name) for one in results.rounds) for name in results.rounds[0].verdict._fields}
    if results.nothing_lost:
        return (
            f"Nothing lost: {totals['ticks']:,} ticks, every trade id once; {totals['bars']:,} 1s bars without a hole, "
            f"whose trades sum to the ticks sent; {totals['rows']:,} rows of pairs, one for every bar of both legs"
        )
    return f"SOMETHING IS LOST: {', '.join(f'{name} {value:,}' for name, value in totals.items())}"


def _cpu_table(found: Mapping[str, Any], rate: float, border: box.Box | None) -> Table:
    table = Table(title=f"CPU per tick at {rate:,.0f} ticks/s, µs", title_justify="left", box=border)
    table.add_column("stage")
    table.add_column("Pairstream", justify="right")
    table.add_column("bare chain", justify="right")
    ours, bare = found["cpu_us_per_tick"], found["bare_cpu_us_per_tick"]
    for name, text in _STAGES.items():
        if name in ours or name in bare:
            table.add_row(text, *(f"{column[name]:.1f}" if name in column else "" for column in (ours, bare)))
    table.add_row(
        "in all, without the load generator",
        f"{found['cpu_us_per_tick_in_all']:.1f}",
        f"{found['bare_cpu_us_per_tick_in_all']:.1f}",
        style="bold",
    )
    table.add_row("ratio", f"{found['cpu_ratio_to_bare']:.2f}", "1")
    return table


def _rates_table(results: Results, border: box.Box | None) -> Table:
    table = Table(title="Rates, median of the rounds", title_justify="left", box=border)
    for name in ("ticks/s", "chain", "keeps up", "tick's age ms", "bar or row late ms", "last tick stored after s", "cores used"):
        table.add_column(name, justify="left" if name in ("chain", "keeps up") else "right")
    for column in _columns(results):
        for wanted in sorted({load.wanted for loads in column for load in loads}):
            loads = [load for one in column for load in one if load.wanted == wanted]
            rounds = [any(load.sustained for load in one if load.wanted == wanted) for one in column]
            table.add_row(
                f"{median(load.rate for load in loads):,.0f}",
                loads[0].chain,
                f"{sum(rounds)} of {len(rounds)}",
                f"{median(load.tick_age_ms for load in loads):.0f}",
                "" if loads[0].late_ms is None else f"{median(load.late_ms or 0.0 for load in loads):.0f}",
                f"{median(load.drain_s for load in loads):.2f}",
                f"{median(sum(load.busy.values()) for load in loads):.2f}",
            )
    return table


def _stages_table(results: Results, border: box.Box | None) -> Table:
    table = Table(title="Single stages, CPU per tick, µs", title_justify="left", box=border)
    for name in ("stage", "Pairstream", "beside", "its cost", "ratio"):
        table.add_column(name, justify="left" if name in ("stage", "beside") else "right")
    for stage in results.stages:
        table.add_row(stage.name, f"{stage.ours_us:.2f}", stage.naive_name, f"{stage.naive_us:.2f}", f"{stage.ratio:.1f}")
    return table


def _columns(results: Results) -> tuple[list[list[Load]], list[list[Load]]]:
    return [one.chain for one in results.rounds], [one.bare for one in results.rounds]


def _at(loads: Sequence[Load], rate: float) -> Load:
    """The last load at this rate: one that was kept up with, if there is any."""
    return [load for load in loads if load.wanted == rate][-1]


def _highest(loads: Sequence[Load]) -> float:
    """The highest rate that the chain kept up with, 0 if there was none."""
    return max((load.rate for load in loads if load.sustained), default=0.0)


def _medians(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: median(row[name] for row in rows) for name in rows[0]}


def _ours(cpu_us: Mapping[str, float]) -> float:
    return sum(value for name, value in cpu_us.items() if name != "exchange")


def _limit(results: Results) -> str:
    """What was full when the chain did no longer keep up, from the loads that were too much."""
    beyond = [load for one in results.rounds for load in one.chain if not load.sustained]
    if not beyond:
        return f"nothing up to {results.plan.top_rate:,.0f} ticks/s, where the search ended"
    busy = _medians([load.busy for load in beyond])
    name = max((name for name in busy if name != "exchange"), key=busy.__getitem__)
    elsewhere = median(load.elsewhere or 0.0 for load in beyond)
    shares = ", ".join(f"{one} {share:.0%}" for one, share in sorted(busy.items(), key=lambda item: -item[1]))
    cores = results.machine.cores
    if busy[name] >= _FULL:
        return f"the {name}, whose one core is full ({shares})"
    if sum(busy.values()) + elsewhere >= _FULL * cores:
        return f"the machine: its {cores} cores are full, most of all with the {name} ({shares}, other work {elsewhere:.0%})"
    return f"waiting for each other, no core is full; busiest is the {name} ({shares}, other work {elsewhere:.0%})"
