"""The screen in a real browser: it draws, follows, keeps still under the hand, and says when its data is dead."""

import csv
import json
import re
import signal
from collections.abc import Callable, Iterator
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.builders import START_MS
from tests.e2e.screen_stack import HOLE_AT, HOLE_S, NAMESPACE, OTHER_PAIR, PAIR, WINDOW, Z_ENTER, ScreenStack
from tests.waiting import wait_until_sync

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PLOT = "document.getElementById('plot')"
BLUE, AMBER, VIOLET = (0x4A, 0xA8, 0xFF), (0xF5, 0xA5, 0x24), (0xB4, 0x8C, 0xFF)
TEAL, RED = (0x2F, 0xBF, 0x9B), (0xF0, 0x61, 0x6D)
LINES = {"Y": (BLUE, 300), "X": (AMBER, 300), "z": (VIOLET, 300), "correlation": (TEAL, 300)}
"""What is drawn in which colour, and how many pixels of it there are at least."""
LONG_MS = 30_000


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScreenStack]:
    stack = ScreenStack(tmp_path_factory.mktemp("screen"))
    try:
        yield stack.start()
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


class Tab:
    """A page, and what it did that it should not."""

    def __init__(self, context: BrowserContext, stack: ScreenStack) -> None:
        self.stack = stack
        self.foreign: list[str] = []
        self.errors: list[str] = []
        context.route("**/*", self._guard)
        self.page = context.new_page()
        self.page.on("console", lambda message: message.type in ("error", "warning") and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _guard(self, route: Any) -> None:
        url = route.request.url
        if url.startswith((self.stack.url, "data:", "blob:")):
            route.continue_()
        else:
            self.foreign.append(url)
            route.abort()

    def open(self, query: str = "") -> Page:
        """Load the page and wait until something is drawn."""
        self.page.goto(f"{self.stack.url}/{query}")
        self.page.wait_for_selector("#plot .main-svg", timeout=LONG_MS)
        return self.page


@pytest.fixture
def tabs(stack: ScreenStack, browser: Browser) -> Iterator[Callable[..., Tab]]:
    """Makes pages; in the end none may have asked another host for anything."""
    made: list[tuple[BrowserContext, Tab]] = []

    def make(width: int = 1440, height: int = 900) -> Tab:
        context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
        made.append((context, Tab(context, stack)))
        return made[-1][1]

    yield make
    for context, tab in made:
        context.close()
        assert tab.foreign == []


@pytest.fixture
def tab(tabs: Callable[..., Tab]) -> Iterator[Tab]:
    """A page on a desktop whose console must stay clean."""
    tab = tabs()
    yield tab
    assert tab.errors == []


def exact(page: Page, name: str) -> str:
    """A statistic on the page with all its digits."""
    return page.locator(f"#stat-{name}").get_attribute("data-exact") or ""


def shown(page: Page) -> dict[str, str]:
    """All statistics on the page at one moment, with all their digits."""
    script = "Object.fromEntries([...document.querySelectorAll('#statistics td[id]')].map(n => [n.id.slice(5), n.dataset.exact]))"
    found: dict[str, str] = page.evaluate(script)
    return found


def draws(page: Page) -> int:
    return int(page.evaluate(f"Number({PLOT}.dataset.draws)"))


def span(page: Page) -> list[str]:
    """The drawn time axis."""
    found: list[str] = page.evaluate(f"{PLOT}._fullLayout.xaxis.range.map(String)")
    return found


def has_z(page: Page) -> None:
    """Wait until the newest statistics have a z-score."""
    page.wait_for_function("document.getElementById('stat-zscore')?.dataset.exact", timeout=LONG_MS)


def pixels(page: Page, colour: tuple[int, int, int]) -> int:
    """How many pixels of the chart's drawing area are of about this colour."""
    image = Image.open(BytesIO(page.locator("#plot").screenshot())).convert("RGB")
    area = np.asarray(image.crop((0, 40, image.width - 90, image.height)), dtype=int)
    return int((np.abs(area - colour) < 40).all(axis=2).sum())


def share_of_row(page: Page, zscore: float, colour: tuple[int, int, int]) -> float:
    """Share of the columns of the chart that show about this hue where the z-score's axis is at this value."""
    row = page.evaluate(f"(a => a._offset + a.l2p({zscore}))({PLOT}._fullLayout.yaxis4)")
    image = np.asarray(Image.open(BytesIO(page.locator("#plot").screenshot())).convert("RGB"), dtype=int)
    near = image[round(row) - 1 : round(row) + 2, :-90]
    strongest = int(np.argmax(colour))
    # thin lines are blended with what is under them: their hue stays
    others = np.delete(near, strongest, axis=2).max(axis=2)
    return float((near[:, :, strongest] > others + 15).any(axis=0).mean())


def test_first_page_is_full(tab: Tab) -> None:
    page = tab.open()
    has_z(page)
    expect(page).to_have_title(f"{PAIR} 1s · Pairstream")
    expect(page.locator("#feed-label")).to_have_text("SIMULATED", timeout=LONG_MS)
    expect(page.locator("#feed-reason")).to_have_text("asked for <b>by a test</b>")
    expect(page.locator("#clock")).to_have_text(re.compile(r"^data \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$"))
    for name in ("y", "x", "hedge", "spread", "z", "rho"):
        expect(page.locator(f"#kpi-{name}")).to_have_text(re.compile(r"\d"))
    expect(page.locator("#stat-coverage")).to_have_text(f"{WINDOW} of {WINDOW}")
    for name, (colour, least) in LINES.items():
        assert pixels(page, colour) >= least, f"{name} is not drawn"
    for sign, colour in ((1, RED), (-1, TEAL)):
        assert share_of_row(page, sign * Z_ENTER, colour) > 0.2, "the threshold is not drawn"
    assert "pair=ETHUSDT~BTCUSDT" in page.url


def test_values_move_and_are_those_of_the_topics(tab: Tab, stack: ScreenStack) -> None:
    page = tab.open()
    has_z(page)
    seen: dict[str, dict[str, str]] = {}

    def four_bars() -> bool:
        values = shown(page)
        seen[values["open_time_ms"]] = values
        return len(seen) >= 4

    wait_until_sync(four_bars, 30, "statistics of four bars")
    same = ("hedge_ratio", "intercept", "r_squared", "spread", "spread_mean", "spread_std", "zscore", "correlation", "y", "x")
    for open_time_ms, values in seen.items():
        entry = stack.entry(f"pairs:1s:{PAIR}", open_time_ms)
        assert {name: values[name] for name in same} == {name: entry[name] for name in same}
        assert values.get("half_life_bars", "") == entry.get("half_life_bars", "")
        assert Decimal(values["y"]) == Decimal(stack.entry("bars:1s:ETHUSDT", open_time_ms)["close"])
    # what is drawn is what has come: the chart's own last point against the topic
    time_ms, z = page.evaluate(f"((t) => [t.x.at(-1), t.y.at(-1)])({PLOT}.data.find(d => d.name === 'z'))")
    assert float(stack.entry(f"pairs:1s:{PAIR}", str(time_ms))["zscore"]) == z


def test_zoom_survives_ten_updates_and_live_returns(tab: Tab) -> None:
    page = tab.open()
    has_z(page)
    expect(page.locator("#live")).to_be_hidden()
    box = page.locator("#plot").bounding_box()
    assert box
    x, y = box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.2
    whole = span(page)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    expect(page.locator("#live")).to_be_visible()
    zoomed = span(page)
    assert zoomed[0] > whole[0]

    page.mouse.down()
    page.mouse.move(x + 120, y, steps=6)
    before = draws(page)
    bar = exact(page, "open_time_ms")
    page.wait_for_function(f"document.getElementById('stat-open_time_ms').dataset.exact > '{bar}'", timeout=LONG_MS)
    assert draws(page) == before, "the chart is drawn anew while the hand is on it"
    page.mouse.up()
    page.wait_for_function(f"Number({PLOT}.dataset.draws) > {before}", timeout=LONG_MS)
    panned = span(page)
    assert panned[0] < zoomed[0]

    start = draws(page)
    page.wait_for_function(f"Number({PLOT}.dataset.draws) >= {start + 10}", timeout=LONG_MS)
    assert span(page) == panned

    page.locator("#live").click()
    page.wait_for_function(f"{PLOT}.dataset.following === 'true'", timeout=LONG_MS)
    assert span(page)[1] > panned[1]
    page.mouse.move(x, y)
    page.mouse.wheel(0, -400)
    expect(page.locator("#live")).to_be_visible()
    page.mouse.dblclick(x, y)
    page.wait_for_function(f"{PLOT}.dataset.following === 'true'", timeout=LONG_MS)
    assert span(page)[0] <= whole[0]


def test_hover_lists_every_series_at_one_time(tab: Tab) -> None:
    page = tab.open()
    has_z(page)
    box = page.locator("#plot").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.3)
    legend = page.locator("#plot .hoverlayer .legend")
    for name in ("ETHUSDT", "BTCUSDT", "spread", "z ", "ρ"):
        expect(legend).to_contain_text(name, timeout=LONG_MS)


