"""What is put under load: the product's chain and the bare chain, each with its own Redis and its own exchange."""

import secrets
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson
import redis

from bench.exchange import Sent
from bench.frames import FIRST_ID, symbol_names
from bench.processes import Failed, Processes
from bench.waiting import wait_until
from shared.stack.ports import free_port
from shared.stack.redis_server import configuration, find_server

START_S = 60.0
WINDOW_BARS = 20
"""So few that statistics are computed during most of a load, not only waited for."""


class Server(NamedTuple):
    """A running Redis."""

    port: int
    password: str
    client: Any

    @property
    def url(self) -> str:
        return f"redis://default:{self.password}@127.0.0.1:{self.port}/0"


def start_server(processes: Processes) -> Server:
    """A Redis as `pairstream up` starts it: append-only file, flushed every second."""
    port, password = free_port(), secrets.token_hex(8)
    directory = processes.directory / "redis"
    directory.mkdir()
    config = directory / "redis.conf"
    config.write_text(configuration(port, password, directory))
    processes.start("redis", [find_server().path, config])
    client = redis.Redis(port=port, password=password, decode_responses=True, socket_timeout=30)

    def answers() -> bool:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False

    wait_until(answers, START_S, "Redis answers", processes.check)
    return Server(port, password, client)


class Exchange:
    """The load generator of a run."""

    def __init__(self, processes: Processes, symbols: int) -> None:
        self.port = free_port()
        process = processes.python("exchange", "bench.exchange", str(self.port), str(symbols))
        assert process.stdin is not None
        assert process.stdout is not None
        self._orders, self._answers = process.stdin, process.stdout
        self._answer()

    def order(self, rate: float, seconds: float) -> None:
        """Begin to send; `sent` waits for the end."""
        self._orders.write(orjson.dumps({"rate": rate, "seconds": seconds}) + b"\n")
        self._orders.flush()

    def sent(self) -> Sent:
        """What the order came to, once it is done."""
        return Sent(**self._answer())

    def _answer(self) -> dict[str, Any]:
        line = self._answers.readline()
        if not line:
            raise Failed("the load generator has ended")
        found: dict[str, Any] = orjson.loads(line)
        return found


class Delays(NamedTuple):
    """How old the newest of each is, in ms; ``None`` where the chain has no such thing."""

    tick_ms: int
    bar_ms: int | None
    pair_ms: int | None


class Stack:
    """A chain that is up and has carried a trade of every symbol."""

    def __init__(self, name: str, processes: Processes, symbols: int) -> None:
        self.name = name
        self.processes = processes
        self.symbols = symbol_names(symbols)
        self.server = start_server(processes)
        self.exchange = Exchange(processes, symbols)

    def tails(self) -> dict[str, int]:
        """Symbol → trade id of its newest tick."""
        pipe = self.server.client.pipeline(transaction=False)
        for symbol in self.symbols:
            pipe.xrevrange(f"ticks:{symbol}", count=1)
        found = zip(self.symbols, pipe.execute(), strict=True)
        return {symbol: int(reply[0][0].partition("-")[2]) if reply else FIRST_ID - 1 for symbol, reply in found}

    def stored(self, ids: Mapping[str, int]) -> bool:
        """Whether all ticks up to these ids are in Redis."""
        tails = self.tails()
        return all(tails[symbol] >= last for symbol, last in ids.items())

    def taken(self, ids: Mapping[str, int]) -> bool:
        """Whether the chain's end has taken account of all ticks up to these ids."""
        raise NotImplementedError

    def delays(self) -> Delays:
        """As seen now, from outside."""
        (newest,) = self.server.client.xrevrange(f"ticks:{self.symbols[0]}", count=1)
        return Delays(_now_ms() - int(newest[0].partition("-")[0]), None, None)


class BareChain(Stack):
    """WebSocket → XADD, XREAD → count, in two processes, and nothing else."""

    def __init__(self, processes: Processes, symbols: int) -> None:
        super().__init__("bare chain", processes, symbols)
        streams = "/".join(f"{symbol.lower()}@aggTrade" for symbol in self.symbols)
        url = f"ws://127.0.0.1:{self.exchange.port}/market/stream?streams={streams}"
        address = ("127.0.0.1", str(self.server.port), self.server.password)
        processes.python("writer", "bench.bare_writer", url, *address)
        processes.python("reader", "bench.bare_reader", *address, *(f"ticks:{symbol}" for symbol in self.symbols))
        first = dict.fromkeys(self.symbols, FIRST_ID)
        wait_until(lambda: self.stored(first) and self.taken(first), START_S, "the bare chain carries trades", processes.check)

    def taken(self, ids: Mapping[str, int]) -> bool:
        return int(self.server.client.get("read") or 0) >= sum(last - FIRST_ID + 1 for last in ids.values())


class Chain(Stack):
    """The product: ingestor, sampler and analytics, with `pairs` pairs of neighbouring symbols."""

    def __init__(self, processes: Processes, symbols: int, pairs: int) -> None:
        super().__init__("chain", processes, symbols)
        names = self.symbols
        self.pairs = [f"{names[i]}~{names[(i + 1) % symbols]}" for i in range(min(pairs, symbols))]
        settings = {
            "REDIS_URL": self.server.url,
            "SOURCE": "binance",
            "SYMBOLS": ",".join(names),
            "PAIRS": ",".join(self.pairs),
            "WINDOW": str(WINDOW_BARS),
            "BINANCE_WS_URL": f"ws://127.0.0.1:{self.exchange.port}/market",
            "BINANCE_REST_URL": f"http://127.0.0.1:{self.exchange.port}",
        }
        for service in ("ingestor", "sampler", "analytics"):
            processes.python(service, f"services.{service}", settings={**settings, f"{service.upper()}_PORT": str(free_port())})
        first = dict.fromkeys(self.symbols, FIRST_ID)
        wait_until(lambda: self.stored(first) and self.taken(first), START_S, "the chain carries trades", processes.check)

    def taken(self, ids: Mapping[str, int]) -> bool:
        pipe = self.server.client.pipeline(transaction=False)
        for symbol in self.symbols:
            pipe.xrevrange(f"bars:1s:{symbol}", count=5)  # the newest may be quiet, and then names no trade
        for symbol, reply in zip(self.symbols, pipe.execute(), strict=True):
            if symbol in ids and max((int(bar.get("last_id", 0)) for _, bar in reply), default=0) < ids[symbol]:
                return False
        pipe = self.server.client.pipeline(transaction=False)
        for pair in self.pairs:
            for key in (f"pairs:1s:{pair}", *(f"bars:1s:{leg}" for leg in pair.split("~"))):
                pipe.xrevrange(key, count=1)
        newest = [reply[0][0] if reply else "" for reply in pipe.execute()]
        rows, ys, xs = newest[::3], newest[1::3], newest[2::3]
        return all(row and row >= min(y, x) for row, y, x in zip(rows, ys, xs, strict=True))

    def delays(self) -> Delays:
        pipe = self.server.client.pipeline(transaction=False)
        pipe.xrevrange(f"ticks:{self.symbols[0]}", count=1)
        pipe.xrevrange(f"bars:1s:{self.symbols[0]}", count=1)
        pipe.xrevrange(f"pairs:1s:{self.pairs[0]}", count=1)
        tick, bar, row = (int(reply[0][0].partition("-")[0]) for reply in pipe.execute())
        now = _now_ms()
        # Between two bars the newest is up to a second old without anything being late.
        return Delays(now - tick, max(0, now - bar - 2000), max(0, now - row - 2000))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
