"""``python -m services.ui``"""

from typing import Any

import httpx

from services.ui.app import serve_ui
from services.ui.commands import Analytics
from services.ui.feed import Hub
from services.ui.settings import UiSettings
from services.ui.store import Store
from shared.runtime import Service, follow_source, run_service, until_stopped


async def body(service: Service[Any]) -> None:
    settings: UiSettings = service.settings
    hub = Hub(Store(settings.history_bars), settings.history_bars, service.health, service.log)
    async with httpx.AsyncClient(timeout=httpx.Timeout(60.0, connect=3.0), trust_env=False) as client:
        analytics = Analytics(client, settings.service_url("analytics"), service.log)
        await until_stopped(
            service.stop,
            serve_ui(service, hub, analytics),
            follow_source(service, hub.run),
            hub.beat(service.stop),
            analytics.renew(service.stop),
        )


if __name__ == "__main__":
    run_service("ui", UiSettings, body)