def test_hole_in_the_bars_is_a_hole_in_the_lines(tab: Tab) -> None:
    page = tab.open()
    has_z(page)
    hole = START_MS + HOLE_AT * 1000
    within = page.evaluate(
        f"({PLOT}.data).filter(d => ['ETHUSDT', 'z'].includes(d.name)).map(d => d.y[d.x.findIndex(t => t >= {hole})])"
    )
    assert within == [None, None]
    following = page.evaluate(f"{PLOT}.data[0].x.find(t => t > {hole})")
    assert following == hole + HOLE_S * 1000
    pieces = page.evaluate("document.querySelector('#plot .scatterlayer .trace').querySelectorAll('path.js-line').length")
    assert pieces >= 2


def test_pair_interval_and_candles(tab: Tab) -> None:
    page = tab.open()
    page.select_option("#pair", OTHER_PAIR)
    expect(page).to_have_title(f"{OTHER_PAIR} 1s · Pairstream")
    page.wait_for_function(f"{PLOT}.data[0].name === 'SOLUSDT' && {PLOT}.data[0].x.length > 100", timeout=LONG_MS)
    expect(page.locator("#statistics")).to_contain_text("BNBUSDT close")
    assert f"pair={OTHER_PAIR}" in page.url
    page.go_back()
    expect(page.locator("#chart-title")).to_contain_text("ETHUSDT / BTCUSDT")
    page.locator("#intervals button[data-value='1m']").click()
    # coefficients come from the bars before the newest: 24 of the 25
    expect(page.locator("#note")).to_have_text(f"Warming up: 24 of {WINDOW} bars", timeout=LONG_MS)
    assert "interval=1m" in page.url
    page.wait_for_function(f"{PLOT}.data[0].x.length === 25", timeout=LONG_MS)
    page.locator("#intervals button[data-value='5m']").click()
    expect(page.locator("#note")).to_contain_text("Waiting for the first 5m bar of ETHUSDT and BTCUSDT", timeout=LONG_MS)
    page.locator("#intervals button[data-value='1s']").click()
    has_z(page)
    page.locator("#modes button[data-value='y']").click()
    page.wait_for_function(f"{PLOT}.data[0].type === 'candlestick' && {PLOT}.data[0].close.length > 50", timeout=LONG_MS)
    assert pixels(page, TEAL) > 300
    assert pixels(page, RED) > 300


