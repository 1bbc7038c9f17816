"""`pairstream bench`: the performance figures of this machine."""

import importlib.util
import subprocess
import sys
from collections.abc import Sequence


def bench(arguments: Sequence[str]) -> int:
    """Measure, in a process of its own; answers the exit status. The benchmark is part of the source tree only."""
    if importlib.util.find_spec("bench") is None:
        print("pairstream bench: the benchmark is not installed; run it in a checkout, after make up", file=sys.stderr)  # noqa: T201
        return 2
    return subprocess.run([sys.executable, "-m", "bench", *arguments], check=False).returncode
