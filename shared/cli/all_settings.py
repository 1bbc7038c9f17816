"""The settings of all services, looked at before any of them is started."""

from services.alerter.settings import AlerterSettings
from services.analytics.settings import AnalyticsSettings
from services.ingestor.settings import IngestorSettings
from services.sampler.settings import SamplerSettings
from services.ui.settings import UiSettings
from shared.errors import SettingsError
from shared.settings import Settings, load
from shared.spelling import UNKNOWN, given, unknown

KINDS: tuple[type[Settings], ...] = (IngestorSettings, SamplerSettings, AnalyticsSettings, AlerterSettings, UiSettings)


def mistakes() -> list[str]:
    """What stops the start, a line each; one of a setting that all services read comes once."""
    found: dict[str, None] = {}
    for kind in KINDS:
        try:
            load(kind)
        except SettingsError as error:
            found |= dict.fromkeys(str(error).splitlines())
    return list(found)


def misspelt() -> list[str]:
    """Variables that look like settings and are none, a line each."""
    found = unknown(KINDS, given(), all_kinds=True)
    return [f"{variable}: {UNKNOWN}{f'; is {near} meant?' if near else ''}" for variable, near in found.items()]