def test_rapid_changes_end_at_the_last(tab: Tab) -> None:
    page = tab.open()
    for pair in [OTHER_PAIR, PAIR] * 5 + [OTHER_PAIR]:
        page.select_option("#pair", pair)
    expect(page).to_have_title(f"{OTHER_PAIR} 1s · Pairstream")
    page.wait_for_function(f"{PLOT}.data[0].name === 'SOLUSDT' && {PLOT}.data[0].x.length > 100", timeout=LONG_MS)
    names = page.evaluate(f"{PLOT}.data.slice(0, 2).map(d => d.name)")
    assert names == ["SOLUSDT", "BNBUSDT"]


def test_window_of_its_own_comes_from_a_variant(tab: Tab, stack: ScreenStack) -> None:
    page = tab.open()
    has_z(page)
    page.fill("#window", "90")
    page.press("#window", "Enter")
    expect(page.locator("#stat-coverage")).to_have_text("90 of 90", timeout=LONG_MS)
    has_z(page)
    assert "window=90" in page.url
    values = shown(page)
    entry = stack.entry(f"pairs:1s:{PAIR}@w90", values["open_time_ms"])
    assert (values["zscore"], values["hedge_ratio"]) == (entry["zscore"], entry["hedge_ratio"])
    expect(page.locator("#alerts-note")).to_contain_text(f"configured window of {WINDOW} bars")
    assert page.evaluate(f"{PLOT}.data.find(d => d.name === 'alert').x.length") == 0
    page.reload()
    expect(page.locator("#chart-title")).to_contain_text("window 90", timeout=LONG_MS)
    page.fill("#window", "3")
    page.press("#window", "Enter")
    expect(page.locator(".notice")).to_contain_text("from 10 to 100000")
    expect(page.locator("#chart-title")).to_contain_text("window 90")


