"""The benchmark measures a chain that really carries everything; what it says about speed is not judged here."""

import io
import json
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from rich.console import Console

from bench.load import run_load, verify
from bench.processes import Processes
from bench.report import as_json, show
from bench.run import Plan, Results, run
from bench.stacks import Chain

TINY = Plan(symbols=4, pairs=2, rate=200, top_rate=260, seconds=1, rounds=1, cores=2, stage_ticks=400)


@pytest.fixture(scope="module")
def results() -> Results:
    return run(TINY, lambda text: None)


def test_everything_that_was_sent_is_found_again(results: Results) -> None:
    found = json.loads(orjson.dumps(as_json(results)))

    (one,) = found["rounds"]
    verdict = one["verdict"]
    assert found["summary"]["nothing_lost"]
    # The two loads alone; the trades between them come on top.
    assert verdict["ticks"] >= 200 + 125
    assert verdict["missing"] == verdict["doubled"] == verdict["flawed_bars"] == verdict["rows_missing"] == 0
    assert verdict["bar_ticks"] == verdict["bar_ticks_expected"] > 0
    assert verdict["rows"] > 0
    assert {"exchange", "redis", "ingestor", "sampler", "analytics"} == found["summary"]["cpu_us_per_tick"].keys()
    assert {"exchange", "redis", "writer", "reader"} == found["summary"]["bare_cpu_us_per_tick"].keys()
    assert {stage["name"] for stage in found["stages"]} >= {"parse a frame, checked", "ticks to bars", "read and decode"}


def test_the_figures_are_plain_text_in_a_pipe(results: Results) -> None:
    file = io.StringIO()
    show(results, Console(file=file, width=130))

    assert "\x1b" not in file.getvalue()
    for words in ("CPU per tick", "Highest rate that keeps up", "What limits it", "Nothing lost: "):
        assert words in file.getvalue()


@pytest.mark.long
def test_a_loss_does_not_go_unseen(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        chain = Chain(processes, 4, 2)
        run_load(chain, 100, 2)
        assert verify(chain).nothing_lost
        client = chain.server.client
        for key, count in ((f"ticks:{chain.symbols[0]}", "missing"), (f"pairs:1s:{chain.pairs[0]}", "rows_missing")):
            second = client.xrange(key, count=2)[1][0]
            client.xdel(key, second)
            assert getattr(verify(chain), count) == 1
        bars = f"bars:1s:{chain.symbols[3]}"
        client.xdel(bars, next(entry_id for entry_id, bar in client.xrange(bars) if bar["trades"] != "0"))
        found = verify(chain)
        assert found.bar_ticks < found.bar_ticks_expected
        assert not found.nothing_lost


def test_the_command_line_has_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "shared.cli", "bench", "--help"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0
    assert "--quick" in done.stdout
