"""What a pair is computed with: the row of the table `pairs`, its name, and what it means at one interval."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import BadInput
from shared.settings import Fit, Price, Settings
from shared.symbols import Pair

WindowBars = Annotated[int, Field(ge=10, le=100_000)]
Origin = Literal["settings", "http", "variant"]
_VARIANT = re.compile(r"[a-z0-9-]{1,60}", re.ASCII)


class Model(NamedTuple):
    """The parameters at one interval, windows in bars."""

    window: int
    z_window: int
    fit: Fit
    price: Price
    intercept: bool

    @property
    def span(self) -> int:
        """How many places before a bar its row depends on."""
        return max(self.window, self.z_window)


class PairParameters(BaseModel):
    """A row of the table `pairs`. The name of the row is ``Y~X``, or ``Y~X@VARIANT`` for other than the configured parameters."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    window: WindowBars | None = Field(None, description="regression window in bars; null: as configured for each interval")
    z_window: WindowBars | None = Field(None, description="z-score window in bars; null: the regression window")
    fit: Fit = Field(description="lagged or inclusive")
    price: Price = Field(description="log or raw")
    intercept: bool = Field(description="whether the regression has an intercept")
    origin: Origin = Field(description="settings, http, or variant: dropped when nobody has wanted it for an hour")
    wanted_ms: int | None = Field(None, description="wall time at which a variant was last asked for")

    def model(self, configured_window: int) -> Model:
        """What they mean at an interval whose configured window is this."""
        window = self.window or configured_window
        return Model(window, self.z_window or window, self.fit, self.price, self.intercept)


def configured(settings: Settings, origin: Origin) -> PairParameters:
    """The parameters that the settings give to a pair without a variant."""
    return PairParameters(fit=settings.fit, price=settings.price, intercept=settings.intercept, origin=origin)


def canonical(parameters: PairParameters, settings: Settings) -> PairParameters:
    """The same parameters, with the windows that the settings would give anyway left out."""
    window = None if parameters.window == settings.window else parameters.window
    z_window = None if parameters.z_window == (parameters.window or settings.window) else parameters.z_window
    return parameters.model_copy(update={"window": window, "z_window": z_window})


def variant_name(parameters: PairParameters, settings: Settings) -> str:
    """The variant's name, empty for the configured parameters: what differs from them, in a fixed order.

    >>> wide = PairParameters(window=600, z_window=100, fit="inclusive", price="raw", intercept=False, origin="variant")
    >>> variant_name(wide, Settings(_env_file=None))
    'w600-z100-inclusive-raw-noint'
    >>> variant_name(configured(Settings(_env_file=None), "http"), Settings(_env_file=None))
    ''
    """
    parameters = canonical(parameters, settings)
    parts = [
        f"w{parameters.window}" if parameters.window else "",
        f"z{parameters.z_window}" if parameters.z_window else "",
        parameters.fit if parameters.fit != settings.fit else "",
        parameters.price if parameters.price != settings.price else "",
        ("int" if parameters.intercept else "noint") if parameters.intercept != settings.intercept else "",
    ]
    return "-".join(filter(None, parts))


def parse_name(name: str) -> tuple[Pair, str]:
    """Pair and variant of a row's name; the variant is empty for ``Y~X``. Raises `BadInput`.

    >>> parse_name("ETHUSDT~BTCUSDT@w600")
    (Pair(y='ETHUSDT', x='BTCUSDT'), 'w600')
    """
    text, at, variant = name.partition("@")
    if at and not _VARIANT.fullmatch(variant):
        raise BadInput(f"{name!r} has no valid variant; write Y~X@VARIANT as GET /pairs shows it")
    return Pair.parse(text), variant


def parse_rows(rows: Mapping[str, str]) -> dict[str, PairParameters]:
    """The usable rows of the table. A row that somebody else wrote wrongly is left out."""
    found = {}
    for name, text in sorted(rows.items()):
        try:
            pair, variant = parse_name(name)
            if name == (f"{pair}@{variant}" if variant else str(pair)):
                found[name] = PairParameters.model_validate_json(text)
        except (BadInput, ValidationError):
            continue
    return found
