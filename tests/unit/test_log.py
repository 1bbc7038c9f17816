"""Logs: what a traceback shows."""

import logging
from typing import Literal

import pytest

from shared.log import configure


@pytest.mark.parametrize("layout", ["pretty", "json"])
def test_a_traceback_shows_no_local_variables(layout: Literal["pretty", "json"], capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        log = configure("sampler", "info", layout)
        word = "hush" + "hush"
        try:
            raise RuntimeError("it broke")
        except RuntimeError:
            log.exception("unexpected")
            logging.getLogger("library").exception("unexpected as well")
        assert word
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    shown = capsys.readouterr()
    assert "hushhush" not in shown.err + shown.out
    assert shown.err.count("it broke") >= 2
    assert "test_log.py" in shown.err
    assert shown.out == ""
