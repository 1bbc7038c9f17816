"""The bundled recording and the exchange's own figures, read without the product's parsers."""

import csv
import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[1]
RECORDING = ROOT / "services/ingestor/recordings/usdm_btc_eth_trades_20240718-19.wslines.gz"
DATA = ROOT / "tests/data"
SYMBOLS = ("BTCUSDT", "ETHUSDT")


class Trade(NamedTuple):
    symbol: str
    trade_id: int
    time_ms: int
    price: str
    size: str
    side: str
    event_ms: int


def trades() -> list[Trade]:
    """All 24,356 trades in the order of the capture."""
    found = []
    with gzip.open(RECORDING, "rt") as lines:
        for line in lines:
            d = json.loads(line.split(" ", 1)[1])["data"]
            found.append(Trade(d["s"], d["t"], d["T"], d["p"], d["q"], "sell" if d["m"] else "buy", d["E"]))
    return found


def reference_bars(interval: str) -> dict[tuple[str, int], dict[str, Any]]:
    """(symbol, open time ms) → the bar as computed independently of the product; no quiet bars."""
    with (DATA / f"usdm_btc_eth_trades_20240718-19.bars_{interval}.csv").open() as rows:
        return {(row["symbol"], int(row["open_time_ms"])): row for row in csv.DictReader(rows)}


def klines() -> dict[tuple[str, int], dict[str, str]]:
    """(symbol, open time ms) → the exchange's own 1m kline, the seven full minutes of the recording."""
    found = {}
    for symbol in SYMBOLS:
        with (DATA / f"usdm_{symbol.lower()}_1m_exchange_20240718-19.csv").open() as rows:
            for row in csv.DictReader(rows):
                if 1721347080000 <= int(row["open_time"]) < 1721347500000:
                    found[symbol, int(row["open_time"])] = row
    return found


KLINE_FIELDS = {
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "volume": "volume",
    "quote_volume": "quote_volume",
    "trades": "count",
    "taker_buy_volume": "taker_buy_volume",
}


def differences_from_klines(fields_of: dict[tuple[str, int], dict[str, str]]) -> list[str]:
    """What differs, digit for digit, between 1m bars ((symbol, open time) → stream fields) and the exchange's klines."""
    found = []
    for key, kline in klines().items():
        bar = fields_of.get(key)
        if bar is None:
            found.append(f"{key}: no bar")
            continue
        found += [
            f"{key} {ours}: {bar.get(ours)} is not {kline[theirs]}"
            for ours, theirs in KLINE_FIELDS.items()
            if bar.get(ours) != kline[theirs]
        ]
    return found


def differences_from_reference(interval: str, fields_of: dict[tuple[str, int], dict[str, str]]) -> list[str]:
    """What differs in value between bars and the reference bars; bars beyond the reference must be quiet."""
    reference = reference_bars(interval)
    names = {"quote_volume": "quote"}
    found = [f"{key}: no bar" for key in reference.keys() - fields_of.keys()]
    for key, bar in fields_of.items():
        expected = reference.get(key)
        if expected is None:
            if bar["status"] != "quiet":
                found.append(f"{key}: a bar that is not in the reference, {bar}")
            continue
        found += [
            f"{key} {name}: {bar[name]} is not {expected[names.get(name, name)]}"
            for name in ("open", "high", "low", "close", "volume", "quote_volume", "trades", "first_id", "last_id")
            if Decimal(bar[name]) != Decimal(expected[names.get(name, name)])
        ]
    return found
