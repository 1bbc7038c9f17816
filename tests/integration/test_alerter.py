"""The alerter as a process on a real Redis: alerts exactly once through kill -9, rules from a file and over HTTP."""

import contextlib
import json
import math
import select
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from services.alerter.api import alerter_app
from services.alerter.store import RuleStore
from shared.health import Health
from tests.processes import ServiceProcess
from tests.waiting import wait_until_sync

PAIR = "ETHUSDT~BTCUSDT"
T0 = 1_700_000_040_000
Client = Any


@pytest.fixture
def client(redis_url: str) -> Iterator[Client]:
    """Redis with one configured pair and a source without namespace."""
    made = redis.Redis.from_url(redis_url, decode_responses=True)
    made.hset("pairstream:source", mapping={"source": "none", "reason": "", "namespace": "", "started_ms": "1"})
    made.hset("pairs", PAIR, "{}")
    yield made
    made.close()


@pytest.fixture
def alerter(redis_url: str, tmp_path: Path) -> Iterator[ServiceProcess]:
    process = ServiceProcess("alerter", tmp_path, redis_url=redis_url, intervals="1s,1m")
    yield process
    process.kill()


def publish(client: Client, interval: str, open_time_ms: int, zscore: float | None, pair: str = PAIR) -> None:
    """A row of pair statistics as the contract describes it, written without the product's code."""
    fields = {"hedge_ratio": "0.8", "spread": "0.004", "y": "3421.5", "x": "64100.1", "window_bars": "300", "coverage": "1"}
    fields |= {"status": "ok", "price": "log", "fit": "lagged"}
    if zscore is not None:
        fields["zscore"] = f"{zscore:.6f}"
    client.xadd(f"pairs:{interval}:{pair}", fields, id=f"{open_time_ms}-0")


def publish_wave(client: Client, seconds: range) -> None:
    with client.pipeline(transaction=False) as pipe:
        for second in seconds:
            publish(pipe, "1s", T0 + second * 1000, wave(second))
        pipe.execute()


def alerts(client: Client) -> list[dict[str, str]]:
    return [fields for _, fields in client.xrange("alerts")]


def wave(second: int) -> float | None:
    """A z-score that goes beyond 2 and comes back below 0.5 on both sides every 40 s, absent now and then."""
    return None if second % 17 == 0 else round(2.6 * math.sin(second * math.pi / 20), 6)


def expected(seconds: range, cooldown_s: int) -> list[tuple[str, str]]:
    """(bar, state) by the words of the documentation."""
    found: list[tuple[str, str]] = []
    firings: list[int] = []
    for second in seconds:
        zscore = wave(second)
        if zscore is None:
            continue
        if found and found[-1][1] == "fired":
            if abs(zscore) <= 0.5:
                found.append((str(T0 + second * 1000), "resolved"))
        elif abs(zscore) >= 2 and (not firings or second - firings[-1] >= cooldown_s):
            firings.append(second)
            found.append((str(T0 + second * 1000), "fired"))
    return found


def test_alerts_exactly_once_through_kill_9(client: Client, alerter: ServiceProcess) -> None:
    parts = [range(2_500), range(2_500, 2_600), range(2_600, 7_000), range(7_000, 10_000)]
    for part in parts:
        publish_wave(client, part)
        seen = client.xlen("alerts")
        alerter.start()
        # killed as soon as it has begun on these rows, of which it reads at most 1,000 at a time
        wait_until_sync(lambda seen=seen: client.xlen("alerts") > seen, 30, "alerts come in")
        alerter.kill()
    alerter.start()
    want = expected(range(10_000), 60)
    wait_until_sync(lambda: client.xlen("alerts") >= len(want), 30, "all alerts are there")
    publish(client, "1s", T0 + 10_000_000, None)
    wait_until_sync(
        lambda: f'"after_ms":{T0 + 10_000_000}' in client.hget("state:alerter", f"at:pairs:1s:{PAIR}"), 30, "all rows are judged"
    )
    assert [(alert["bar_ms"], alert["state"]) for alert in alerts(client)] == want
    assert all(alert["rule"] == "zscore" and alert["pair"] == PAIR for alert in alerts(client))
    assert all(int(alert["at_ms"]) > 1_700_000_000_000 for alert in alerts(client))


