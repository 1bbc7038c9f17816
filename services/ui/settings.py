"""Settings that only the UI needs."""

from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from shared.settings import Settings


class UiSettings(Settings):
    """Shared settings and the UI's own."""

    history_bars: int = Field(3_600, ge=100, le=50_000, description="bars of each shown series that the UI keeps, 100 to 50000")
    ui_sessions: int = Field(100, ge=1, description="browser pages that one UI process serves at once")
    ui_origins: Annotated[list[str], NoDecode] = Field(
        [], description="further HOST[:PORT] under which browsers open the UI, comma separated; this host's names are known"
    )

    @field_validator("ui_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    def origins(self) -> list[str]:
        """HOST:PORT of every page that may open a WebSocket to this server."""
        names = dict.fromkeys((self.host, "127.0.0.1", "localhost"))
        return [f"{name}:{self.ui_port}" for name in names if name != "0.0.0.0" and ":" not in name] + self.ui_origins
