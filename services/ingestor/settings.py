"""Settings of the ingestor alone."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from services.ingestor.recording import check_recording
from shared.errors import BadInput
from shared.settings import Settings

BUNDLED = Path(__file__).parent / "recordings" / "usdm_btc_eth_trades_20240718-19.wslines.gz"


class IngestorSettings(Settings):
    """What the ingestor needs beyond the common settings."""

    binance_ws_url: str = Field(
        "wss://fstream.binance.com/market", pattern="^wss?://", description="WebSocket base URL, without /stream, ws:// or wss://"
    )
    binance_rest_url: str = Field(
        "https://fapi.binance.com", pattern="^https?://", description="REST base URL, http:// or https://"
    )
    binance_stream: Literal["aggTrade", "trade"] = Field("aggTrade", description="aggTrade or trade: the stream of a symbol")
    binance_silence_s: float = Field(10.0, gt=0, description="seconds without a trade after which a connection is made anew")
    watermark_grace_ms: int = Field(
        1000, ge=0, le=60_000, description="how far a symbol's watermark stays behind the exchange's clock, in ms"
    )
    replay: Path = Field(BUNDLED, description="recording to replay: raw WebSocket capture lines, plain or .gz")
    replay_speed: float = Field(1.0, ge=0, description="speed of the replay: 1 = as recorded, 0 = as fast as possible")
    replay_loop: bool = Field(True, description="1 or 0: whether the replay begins again at its end, shifted in time")
    simulator_symbols: int = Field(20, ge=2, le=500, description="symbols of the simulator, 2 to 500")
    simulator_rate: float = Field(200.0, gt=0, le=200_000, description="ticks a second of the simulator, all symbols together")
    simulator_seed: int = Field(1, ge=0, lt=2**32, description="seed of the simulator; the same seed is the same market")

    @field_validator("replay")
    @classmethod
    def _recording(cls, value: Path) -> Path:
        try:
            check_recording(value)
        except BadInput as error:
            raise BadInput(str(error).removeprefix(str(value)).lstrip(": ")) from None  # the variable's value is said anyway
        return value