def test_standby_takes_over_and_repeats_nothing(client: Client, alerter: ServiceProcess, tmp_path: Path, redis_url: str) -> None:
    publish(client, "1s", T0, 3.0)
    alerter.start().wait_ready()
    wait_until_sync(lambda: client.xlen("alerts") == 1, 10, "the first fires")
    second = ServiceProcess("alerter", tmp_path, redis_url=redis_url, intervals="1s,1m").start()
    try:
        wait_until_sync(lambda: "standing by" in _readyz(second), 20, "the second stands by and says so")
        alerter.send(signal.SIGSTOP)
        publish(client, "1s", T0 + 1_000, 0.0)
        wait_until_sync(lambda: client.xlen("alerts") == 2, 20, "the second has taken over")
        alerter.send(signal.SIGCONT)
        publish(client, "1s", T0 + 100_000, 3.0)
        wait_until_sync(lambda: "standing by" in _readyz(alerter), 20, "the first sees that it was replaced")
        wait_until_sync(lambda: client.xlen("alerts") == 3, 20, "the third alert")
        assert [alert["state"] for alert in alerts(client)] == ["fired", "resolved", "fired"]
    finally:
        second.kill()


def _readyz(process: ServiceProcess) -> str:
    try:
        return process.get("/readyz").text
    except httpx.TransportError:
        return ""


def test_rules_over_http(client: Client, alerter: ServiceProcess) -> None:
    publish(client, "1s", T0, 5.0)
    alerter.start().wait_ready()
    wait_until_sync(lambda: client.xlen("alerts") == 1, 10, "the default rule fires")
    http = httpx.Client(base_url=f"http://127.0.0.1:{alerter.port}", timeout=10)

    (default,) = http.get("/rules").json()
    assert (default["name"], default["origin"], default["enter"], default["exit"]) == ("zscore", "default", 2.0, 0.5)

    made = http.post("/rules", json={"name": "high", "interval": "1s", "enter": 4, "exit": 1, "side": "above", "cooldown_s": 0})
    assert made.status_code == 201, made.text
    assert made.json()["since_ms"] == T0 + 1_000
    assert http.post("/rules", json={"name": "high", "enter": 4, "exit": 1}).status_code == 409
    wait_until_sync(lambda: json.loads(client.hget("rules", "high") or "{}"), 5, "the rule is in the table")

    # only later rows: the 5.0 of before does not fire it, although it is still beyond the threshold
    publish(client, "1s", T0 + 1_000, 3.5)
    second = 2
    while not any(alert["rule"] == "high" for alert in alerts(client)):
        publish(client, "1s", T0 + second * 1_000, 4.5)
        wait_until_sync(lambda s=second: f'"after_ms":{T0 + s * 1000}' in _checkpoint(client), 10, "judged")
        second += 1
        assert second < 30
    (alert,) = [alert for alert in alerts(client) if alert["rule"] == "high"]
    assert int(alert["bar_ms"]) > T0 + 1_000
    explain = json.loads(alert["explain"])
    assert (explain["zscore"], explain["rule"]["enter"], explain["rule"]["origin"]) == (4.5, 4.0, "http")

    changed = http.put("/rules/zscore", json={"name": "zscore", "enter": 6, "exit": 1})
    assert (changed.status_code, changed.json()["origin"], changed.json()["enter"]) == (200, "http", 6.0)
    assert http.put("/rules/none", json={"name": "none", "enter": 6, "exit": 1}).status_code == 404
    assert http.put("/rules/zscore", json={"name": "other", "enter": 6, "exit": 1}).status_code == 422
    unnamed = http.put("/rules/zscore", json={"enter": 6, "exit": 2})
    assert (unnamed.status_code, unnamed.json()["name"], unnamed.json()["exit"]) == (200, "zscore", 2.0)
    assert http.put("/rules/zscore", json={"enter": 6, "exit": True}).status_code == 422
    assert http.put("/rules/zscore", json={"name": "zscore", "enter": 6, "exit": 1}).status_code == 200
    assert http.delete("/rules/none").status_code == 404

    client.xadd("alerts", {"foo": "bar"})  # somebody else's, and the newest
    listed = http.get("/alerts", params={"limit": 1}).json()
    assert [(entry["rule"], entry["state"], entry["bar_ms"]) for entry in listed] == [("high", "fired", int(alert["bar_ms"]))]
    assert listed[0]["explain"] == explain

    # what was changed over HTTP outlives a restart
    alerter.kill()
    alerter.start().wait_ready()
    assert {rule["name"]: rule["enter"] for rule in http.get("/rules").json()} == {"high": 4.0, "zscore": 6.0}
    assert http.delete("/rules/high").status_code == 204
    assert [rule["name"] for rule in http.get("/rules").json()] == ["zscore"]
    metrics = http.get("/metrics").text
    assert "pairstream_rows_evaluated_total" in metrics
    http.close()