def test_tests_are_run_on_demand(tab: Tab, stack: ScreenStack) -> None:
    page = tab.open()
    has_z(page)
    page.fill("#test-window", "250")
    page.click("#test")
    expect(page.locator("#test")).to_be_disabled()
    expect(page.locator("#report .verdict")).to_be_visible(timeout=60_000)
    expect(page.locator("#test")).to_be_enabled()
    ((_, report),) = stack.client.xrevrange(f"{NAMESPACE}:tests:1s:{PAIR}", count=1)
    expect(page.locator("#report .verdict")).to_have_text(report["verdict"])
    first = json.loads(report["tests"])[0]
    expect(page.locator("#report")).to_contain_text(f"{first['statistic']:.3f}".replace("-", "−"))
    page.reload()
    expect(page.locator("#report .verdict")).to_have_text(report["verdict"], timeout=LONG_MS)


def test_refused_test_says_why(tab: Tab) -> None:
    page = tab.open("?pair=NOBODY~BTCUSDT")
    expect(page.locator("#note")).to_be_visible(timeout=LONG_MS)
    page.click("#test")
    expect(page.locator("#report .refused")).to_contain_text("Not tested.", timeout=60_000)
    expect(page.locator("#report .refused")).to_contain_text("NOBODY")
    expect(page.locator("#test")).to_be_enabled()


def test_alert_appears_once_and_survives_a_reload(tab: Tab, stack: ScreenStack) -> None:
    page = tab.open()
    rows = page.locator("#alerts li[data-id]")
    count = wait_until_sync(lambda: rows.count(), 30, "an alert")
    wait_until_sync(lambda: rows.count() > count, 60, "one more alert")

    def same() -> bool:
        listed = page.evaluate("[...document.querySelectorAll('#alerts li[data-id]')].map(n => n.dataset.id)")
        stored = [entry_id for entry_id, _ in stack.client.xrevrange(f"{NAMESPACE}:alerts", count=200)]
        return bool(listed == stored)

    wait_until_sync(same, 30, "the log is the topic, newest first, each once")
    expect(rows.first.locator(".rule")).to_have_text(re.compile("^1[sm] · zscore$"))
    newest = rows.first
    newest.locator("summary").click()
    expect(newest.locator("p")).to_contain_text("against")
    page.reload()
    wait_until_sync(same, 30, "the log is the topic after a reload")


