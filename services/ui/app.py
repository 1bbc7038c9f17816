"""The page and its server: Panel on Tornado within the service's own event loop."""

import asyncio
import signal
from hashlib import sha256
from pathlib import Path
from typing import Any

import bokeh
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop

from services.ui.commands import Analytics
from services.ui.feed import Hub
from services.ui.handlers import SecurityHeaders, routes
from services.ui.offline import CDN_ROOT, DIST_DIR, JSComponent, get_server, pn
from services.ui.session import Session
from services.ui.settings import UiSettings
from services.ui.views.summary import descriptions
from shared.runtime import Service

_HERE = Path(__file__).parent
_DIST = Path(DIST_DIR)
_UNUSED_SESSION_MS = 60_000
"""A slow first load must not lose its session before the socket opens."""


class Desk(JSComponent):
    """The page's wire: hands the page's own scripts its model, over which messages go both ways. It shows nothing itself."""

    _esm = """
    export function render({ model }) {
      document.dispatchEvent(new CustomEvent("pairstream:wire", { detail: model }))
    }
    """

    def attach(self, session: Session) -> None:
        self._session = session

    def _handle_msg(self, data: Any) -> None:
        if isinstance(data, dict):
            self._session.on_message(data)

    def send(self, message: dict[str, Any]) -> None:
        self._send_msg(message)


class Pages:
    """Makes a page for every browser session."""

    def __init__(self, service: Service[UiSettings], hub: Hub, analytics: Analytics) -> None:
        self._service = service
        self._hub = hub
        self._analytics = analytics
        self._template = (_HERE / "templates/desk.html").read_text(encoding="utf-8")
        self._full = (_HERE / "templates/full.html").read_text(encoding="utf-8")
        content = b"".join(path.read_bytes() for path in sorted((_HERE / "static").iterdir()))
        self._version = sha256(content).hexdigest()[:12]
        plotly = next((_DIST / "bundled/plotlyplot").glob("plotly-*.min.js"))
        self._plotly = f"{CDN_ROOT.strip('/')}/{pn.__version__}/dist/{plotly.relative_to(_DIST).as_posix()}"

    def page(self) -> Any:
        """The page of the session that is being made."""
        settings = self._service.settings
        if self._hub.session_count >= settings.ui_sessions:
            return pn.Template(self._full)
        desk = Desk(width=0, height=0)  # type: ignore[no-untyped-call]  # Panel's
        document = pn.state.curdoc
        assert document is not None
        session = Session(self._hub, self._analytics, settings, desk.send, document.add_next_tick_callback)
        desk.attach(session)
        pn.state.on_session_destroyed(lambda _context: session.close())
        template = pn.Template(self._template)
        template.add_panel("desk", desk)
        template.add_variable("version", self._version)
        template.add_variable("plotly", self._plotly)
        template.add_variable("descriptions", descriptions())
        return template


def make_server(service: Service[UiSettings], hub: Hub, analytics: Analytics) -> Any:
    """Bokeh's server on the running event loop, not yet started."""
    settings = service.settings
    static = {
        "/assets/": _HERE / "static",
        f"{CDN_ROOT}{pn.__version__}/dist/": _DIST,
        "/static/extensions/panel/": _DIST,
        "/static/": Path(bokeh.__file__).parent / "server/static",
    }
    server = get_server(
        {"/": Pages(service, hub, analytics).page},
        port=settings.ui_port,
        address=settings.host,
        websocket_origin=settings.origins(),
        loop=IOLoop.current(),
        title="Pairstream",
        location=False,
        unused_session_lifetime_milliseconds=_UNUSED_SESSION_MS,
        check_unused_sessions_milliseconds=5_000,
    )
    # handlers of a host come before the application's own, Bokeh's uncompressed static files among them
    server._tornado.add_handlers(r".*", routes(service.health, analytics, static))
    server._tornado.add_transform(SecurityHeaders)
    return server


async def serve_ui(service: Service[UiSettings], hub: Hub, analytics: Analytics) -> None:
    """Serve the page until the service stops."""
    server = make_server(service, hub, analytics)
    for number in (signal.SIGINT, signal.SIGTERM):  # Panel has taken SIGINT for itself
        asyncio.get_running_loop().add_signal_handler(number, service.stop.set)
    server.start()
    service.log.info("the screen is at", url=f"http://{service.settings.host}:{server.port}")
    try:
        await service.stop.wait()
    finally:
        http: HTTPServer = server._http
        server.stop()
        await http.close_all_connections()
