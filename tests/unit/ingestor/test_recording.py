"""Recordings on disk."""

import gzip
from pathlib import Path

import pytest

from services.ingestor.recording import Line, check_recording, read_lines
from services.ingestor.settings import IngestorSettings
from shared.errors import BadInput, SettingsError
from shared.settings import load
from tests.recording import RECORDING

FRAME = b'{"stream":"a@trade","data":{}}'


@pytest.mark.parametrize("compressed", [False, True])
def test_lines(tmp_path: Path, compressed: bool) -> None:
    text = b"1721347021186954583 " + FRAME + b"\r\nno line\n\n17 " + FRAME
    path = tmp_path / "capture"
    path.write_bytes(gzip.compress(text) if compressed else text)
    assert list(read_lines(path)) == [Line(1721347021186954583, FRAME), None, None, Line(17, FRAME)]


@pytest.mark.parametrize(
    "content",
    [b"", b"agg_trade_id,price\n", b'{"symbol":"BTCUSDT","price":1}\n', b"PK\x03\x04", b"\x1f\x8b broken", b"wss://x\n"],
)
def test_what_is_no_recording_says_what_is_accepted(tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(BadInput):
        check_recording(path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PAIRSTREAM_REPLAY", str(path))
    with pytest.raises(SettingsError, match="PAIRSTREAM_REPLAY="):
        load(IngestorSettings)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="No such file"):
        check_recording(tmp_path / "nothing")


def test_a_file_that_breaks_off(tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    path.write_bytes(RECORDING.read_bytes()[:5000])
    with pytest.raises(BadInput):
        list(read_lines(path))


def test_the_bundled_recording_is_one() -> None:
    check_recording(RECORDING)
