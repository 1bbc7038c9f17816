"""Recordings on disk: raw WebSocket captures, one ``<receive time ns> <frame>`` a line, plain or gzip."""

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from shared.errors import BadInput

MAX_LINE_BYTES = 1 << 20
ACCEPTED = "accepted are raw WebSocket captures, one '<receive time in ns> <frame>' a line, plain or .gz"

_LINE = re.compile(rb"([0-9]{1,19}) (\S.*)", re.DOTALL)


class Line(NamedTuple):
    """One captured frame."""

    receive_ns: int
    frame: bytes


def read_lines(path: Path) -> Iterator[Line | None]:
    """The captured frames in the order of the file, ``None`` for a line that is none.

    A line longer than 1 MiB counts as several that are none. Raises `BadInput` when the file cannot be read on.
    """
    try:
        with _open(path) as file:
            while text := file.readline(MAX_LINE_BYTES):
                match = _LINE.fullmatch(text.rstrip(b"\r\n"))
                yield None if match is None else Line(int(match[1]), match[2])
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror or error}") from error
    except (EOFError, zlib.error) as error:
        raise BadInput(f"{path}: {error}") from error


def _open(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path)) if compressed else path.open("rb")


def check_recording(path: Path) -> None:
    """Raises `BadInput`, with what is accepted, unless the file begins as a recording does."""
    first = next(read_lines(path), None)
    if first is None or not first.frame.startswith(b"{"):
        raise BadInput(f"{path} is no recording; {ACCEPTED}")
