"""Names of instruments and of pairs."""

from typing import NamedTuple

from shared.errors import BadInput

_FORBIDDEN = frozenset("~:@{}*,/\\\"'<> ")
MAX_SYMBOL_LENGTH = 40


def symbol_name(text: str) -> str:
    """The venue's spelling of a symbol: upper case, no white space and none of the characters that keys are made with.

    Symbols outside ASCII exist at the venue and are allowed. Raises `BadInput`.

    >>> symbol_name(" btcusdt ")
    'BTCUSDT'
    """
    name = text.strip().upper()
    if not 0 < len(name) <= MAX_SYMBOL_LENGTH or not name.isprintable() or not _FORBIDDEN.isdisjoint(name):
        raise BadInput(f"{text!r} is no symbol; write it as the venue does, such as BTCUSDT")
    return name


class Pair(NamedTuple):
    """A pair of instruments: `y` is the dependent leg, `x` the hedging leg."""

    y: str
    x: str

    def __str__(self) -> str:
        return f"{self.y}~{self.x}"

    @classmethod
    def parse(cls, text: str) -> "Pair":
        """The pair written ``Y~X``. Raises `BadInput` for anything else and for a pair of a symbol with itself.

        >>> Pair.parse("ETHUSDT~BTCUSDT")
        Pair(y='ETHUSDT', x='BTCUSDT')
        """
        legs = text.split("~")
        if len(legs) != 2:
            raise BadInput(f"{text!r} is no pair; write it Y~X, such as ETHUSDT~BTCUSDT")
        y, x = symbol_name(legs[0]), symbol_name(legs[1])
        if y == x:
            raise BadInput(f"{text!r} pairs a symbol with itself; the legs must differ")
        return cls(y, x)
