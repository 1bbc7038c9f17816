"""``python -m bench``, which `pairstream bench` calls."""

import argparse
import sys
from contextlib import nullcontext

import orjson
from rich.console import Console

from bench.machine import confine
from bench.processes import Failed
from bench.report import as_json, show
from bench.run import FULL, QUICK, run

_WIDTH = 130
"""Columns of the tables where there is no terminal to say."""


def main() -> int:
    """0; 1 if anything was lost; 2 if it could not be measured."""
    parser = argparse.ArgumentParser(prog="pairstream bench", description="Measure the whole chain under load.")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of tables")
    for name, kind in FULL.__annotations__.items():
        default = f"{getattr(FULL, name):g}, quick {getattr(QUICK, name):g}"
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=f"default {default}")
    given = vars(parser.parse_args())
    plan = QUICK if given.pop("quick") else FULL
    as_document = given.pop("json")
    plan = plan._replace(**{name: value for name, value in given.items() if value is not None})
    confine(plan.cores)
    progress = Console(stderr=True)
    with progress.status("starting") if progress.is_terminal else nullcontext() as status:
        try:
            results = run(plan, lambda text: status.update(text) if status else None)
        except Failed as error:
            print(f"pairstream bench: {error}", file=sys.stderr)
            return 2
    if as_document:
        print(orjson.dumps(as_json(results), option=orjson.OPT_INDENT_2).decode())
    else:
        show(results, Console() if sys.stdout.isatty() else Console(width=_WIDTH))
    return 0 if results.nothing_lost else 1


if __name__ == "__main__":
    sys.exit(main())
