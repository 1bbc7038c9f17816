"""``python -m tests.mock_exchange --port 9443``: plays the bundled recording once, from the first subscription on."""

import argparse
import asyncio
import contextlib
from pathlib import Path

from tests.mock_exchange import MockExchange, recorded_trades
from tests.recording import RECORDING


async def main(port: int, speed: float, path: Path, aggregated: bool) -> None:
    """Wait for the first subscriber, play the recording to its end, and stay."""
    async with MockExchange(recorded_trades(path), port=port, aggregated=aggregated) as exchange:
        print(f"PAIRSTREAM_BINANCE_WS_URL={exchange.ws_url} PAIRSTREAM_BINANCE_REST_URL={exchange.rest_url}", flush=True)
        await exchange.wait_subscribed(1, deadline_s=float("inf"))
        played = await exchange.play(speed)
        print(f"all {played} trades have been played", flush=True)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 = any")
    parser.add_argument("--speed", type=float, default=1.0, help="times the recorded pace, 0 = as fast as possible")
    parser.add_argument("--recording", type=Path, default=RECORDING)
    parser.add_argument("--aggregated", action="store_true", help="send aggTrade frames")
    options = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main(options.port, options.speed, options.recording, options.aggregated))