def test_downloads(tab: Tab, stack: ScreenStack, tmp_path: Path) -> None:
    page = tab.open()
    has_z(page)
    values = shown(page)

    def saved(text: str) -> list[dict[str, str]]:
        with page.expect_download(timeout=LONG_MS) as download:
            page.locator("#downloads a", has_text=text).click()
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        with path.open(encoding="utf-8", newline="") as lines:
            return list(csv.DictReader(lines))

    bars = {row["open_time_ms"]: row for row in saved("bars + statistics")}
    assert len(bars) >= 300
    row = bars[values["open_time_ms"]]
    assert (row["zscore"], row["hedge_ratio"], row["y_close"]) == (values["zscore"], values["hedge_ratio"], values["y"])
    stored = stack.client.xlen(f"{NAMESPACE}:ticks:ETHUSDT")
    assert len(saved("ETHUSDT ticks")) >= stored


@pytest.mark.long
def test_two_pages_do_not_mix_and_share_one_subscription(tabs: Callable[..., Tab], stack: ScreenStack) -> None:
    wait_until_sync(lambda: stack.metric("ui_sessions") == 0, 60, "pages of other tests are gone")
    first, second, third = (tabs().open(query) for query in (f"?pair={PAIR}", f"?pair={OTHER_PAIR}", f"?pair={PAIR}"))
    for page in (first, second, third):
        has_z(page)
    for page, symbol in ((first, "ETHUSDT"), (second, "SOLUSDT"), (third, "ETHUSDT")):
        start = draws(page)
        page.wait_for_function(f"Number({PLOT}.dataset.draws) > {start + 2}", timeout=LONG_MS)
        assert page.evaluate(f"{PLOT}.data[0].name") == symbol
    assert stack.metric("ui_sessions") == 3
    # alerts, and per pair two legs, statistics and reports: however many pages show it
    assert stack.metric("streams_followed") == 1 + 2 * 4
    for page in (first, second, third):
        page.close()
    wait_until_sync(lambda: stack.metric("ui_sessions") == 0, 60, "closed pages are forgotten")
    wait_until_sync(lambda: stack.metric("streams_followed") == 1, 10, "nobody's streams are left")


