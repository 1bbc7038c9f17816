"""Trade frames as the venue sends them, ready for the socket and cheap enough not to be what is measured."""

import math
import random

from websockets.frames import Frame, Opcode

FIRST_ID = 1_000_000_001
"""Ids and times have a fixed number of digits, so that a frame's length never changes and its header can be kept."""

_VARIANTS = 128


def symbol_names(count: int) -> list[str]:
    """Names of synthetic symbols.

    >>> symbol_names(2)
    ['B000USDT', 'B001USDT']
    """
    return [f"B{number:03d}USDT" for number in range(count)]


def _template(symbol: str, price: str, size: str, maker: str) -> bytes:
    """A frame with its header, and ``%d`` for E, a, f, l and T."""
    head = f'{{"stream":"{symbol.lower()}@aggTrade","data":{{"e":"aggTrade","E":'
    tail = f',"p":"{price}","q":"{size}","nq":"{size}","f":'
    parts = (head, "1" * 13, f',"s":"{symbol}","a":', "1" * 10, tail, "1" * 10, ',"l":', "1" * 10, ',"T":', "1" * 13)
    end = f',"m":{maker}}}}}'
    length = len("".join(parts) + end)
    framed = Frame(Opcode.TEXT, b"x" * length).serialize(mask=False)
    header = framed[: len(framed) - length].replace(b"%", b"%%")
    return header + "%d".join((*parts[::2], end)).encode()


class SymbolFrames:
    """The frames of one symbol: contiguous ids from `FIRST_ID`, one exchange trade each, prices that wander and come back."""

    def __init__(self, symbol: str, seed: int) -> None:
        self.symbol = symbol
        self.last_id = FIRST_ID - 1
        wander = random.Random(seed)
        phase, scale = wander.random() * 6, wander.uniform(20, 200)
        self._templates = []
        for step in range(_VARIANTS):
            level = scale * (1 + 0.002 * math.sin(2 * math.pi * step / _VARIANTS + phase)) + wander.gauss(0, scale * 1e-4)
            size = f"{wander.uniform(0.01, 9):.3f}"
            self._templates.append(_template(symbol, f"{level:.2f}", size, wander.choice(("true", "false"))))

    def next(self, now_ms: int) -> bytes:
        """The next trade, made and sent at `now_ms`."""
        self.last_id = number = self.last_id + 1
        return self._templates[number % _VARIANTS] % (now_ms, number, number, number, now_ms)
