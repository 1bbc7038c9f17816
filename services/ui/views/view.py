"""What a session looks at: a pair, an interval and a window, and the streams that belong to them."""

from typing import NamedTuple

from shared.errors import BadInput
from shared.symbols import Pair
from shared.topics import BARS, PAIRS, TESTS, Channel

MIN_WINDOW, MAX_WINDOW = 10, 100_000


class View(NamedTuple):
    """One choice of a session. `row` is the pair's row in the table of pairs, once it is known: Y~X or Y~X@VARIANT."""

    pair: Pair
    interval: str
    window: int
    row: str | None

    @property
    def y(self) -> Channel:
        return Channel(BARS.name, (self.interval, self.pair.y))

    @property
    def x(self) -> Channel:
        return Channel(BARS.name, (self.interval, self.pair.x))

    @property
    def tests(self) -> Channel:
        return Channel(TESTS.name, (self.interval, str(self.pair)))

    @property
    def stats(self) -> Channel | None:
        return None if self.row is None else Channel(PAIRS.name, (self.interval, self.row))

    def channels(self) -> list[Channel]:
        """Every stream that this view needs."""
        return [self.y, self.x, self.tests, *([self.stats] if self.stats else [])]


def parse_window(text: object, configured: int) -> int:
    """The window in bars; the configured one for nothing. Raises `BadInput`."""
    if text is None or text == "":
        return configured
    if not isinstance(text, int | str) or isinstance(text, bool) or not str(text).isascii() or not str(text).isdigit():
        raise BadInput(f"the window must be a whole number of bars from {MIN_WINDOW} to {MAX_WINDOW}")
    window = int(str(text)[:9])
    if not MIN_WINDOW <= window <= MAX_WINDOW:
        raise BadInput(f"the window must be from {MIN_WINDOW} to {MAX_WINDOW} bars, not {window}")
    return window