def _checkpoint(client: Client) -> str:
    return str(client.hget("state:alerter", f"at:pairs:1s:{PAIR}"))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"name": "a", "enter": 1, "exit": 3}, "exit (3) must be below enter (1)"),
        ({"name": "a", "enter": 0, "exit": 0}, "enter = 0: "),
        ({"name": "a", "enter": "x", "exit": 0}, "enter = 'x': "),
        ({"name": "a", "enter": 1001, "exit": 0}, "enter = 1001: "),
        ({"name": "a", "enter": 2, "exit": True}, "exit = True: "),
        ({"name": "a", "enter": "2", "exit": 1}, "enter = '2': "),
        ({"name": "a", "exit": 0}, "enter: is missing"),
        ({"name": "a/b", "enter": 2, "exit": 0}, "name = 'a/b': "),
        ({"name": "a", "enter": 2, "exit": 0, "pair": "ETHUSDT"}, "pair = 'ETHUSDT': 'ETHUSDT' is no pair"),
        ({"name": "a", "enter": 2, "exit": 0, "interval": "3m"}, "interval = '3m': not configured. Allowed: 1s, 1m or *"),
        ({"name": "a", "enter": 2, "exit": 0, "window": 3}, "window: there is no such field"),
        (["a"], "the body is no JSON object"),
    ],
)
async def test_wrong_rules_are_refused_in_plain_words(body: Any, says: str) -> None:
    transport = httpx.ASGITransport(alerter_app(Health("alerter"), RuleStore(["1s", "1m"])))
    async with httpx.AsyncClient(transport=transport, base_url="http://alerter") as http:
        answer = await http.post("/rules", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(says)


def test_configured_rules_are_refreshed_and_those_over_http_stay(
    client: Client, redis_url: str, tmp_path: Path, alerter: ServiceProcess
) -> None:
    alerter.start().wait_ready()
    http = {"name": "mine", "enter": 4, "exit": 1}
    assert httpx.post(f"http://127.0.0.1:{alerter.port}/rules", json=http).status_code == 201
    assert alerter.stop() == 0

    file = tmp_path / "rules.toml"
    file.write_text('[[rule]]\nname = "mine"\nenter = 9\nexit = 1\n[[rule]]\nname = "theirs"\nenter = 3\nexit = 1\n')
    configured = ServiceProcess("alerter", tmp_path, redis_url=redis_url, intervals="1s,1m", rules_file=file)

    def rules() -> dict[str, tuple[str, float]]:
        rows = {name: json.loads(text) for name, text in client.hgetall("rules").items()}
        return {name: (row["origin"], row["enter"]) for name, row in rows.items()}

    try:
        configured.start().wait_ready()
        assert rules() == {"mine": ("http", 4.0), "theirs": ("file", 3.0)}
        configured.stop()
        file.write_text('[[rule]]\nname = "new"\nenter = 2\nexit = 1\n')
        configured.start().wait_ready()
        assert rules() == {"mine": ("http", 4.0), "new": ("file", 2.0)}
        configured.stop()
        file.write_text('[[rule]]\nname = "new"\nenter = 2\nexit = 3\n')
        configured.start()
        process = configured.process
        assert process is not None
        assert process.wait(20) == 2
        assert f"PAIRSTREAM_RULES_FILE={file}: rule 1 (new): exit (3) must be below enter (2)" in configured.log.read_text()
    finally:
        configured.kill()


def test_it_takes_no_long_bodies_and_nothing_from_foreign_pages(client: Client, alerter: ServiceProcess) -> None:
    alerter.start().wait_ready()
    base = f"http://127.0.0.1:{alerter.port}"
    rule = {"name": "mine", "enter": 4, "exit": 1}
    for headers in ({"Origin": "https://example.org"}, {"Origin": "null"}, {"Host": "rebound.example.org"}):
        assert httpx.post(f"{base}/rules", json=rule, headers=headers).status_code == 403
    assert httpx.post(f"{base}/rules", content=b"x" * 1_000_001).status_code == 413

    process = alerter.process
    assert process is not None
    memory = Path(f"/proc/{process.pid}/status")
    before = _peak_kb(memory)
    for size_known in (True, False):
        assert _upload_status(alerter.port, 100_000_000, size_known) == 413
    assert _peak_kb(memory) - before < 20_000
    assert httpx.post(f"{base}/rules", json=rule, headers={"Origin": base}).status_code == 201


def _upload_status(port: int, size: int, size_known: bool) -> int:
    """The status that an upload is answered with, whether or not all of it could be sent."""
    sizing = f"Content-Length: {size}" if size_known else "Transfer-Encoding: chunked"
    head = f"POST /rules HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n{sizing}\r\n\r\n"
    part = b"x" * 65_536
    sent = part if size_known else b"10000\r\n" + part + b"\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(head.encode())
        with contextlib.suppress(OSError):
            for _ in range(size // len(part)):
                if select.select([line], [], [], 0)[0]:
                    break
                line.sendall(sent)
        return int(line.recv(100).split()[1])


def _peak_kb(status: Path) -> int:
    """The most memory a process has had; 0 where the system does not say so."""
    if not status.exists():
        return 0
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def test_waits_for_the_source_and_says_so(redis_url: str, alerter: ServiceProcess) -> None:
    alerter.start()
    wait_until_sync(lambda: "waiting for the ingestor" in _readyz(alerter), 20, "it says what it waits for")
    answer = alerter.get("/rules")
    assert (answer.status_code, answer.json()["detail"]) == (503, "the ingestor has not said yet what it runs on")


@pytest.mark.long
def test_rules_that_redis_lost_come_back_but_not_those_deleted_over_http(
    client: Client, redis_url: str, tmp_path: Path, alerter: ServiceProcess
) -> None:
    file = tmp_path / "rules.toml"
    file.write_text("".join(f'[[rule]]\nname = "{name}"\nenter = 3\nexit = 1\n' for name in ("kept", "gone", "changed")))
    process = ServiceProcess("alerter", tmp_path, redis_url=redis_url, intervals="1s,1m", rules_file=file)
    try:
        process.start().wait_ready()
        base = f"http://127.0.0.1:{process.port}/rules"
        assert httpx.delete(f"{base}/gone").status_code == 204
        assert httpx.put(f"{base}/changed", json={"enter": 7, "exit": 1}).status_code == 200
        client.hdel("rules", "kept")
        wait_until_sync(lambda: client.hexists("rules", "kept"), 15, "the lost rule is back")
        rows = {name: json.loads(text) for name, text in client.hgetall("rules").items()}
        assert {name: (row["origin"], row["enter"]) for name, row in rows.items()} == {
            "kept": ("file", 3.0),
            "changed": ("http", 7.0),
        }

        # Redis restarted empty while the services live
        client.flushall()
        client.hset("pairstream:source", mapping={"source": "none", "reason": "", "namespace": "", "started_ms": "1"})
        client.hset("pairs", PAIR, "{}")
        wait_until_sync(lambda: set(client.hkeys("rules")) == {"kept", "changed"}, 15, "rules are back, but the deleted one")
        publish(client, "1s", T0, 5.0)
        wait_until_sync(lambda: {alert["rule"] for alert in alerts(client)} == {"kept", "changed"}, 15, "they fire")

        process.stop()
        process.start().wait_ready()
        assert set(client.hkeys("rules")) == {"kept", "gone", "changed"}
    finally:
        process.kill()


def test_a_rule_on_all_intervals_begins_with_the_next_bar_of_each(client: Client, alerter: ServiceProcess) -> None:
    publish(client, "1m", T0, 0.0)  # closed early, at the end of a pass: its close time is later than what follows
    publish(client, "1s", T0 + 5_000, 0.0)
    alerter.start().wait_ready()
    made = httpx.post(f"http://127.0.0.1:{alerter.port}/rules", json={"name": "all", "enter": 4, "exit": 1})
    assert made.json()["since_ms_by_interval"] == {"1s": T0 + 6_000, "1m": T0 + 60_000}
    wait_until_sync(lambda: client.hexists("rules", "all"), 5, "the rule is in the table")

    def fired() -> list[int]:
        return [int(alert["bar_ms"]) for alert in alerts(client) if alert["rule"] == "all"]

    second = 6
    while not fired():
        publish(client, "1s", T0 + second * 1_000, 4.5)
        wait_until_sync(lambda s=second: f'"after_ms":{T0 + s * 1000}' in _checkpoint(client), 10, "judged")
        second += 1
        assert second < 50
    assert T0 + 6_000 <= fired()[0] < T0 + 60_000
    explain = json.loads(next(alert for alert in alerts(client) if alert["rule"] == "all")["explain"])
    assert explain["rule"]["since_ms"] == T0 + 6_000
