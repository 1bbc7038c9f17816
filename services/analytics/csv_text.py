"""Rows as CSV (RFC 4180, UTF-8): the first column ISO 8601 time in UTC, the second the same in milliseconds."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def iso_time(ms: int) -> str:
    """
    >>> iso_time(1721347080000)
    '2024-07-18T23:58:00.000Z'
    """
    return (_EPOCH + timedelta(milliseconds=ms)).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def is_number(text: str) -> bool:
    """Whether the text is a plain decimal."""
    return _NUMBER.fullmatch(text) is not None


def cell(text: str) -> str:
    """The text as a spreadsheet may open it: what is no plain number and looks like a formula gets an apostrophe before it.

    >>> cell("-0.5"), cell("=1+1"), cell("-1+1"), cell("complete")
    ('-0.5', "'=1+1", "'-1+1", 'complete')
    """
    return f"'{text}" if text.startswith(_FORMULA_STARTS) and not is_number(text) else text


def header(time_name: str, names: Sequence[str]) -> str:
    """The first line."""
    return _lines([["time", time_name, *names]])


def lines(rows: Iterable[tuple[int, Sequence[str]]]) -> str:
    """Lines of rows given as time in ms and texts, an empty text for unknown."""
    return _lines([iso_time(ms), str(ms), *map(cell, texts)] for ms, texts in rows)


def _lines(rows: Iterable[Sequence[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(rows)
    return buffer.getvalue()
