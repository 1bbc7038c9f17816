"""A session's bookkeeping, with a hub that reads nothing: the page is a list of what it was sent."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import structlog

from services.ui.commands import Analytics
from services.ui.feed import Hub
from services.ui.session import MAX_IN_FLIGHT, Session
from services.ui.settings import UiSettings
from services.ui.store import Store
from shared.health import Health
from shared.topics import Channel
from tests.builders import START_MS, bar

Y = Channel("bars", ("1s", "ETHUSDT"))


class Desk:
    """A session, its hub, and the turns and messages of its page."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        log = structlog.stdlib.get_logger()
        self.hub = Hub(Store(100), 100, Health("ui"), log)
        self.turns: list[Callable[[], None]] = []
        self.sent: list[dict[str, Any]] = []
        # nobody listens on port 9: the analytics is away
        analytics = Analytics(client, "http://127.0.0.1:9", log)
        settings = UiSettings(_env_file=None)  # type: ignore[call-arg]
        self.session = Session(self.hub, analytics, settings, self.sent.append, self.turns.append)

    def turn(self) -> list[dict[str, Any]]:
        """Run what is scheduled; answers what the page was sent thereby."""
        before = len(self.sent)
        turns, self.turns[:] = list(self.turns), []
        for call in turns:
            call()
        return self.sent[before:]

    def show(self, **choices: Any) -> list[dict[str, Any]]:
        self.session.on_message({"type": "show", **choices})
        return self.turn()

    def begin(self) -> None:
        """What the hub's loop does for the streams that are wanted."""
        for channel in list(self.hub._wanted):
            self.hub.store.begin(channel)


@pytest.fixture
async def desk() -> Any:
    async with httpx.AsyncClient() as client:
        yield Desk(client)


async def test_first_show_gives_the_first_pair_and_holds_its_streams(desk: Desk) -> None:
    first, *_ = desk.show()
    assert (first["pair"], first["interval"], first["window"], first["row"]) == ("ETHUSDT~BTCUSDT", "1s", 300, "ETHUSDT~BTCUSDT")
    assert set(map(str, desk.hub._wanted)) == {
        "bars:1s:ETHUSDT", "bars:1s:BTCUSDT", "pairs:1s:ETHUSDT~BTCUSDT", "tests:1s:ETHUSDT~BTCUSDT",
    }  # fmt: skip
    assert desk.hub.session_count == 1


async def test_many_changes_are_one_update_and_nothing_is_sent_twice(desk: Desk) -> None:
    desk.show()
    desk.begin()
    for number in range(5):
        desk.hub.store.apply(Y, "", bar("ETHUSDT", START_MS + number * 1000, "3400.00"))
        desk.session.on_change()
    assert len(desk.turns) == 1
    (update,) = desk.turn()
    assert update["chart"]["y"]["rows"] == 5
    desk.session.on_change()
    (update,) = desk.turn()
    assert update.keys() == {"type", "view", "status"}


async def test_a_page_that_does_not_confirm_gets_no_more_and_then_all_at_once(desk: Desk) -> None:
    desk.show()
    desk.begin()
    for number in range(10):
        desk.hub.store.apply(Y, "", bar("ETHUSDT", START_MS + number * 1000, "3400.00"))
        desk.session.on_change()
        desk.turn()
    updates = [message for message in desk.sent if message["type"] == "update"]
    assert len(updates) == MAX_IN_FLIGHT
    received = sum(update.get("chart", {}).get("y", {}).get("rows", 0) for update in updates)
    desk.session.on_message({"type": "got"})
    desk.session.on_change()
    (update,) = desk.turn()
    assert received + update["chart"]["y"]["rows"] == 10


async def test_change_of_view_lets_go_of_the_old_streams(desk: Desk) -> None:
    desk.hub.pairs = {"ETHUSDT~BTCUSDT": "{}", "SOLUSDT~BNBUSDT": "{}"}
    desk.show()
    first, *_ = desk.show(pair="SOLUSDT~BNBUSDT", interval="1m")
    assert (first["pair"], first["interval"], first["window"]) == ("SOLUSDT~BNBUSDT", "1m", 120)
    assert {channel.parameters[1] for channel in desk.hub._wanted} == {"SOLUSDT", "BNBUSDT", "SOLUSDT~BNBUSDT"}
    desk.session.on_message({"type": "bye"})
    assert not desk.hub._wanted
    assert desk.hub.session_count == 0


async def test_a_page_that_wakes_up_is_asked_to_choose_again(desk: Desk) -> None:
    desk.show()
    desk.session.close()
    desk.session.close()
    desk.session.on_message({"type": "got"})
    assert desk.turn() == [{"type": "again"}]
    first, *_ = desk.show()
    assert first["type"] == "view"
    assert desk.hub.session_count == 1


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"pair": "ETHUSDT"}, "is no pair"),
        ({"pair": "<img src=x>~BTCUSDT"}, "is no symbol"),
        ({"pair": "BTCUSDT~BTCUSDT"}, "pairs a symbol with itself"),
        ({"interval": "7s"}, "there are 1s, 1m, 5m"),
        ({"window": "3"}, "from 10 to 100000"),
        ({"pair": ["ETHUSDT"]}, "is no"),
    ],
)
async def test_a_choice_that_cannot_be_shown_is_said_and_changes_nothing(desk: Desk, choice: dict[str, Any], said: str) -> None:
    desk.show(interval="1m")
    notice, view, *_ = desk.show(**choice)
    assert notice["type"] == "notice"
    assert said in notice["text"]
    assert (view["pair"], view["interval"]) == ("ETHUSDT~BTCUSDT", "1m")


async def test_a_bad_address_shows_the_first_choice(desk: Desk) -> None:
    notice, view, *_ = desk.show(pair="nonsense", interval="1m", window="600")
    assert notice["type"] == "notice"
    assert (view["pair"], view["interval"], view["window"]) == ("ETHUSDT~BTCUSDT", "1s", 300)


async def test_a_test_without_analytics_is_refused_with_the_reason(desk: Desk) -> None:
    desk.show()
    desk.session.on_message({"type": "test", "window": "3600"})
    await next(iter(desk.session._tasks))
    (answer,) = desk.turn()
    assert answer == {"type": "tested", "view": 1, "refused": "the analytics service does not answer (ConnectError)"}