def test_telephone(tabs: Callable[..., Tab]) -> None:
    tab = tabs(390, 844)
    page = tab.open()
    has_z(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    small = page.evaluate(
        "[...document.querySelectorAll('button, select, input')]"
        ".filter(n => n.offsetParent && n.getBoundingClientRect().height < 40).map(n => n.id || n.textContent)"
    )
    assert small == []
    assert pixels(page, BLUE) > 100
    assert tab.errors == []


OVERFLOW = """() => {
  const shown = [...document.querySelectorAll('.desk *')]
    .filter(n => n.getClientRects().length && !n.closest('#plot, .scroll, legend'))
  const cut = shown.filter(n => n.clientWidth && n.scrollWidth > n.clientWidth + 1)
  const control = n => ['INPUT', 'SELECT', 'BUTTON'].includes(n.tagName)
  const written = shown.filter(n => control(n) || [...n.childNodes].some(c => c.nodeType === 3 && c.textContent.trim()))
    .filter(n => !n.closest('option') && !n.matches('.note, .pill'))
  const boxes = written.map(n => {
    const range = document.createRange()
    range.selectNodeContents(n)
    return [n, control(n) ? n.getBoundingClientRect() : range.getBoundingClientRect()]
  })
  const over = boxes.flatMap(([a, p], i) => boxes.slice(i + 1).filter(([b, q]) => !a.contains(b) && !b.contains(a)
    && Math.min(p.right, q.right) - Math.max(p.left, q.left) > 1 && Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top) > 2)
    .map(([b]) => `${a.textContent} / ${b.textContent}`))
  return [...cut.map(n => n.textContent), ...over]
}"""
"""Texts that are cut or lie on one another."""


@pytest.mark.parametrize("width", [1920, 1440, 1024, 390])
def test_long_symbols_are_neither_cut_nor_on_one_another(tabs: Callable[..., Tab], width: int) -> None:
    page = tabs(width, 900).open("?pair=1000SHIBUSDT~1000PEPEUSDT")
    expect(page.locator("#chart-title")).to_contain_text("1000SHIBUSDT / 1000PEPEUSDT")
    assert page.evaluate(OVERFLOW) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.long
def test_a_symbol_that_is_not_followed_is_said(tab: Tab) -> None:
    page = tab.open("?pair=ADAUSDT~BTCUSDT")
    expect(page.locator("#note")).to_have_text(
        "ADAUSDT has no bars: it is not among the followed symbols (BNBUSDT, BTCUSDT, ETHUSDT, SOLUSDT)", timeout=LONG_MS
    )
    expect(page.locator("#feed-label")).to_have_text("NO DATA", timeout=LONG_MS)
    expect(page.locator("#feed-reason")).to_have_text("SIMULATED: ADAUSDT not followed")


def test_dead_feed_is_obvious(tab: Tab, stack: ScreenStack) -> None:
    page = tab.open()
    expect(page.locator("#feed-label")).to_have_text("SIMULATED", timeout=LONG_MS)
    stack.halt()
    try:
        expect(page.locator("#feed-label")).to_have_text("STALE", timeout=LONG_MS)
        expect(page.locator("#feed-label")).to_have_text("NO DATA", timeout=LONG_MS)
        expect(page.locator("#feed-reason")).to_contain_text("SIMULATED: no trade of")
        expect(page.locator("#feed-age")).to_have_text(re.compile(r"^1\d(\.\d)? s$"), timeout=LONG_MS)
    finally:
        stack.trade()
    expect(page.locator("#feed-label")).to_have_text("SIMULATED", timeout=LONG_MS)


def test_page_says_that_redis_is_away_and_when_it_is_back(tab: Tab, stack: ScreenStack) -> None:
    page = tab.open()
    has_z(page)
    banner = page.locator("#banner")
    expect(banner).to_be_hidden()
    box = page.locator("#plot").bounding_box()
    assert box
    page.mouse.move(box["x"] + 400, box["y"] + 100)
    page.mouse.wheel(0, -400)
    expect(page.locator("#live")).to_be_visible()
    stack.redis.kill()
    try:
        expect(banner).to_contain_text("Redis is away since", timeout=LONG_MS)
        assert stack.ui.get("/readyz").status_code == 503
        zoomed = span(page)
        bar = exact(page, "open_time_ms")
    finally:
        stack.redis.start()
    expect(banner).to_be_hidden(timeout=LONG_MS)
    page.wait_for_function(f"document.getElementById('stat-open_time_ms').dataset.exact > '{bar}'", timeout=60_000)
    assert span(page) == zoomed
    expect(page.locator("#feed-label")).to_have_text("SIMULATED", timeout=LONG_MS)
    wait_until_sync(lambda: stack.ui.get("/readyz").status_code == 200, 20, "the UI is ready again")


def test_frozen_server_shows_by_itself(tab: Tab, stack: ScreenStack) -> None:
    page = tab.open()
    has_z(page)
    stack.ui.send(signal.SIGSTOP)
    try:
        expect(page.locator("#banner")).to_contain_text("Connection to the server lost", timeout=LONG_MS)
        expect(page.locator("#feed-label")).to_have_text("NO DATA")
    finally:
        stack.ui.send(signal.SIGCONT)
    expect(page.locator("#banner")).to_be_hidden(timeout=LONG_MS)


@pytest.mark.long
def test_restarted_server_gets_its_pages_back(tabs: Callable[..., Tab], stack: ScreenStack) -> None:
    tab = tabs()
    page = tab.open(f"?pair={OTHER_PAIR}&interval=1s&window=90")
    expect(page.locator("#stat-coverage")).to_have_text("90 of 90", timeout=LONG_MS)
    assert stack.ui.stop() == 0
    expect(page.locator("#banner")).to_contain_text("Connection to the server lost", timeout=LONG_MS)
    stack.ui.start().wait_ready()
    expect(page.locator("#banner")).to_be_hidden(timeout=60_000)
    expect(page.locator("#chart-title")).to_contain_text("SOLUSDT / BNBUSDT", timeout=LONG_MS)
    expect(page.locator("#stat-coverage")).to_have_text("90 of 90", timeout=LONG_MS)
