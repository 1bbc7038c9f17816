"""Settings: environment variables with the prefix ``PAIRSTREAM_`` and ``.env``, read once and validated at the start."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from shared.allowed import allowed
from shared.errors import BadInput, SettingsError
from shared.intervals import interval_ms
from shared.symbols import Pair, symbol_name
from shared.topics import Keyspace

PREFIX = "PAIRSTREAM_"
ENV_FILE = Path(".env")
SERVICES = ("ingestor", "sampler", "analytics", "alerter", "ui")

Source = Literal["auto", "binance", "replay", "simulator", "none"]
Fit = Literal["lagged", "inclusive"]
Price = Literal["log", "raw"]
Port = Annotated[int, Field(ge=0, le=65535)]


def redis_place(url: str) -> str:
    """Where a Redis URL leads, for logs: ``HOST:PORT/DB`` or a socket's path, without user, password and options.

    Raises `BadInput` for a URL that cannot be read, which it does not repeat.

    >>> redis_place("redis://:p@ss@example.org/2"), redis_place("redis://localhost:7000?password=hush&db=1")
    ('example.org:6379/2', 'localhost:7000/1')
    """
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        if parts.scheme == "unix":
            return parts.path
        database = options.get("db", parts.path.strip("/") or "0")
        readable = not parts.fragment and database.isdecimal()
        host = parts.hostname or "127.0.0.1"
        place = f"{f'[{host}]' if ':' in host else host}:{parts.port or 6379}/{database}"
    except ValueError:
        readable = False
    if not readable:
        raise BadInput("is no URL of a Redis; in a password write # as %23, / as %2F, ? as %3F, @ as %40")
    return place


def _comma_list(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class Settings(BaseSettings):
    """What more than one service or the command line needs; each service adds its own in its ``settings`` module."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=ENV_FILE,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=False,
    )

    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        pattern="^(rediss?|unix)://",
        repr=False,
        description="Redis or Valkey, 6.2 or newer: redis://[USER:PASSWORD@]HOST:PORT/DB, USER mostly `default`; "
        "unset: `make up` starts one",
    )
    namespace: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_.-]{0,64}$",
        description="prefix of every key, up to 64 letters, digits, _ . -; empty: that of the source",
    )
    partitions: int = Field(1, ge=1, le=1024, description="partitions of the topics, for Redis Cluster")
    source: Source = Field("auto", description="auto, binance, replay, simulator or none")
    symbols: Annotated[list[str], NoDecode] = Field(
        ["BTCUSDT", "ETHUSDT"], description="symbols to follow, comma separated; * = all trading USDT perpetuals"
    )
    pairs: Annotated[list[str], NoDecode] = Field(["ETHUSDT~BTCUSDT"], description="pairs Y~X to compute, comma separated")
    intervals: Annotated[list[str], NoDecode] = Field(
        ["1s", "1m", "5m"], description="bar intervals, comma separated; each a multiple of the shortest"
    )
    window: int | None = Field(
        None, ge=10, le=100_000, description="regression and z-score window in bars; empty: 300 for 1s, 120 for others"
    )
    fit: Fit = Field("lagged", description="lagged (coefficients from earlier bars only) or inclusive")
    price: Price = Field("log", description="log or raw: what the regression is run on")
    intercept: bool = Field(True, description="1 or 0; raw without intercept is Y = beta X + e")
    z_enter: float = Field(2.0, gt=0, le=1000, description="|z| at which the default alert fires, and the line on the chart")
    z_exit: float = Field(0.5, ge=0, description="|z| at which it resolves and is armed again")
    retention_hours: float = Field(24.0, gt=0, description="age, behind each stream's newest entry, at which entries are trimmed")
    host: str = Field("127.0.0.1", description="address that the services listen on")
    ui_port: Port = Field(5006, description="port of the UI")
    ingestor_port: Port = Field(8001, description="port of the ingestor")
    sampler_port: Port = Field(8002, description="port of the sampler")
    analytics_port: Port = Field(8003, description="port of the analytics")
    alerter_port: Port = Field(8004, description="port of the alerter")
    ingestor_url: str = Field("", description="where the UI finds the ingestor; empty: its port on this host")
    sampler_url: str = Field("", description="where the UI finds the sampler; empty: its port on this host")
    analytics_url: str = Field("", description="where the UI finds the analytics; empty: its port on this host")
    alerter_url: str = Field("", description="where the UI finds the alerter; empty: its port on this host")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="debug, info, warning or error")
    log_format: Literal["auto", "pretty", "json"] = Field(
        "auto", description="pretty on a terminal and json elsewhere (auto), or one of them"
    )

    @field_validator("redis_url")
    @classmethod
    def _redis_url(cls, value: str) -> str:
        redis_place(value)
        return value

    @field_validator("symbols", "pairs", "intervals", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return _comma_list(value)

    @field_validator("symbols")
    @classmethod
    def _symbols(cls, value: list[str]) -> list[str]:
        if value == ["*"]:
            return value
        return list(dict.fromkeys(symbol_name(symbol) for symbol in value))

    @field_validator("pairs")
    @classmethod
    def _pairs(cls, value: list[str]) -> list[str]:
        return list(dict.fromkeys(str(Pair.parse(pair)) for pair in value))

    @field_validator("intervals")
    @classmethod
    def _intervals(cls, value: list[str]) -> list[str]:
        if not value:
            raise BadInput("at least one interval is needed, such as 1s,1m,5m")
        widths = {interval: interval_ms(interval) for interval in value}
        shortest = min(widths.values())
        for interval, width in widths.items():
            if width % shortest:
                raise BadInput(f"{interval} is no multiple of the shortest interval, {shortest} ms")
        return sorted(widths, key=lambda interval: widths[interval])

    @model_validator(mode="after")
    def _thresholds(self) -> "Settings":
        if self.z_exit >= self.z_enter:
            raise BadInput(f"Z_EXIT ({self.z_exit:g}) must be below Z_ENTER ({self.z_enter:g})")
        return self

    @model_validator(mode="after")
    def _ports(self) -> "Settings":
        users: dict[int, list[str]] = {}
        for service in SERVICES:
            users.setdefault(getattr(self, f"{service}_port"), []).append(f"{PREFIX}{service.upper()}_PORT")
        for port, variables in users.items():
            if port and len(variables) > 1:
                raise BadInput(f"{' and '.join(variables)} are the same, {port}: every service needs a port of its own")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, _SecretFiles(settings_cls), env_settings, dotenv_settings

    def keyspace(self, namespace: str) -> Keyspace:
        return Keyspace(namespace, self.partitions)

    def window_bars(self, interval: str) -> int:
        """The configured window of an interval, in bars."""
        return self.window or (300 if interval == "1s" else 120)

    def service_url(self, service: str) -> str:
        """Base URL of a service's HTTP interface, without a slash at the end."""
        given: str = getattr(self, f"{service}_url", "")
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::") else self.host
        return given.rstrip("/") or f"http://{f'[{host}]' if ':' in host else host}:{getattr(self, f'{service}_port')}"


class _SecretFiles(PydanticBaseSettingsSource):
    """``PAIRSTREAM_NAME_FILE=path``: the value of NAME is the content of the file, as container secrets are given."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        variable = f"{PREFIX}{field_name.upper()}_FILE"
        path = os.environ.get(variable)
        if not path or f"{field_name}_file" in self.settings_cls.model_fields:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except OSError as error:
            raise SettingsError(f"{variable}={path}: {error.strerror or error}; name a file that can be read") from error

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


AnySettings = TypeVar("AnySettings", bound=Settings)


def load(kind: type[AnySettings]) -> AnySettings:
    """The settings from the environment. Raises `SettingsError` with variable, value and what is allowed, one line each."""
    try:
        return kind()
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(kind, dict(e)) for e in error.errors())) from None


def _explain(kind: type[Settings], error: dict[str, Any]) -> str:
    own = error.get("ctx", {}).get("error")
    if not error["loc"]:
        reason = str(own or error["msg"])
        return reason if reason.startswith(PREFIX) else f"{PREFIX}{reason}"
    name = str(error["loc"][0])
    value = error["input"]
    shown = ",".join(map(str, value)) if isinstance(value, list) else value
    secret = name == "redis_url" or "password" in name
    # Pydantic's own words are about types; what is allowed says it better.
    reason = f": {own}" if own else " cannot be used"
    return f"{PREFIX}{name.upper()}={'…' if secret else shown}{reason}. Allowed: {allowed(kind.model_fields[name])}"
