"""One browser page: what it looks at, how far it has got, and what it is sent."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from services.ui.commands import Analytics, Variant
from services.ui.feed import Hub
from services.ui.settings import UiSettings
from services.ui.store import NOTHING_YET
from services.ui.views.alerts import alert_rows
from services.ui.views.chart import Cursors, chart
from services.ui.views.report import report
from services.ui.views.status import status
from services.ui.views.summary import summary
from services.ui.views.view import View, parse_window
from shared.errors import BadInput, PairstreamError
from shared.symbols import Pair
from shared.topics import Channel

MAX_IN_FLIGHT = 3
"""Updates sent and not yet confirmed by the page: a page that does not keep up gets fewer and larger ones."""
SILENT_S = 15.0
"""A page that has confirmed nothing for so long is gone, frozen or asleep: nothing is held for it until it speaks again."""


class Session:
    """Latest wins: a change in the hub sets one flag and asks for one `flush`, which sends all that the page lacks."""

    def __init__(
        self,
        hub: Hub,
        analytics: Analytics,
        settings: UiSettings,
        send: Callable[[dict[str, Any]], None],
        schedule: Callable[[Callable[[], None]], object],
    ) -> None:
        """`schedule` runs a callback soon, in the page's turn; `send` gives the page a message in such a turn."""
        self._hub = hub
        self._analytics = analytics
        self._settings = settings
        self._send = send
        self._schedule = schedule
        self._pending = False
        self._in_flight = 0
        self._heard_s = time.monotonic()
        self._closed = False
        self._view: View | None = None
        self._view_id = 0
        self._held: list[Channel] = []
        self._variant: Variant | None = None
        self._cursors: Cursors = {}
        self._alerts_cursor = NOTHING_YET
        self._sent: dict[str, Any] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def on_message(self, message: Mapping[str, Any]) -> None:
        """A message of the page: ``show`` (choices), ``got`` (an update has come), ``test`` (run the tests), ``bye``."""
        self._heard_s = time.monotonic()
        kind = message.get("type")
        if self._closed and kind not in ("show", "bye"):
            self._tell({"type": "again"})
            return
        match kind:
            case "show":
                self._closed = False
                self._in_flight = 0
                self._hub.listen(self.on_change)
                self._show(message)
            case "got":
                self._in_flight = max(0, self._in_flight - 1)
            case "test":
                self._start(self._test(message.get("window")))
            case "bye":
                self.close()

    def on_change(self) -> None:
        """Something is new in the hub."""
        if self._pending:
            return
        if self._in_flight >= MAX_IN_FLIGHT:
            if time.monotonic() - self._heard_s > SILENT_S:
                self.close()
            return
        self._pending = True
        self._schedule(self.flush)

    def flush(self) -> None:
        """Send what the page lacks, in one message."""
        self._pending = False
        self._in_flight += 1
        self._send(self.update())

    def close(self) -> None:
        """The page is gone: nothing is held for it any more. May be called twice."""
        self._closed = True
        self._hub.unlisten(self.on_change)
        self._leave()
        for task in self._tasks:
            task.cancel()

    def update(self) -> dict[str, Any]:
        """All that the page lacks; parts that have not changed are left out."""
        hub, view, store = self._hub, self._view, self._hub.store
        message: dict[str, Any] = {"type": "update", "view": self._view_id, "status": status(hub.state, view, time.monotonic())}
        rows, reset, self._alerts_cursor = store.alerts_since(self._alerts_cursor)
        if rows or reset:
            message["alerts"] = {"reset": reset, "rows": alert_rows(rows)}
        parts: dict[str, Any] = {"choices": self._choices()}
        if view is not None:
            if series := chart(store, view, self._cursors):
                message["chart"] = series
            parts["summary"] = summary(store, hub.state, view)
            parts["report"] = report(store.reports.get(view.tests))
        for name, part in parts.items():
            if self._sent.get(name) != part:
                self._sent[name] = message[name] = part
        return message

    def _choices(self) -> dict[str, Any]:
        computed = [row for row in self._hub.pairs if "@" not in row]
        return {
            "pairs": sorted(dict.fromkeys(computed)) or self._settings.pairs,
            "symbols": self._hub.symbols,
            "intervals": self._settings.intervals,
            "windows": {interval: self._settings.window_bars(interval) for interval in self._settings.intervals},
            "z_enter": self._settings.z_enter,
            "z_exit": self._settings.z_exit,
        }

    def _show(self, message: Mapping[str, Any]) -> None:
        """Change to another pair, interval or window; what cannot be shown is said and the first choice shown instead."""
        settings = self._settings
        try:
            pair = Pair.parse(str(message.get("pair") or settings.pairs[0]))
            interval = str(message.get("interval") or settings.intervals[0])
            if interval not in settings.intervals:
                raise BadInput(f"there are no bars of {interval!r}; there are {', '.join(settings.intervals)}")
            window = parse_window(message.get("window"), settings.window_bars(interval))
        except BadInput as error:
            self._notice(str(error))
            if self._view is not None:
                self._announce()
                return
            pair, interval = Pair.parse(settings.pairs[0]), settings.intervals[0]
            window = settings.window_bars(interval)
        row = str(pair) if window == settings.window_bars(interval) and self._computed(pair) else None
        self._leave()
        self._enter(View(pair, interval, window, row))
        self._announce()
        if row is None:
            self._start(self._ask(self._view_id, (pair, window)))
        self.on_change()

    def _computed(self, pair: Pair) -> bool:
        return str(pair) in (self._hub.pairs or self._settings.pairs)

    def _enter(self, view: View) -> None:
        self._view_id += 1
        self._view = view
        self._held = view.channels()
        self._hub.hold(self._held)
        self._cursors.clear()
        self._sent.clear()

    def _leave(self) -> None:
        self._hub.release(self._held)
        self._held = []
        if self._variant is not None:
            self._analytics.hide(self._variant)
            self._variant = None

    async def _ask(self, view_id: int, variant: Variant) -> None:
        """Have the analytics compute what nobody computes yet, then follow it, unless the page has moved on."""
        try:
            row = await self._analytics.variant(variant)
        except PairstreamError as error:
            if view_id == self._view_id:
                self._tell({"type": "refused", "view": view_id, "text": str(error)})
            return
        if view_id != self._view_id or self._view is None:
            return
        self._variant = variant
        self._analytics.show(variant)
        self._view = self._view._replace(row=row)
        if self._view.stats is not None:
            self._held.append(self._view.stats)
            self._hub.hold([self._view.stats])
        self._tell(self._announcement())

    async def _test(self, window: object) -> None:
        view, view_id = self._view, self._view_id
        if view is None:
            return
        try:
            found = await self._analytics.report(view.pair, view.interval, parse_window(window, view.window))
        except PairstreamError as error:
            self._tell({"type": "tested", "view": view_id, "refused": str(error)})
        else:
            self._tell({"type": "tested", "view": view_id, "report": found})

    def _announcement(self) -> dict[str, Any]:
        assert self._view is not None
        view = self._view
        return {
            "type": "view",
            "view": self._view_id,
            "pair": str(view.pair),
            "interval": view.interval,
            "window": view.window,
            "configured": self._settings.window_bars(view.interval),
            "row": view.row,
        }

    def _announce(self) -> None:
        self._tell(self._announcement())

    def _notice(self, text: str) -> None:
        self._tell({"type": "notice", "text": text})

    def _tell(self, message: dict[str, Any]) -> None:
        self._schedule(lambda: self._send(message))

    def _start(self, job: Any) -> None:
        task = asyncio.get_running_loop().create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
