"""The screen with what it needs: a Redis that may be stopped, analytics, alerter and UI, and a market that trades into it."""

import contextlib
import re
import threading
from pathlib import Path

import redis

from shared.messages import Bar, Message, Tick
from shared.stack.redis_server import find_server
from shared.topics import Keyspace
from tests.builders import START_MS, Market, add
from tests.processes import ServiceProcess
from tests.redis_servers import OwnRedis

NAMESPACE = "simulator"
PAIR, OTHER_PAIR = "ETHUSDT~BTCUSDT", "SOLUSDT~BNBUSDT"
WINDOW = 60
Z_ENTER = 1.5
HISTORY = 300
HOLE_AT = 200
HOLE_S = 20
_BAR_EVERY_S = 0.25
"""The market's seconds are shorter than ours."""


class ScreenStack:
    """Ticks and bars are made up; statistics, alerts and reports come from the services themselves."""

    def __init__(self, directory: Path) -> None:
        self.redis = OwnRedis(find_server(), directory, append_only=True, fsync="always")
        self.redis.start()
        self.client = redis.Redis.from_url(self.redis.url, decode_responses=True)
        self.keyspace = Keyspace(NAMESPACE)
        self.markets = [Market(*pair.split("~"), start_ms=START_MS) for pair in (PAIR, OTHER_PAIR)]
        self.client.hset(
            "pairstream:source",
            mapping={"source": "simulator", "reason": "asked for <b>by a test</b>", "namespace": NAMESPACE, "started_ms": 1},
        )
        symbols = [symbol for pair in (PAIR, OTHER_PAIR) for symbol in pair.split("~")]
        self.client.sadd(f"{NAMESPACE}:symbols", *symbols)
        common = {"redis_url": self.redis.url, "pairs": f"{PAIR},{OTHER_PAIR}", "window": WINDOW, "intervals": "1s,1m,5m"}
        self.analytics = ServiceProcess("analytics", directory, **common)
        self.alerter = ServiceProcess("alerter", directory, **common, z_enter=Z_ENTER)
        url = f"http://127.0.0.1:{self.analytics.port}"
        self.ui = ServiceProcess("ui", directory, **common, z_enter=Z_ENTER, analytics_url=url)
        self._trading = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._trade, daemon=True)

    def start(self) -> "ScreenStack":
        for number, market in enumerate(self.markets):
            self._publish(market, HOLE_AT)
            if number == 0:
                market.now_ms += HOLE_S * 1000
            self._publish(market, HISTORY - HOLE_AT)
        minutes = Market(*PAIR.split("~"), interval="1m", start_ms=START_MS - 3_600_000)
        for made in minutes.bars(25):
            add(self.client, self.keyspace, *(message for message in made if isinstance(message, Bar)))
        for service in (self.analytics, self.alerter, self.ui):
            service.start()
        self._thread.start()
        self.trade()
        for service in (self.analytics, self.alerter, self.ui):
            service.wait_ready()
        return self

    def stop(self) -> None:
        self._ended.set()
        self._trading.set()
        for service in (self.ui, self.alerter, self.analytics):
            service.stop()
        self._thread.join(10)
        self.client.close()
        self.redis.kill()

    def trade(self) -> None:
        """Let the market go on."""
        self._trading.set()

    def halt(self) -> None:
        """No trade from now on."""
        self._trading.clear()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ui.port}"

    def entry(self, topic: str, open_time_ms: str) -> dict[str, str]:
        """The fields of one entry of a topic of bars or pairs."""
        (found,) = self.client.xrange(f"{NAMESPACE}:{topic}", f"{open_time_ms}-0", f"{open_time_ms}-0")
        fields: dict[str, str] = found[1]
        return fields

    def metric(self, name: str) -> float:
        """A figure of the UI's /metrics."""
        found = re.search(rf"^pairstream_{name} (\S+)$", self.ui.get("/metrics").text, re.MULTILINE)
        assert found, name
        return float(found[1])

    def _publish(self, market: Market, count: int) -> None:
        for made in market.bars(count):
            bare: list[Message] = [message for message in made if isinstance(message, Tick | Bar)]
            add(self.client, self.keyspace, *bare)

    def _trade(self) -> None:
        while not self._ended.wait(_BAR_EVERY_S):
            self._trading.wait()
            for market in self.markets:
                # while Redis is away the market goes on untold: that is one more hole
                with contextlib.suppress(redis.RedisError):
                    self._publish(market, 1)
