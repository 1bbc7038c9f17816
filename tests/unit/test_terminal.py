"""What of the services' logs comes to the supervisor's terminal."""

import subprocess
import sys

from shared.stack.child import is_shown, parse_entry

PROGRAM = """
import logging
from shared.log import configure
log = configure("ui", "info", "json")
logging.getLogger("tornado.access").warning("404 GET /nothing")
logging.getLogger("tornado.application").warning("slow")
log.warning("load again", reason="fenced")
"""


def test_access_lines_stay_in_the_file() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    entries = [parse_entry(line) for line in done.stderr.splitlines()]
    shown = [(entry["event"], is_shown(entry)) for entry in entries if entry is not None]
    assert shown == [("404 GET /nothing", False), ("slow", True), ("load again", True)]
