"""A synthetic market with a known truth, pure: the same seed and second give the same trades, whenever they are asked for.

The log price of the leader of a group is a random walk (a Brownian path, built by midpoint displacement so that any second
can be had without those before it; it is pinned every 12 days so that prices stay in sight). Every other member i follows::

    log p_i(t) = c_i + hedge_ratio_i * log p_leader(t) + u_i(t)
    u_i(t) = g_i * u_i(t-1) + e_i(t),   g_i = 2 ** (-1 / half_life_s_i)

so each member is cointegrated with the leader, with the hedge ratio and half-life that `Market.groups` tells. Rare jumps are
shocks of the residual, five of its standard deviations large; they decay like all others and leave the truth as it is.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

GROUP_SIZE = 4
QUIET_RATE = 1 / 30
"""Trades a second of a quiet symbol."""
LEADER_VOLATILITY = 1.5e-4
"""Standard deviation of the leader's log return over one second."""

_LEVELS = 20
_BLOCK_S = 1024
_MEMORY_HALF_LIVES = 24
_JUMP_CHANCE = 1 / 3600
_JUMP_SIZE = 5.0
"""In standard deviations of the residual."""
_NOISE, _TRADES, _LAYOUT = 1, 2, 3


class Group(NamedTuple):
    """Cointegrated symbols; a group of one walks by itself and is cointegrated with nothing."""

    symbols: tuple[str, ...]
    """The leader first."""
    hedge_ratios: tuple[float, ...]
    """On the leader's log price; the leader's own is 1."""
    half_lives_s: tuple[float | None, ...]
    """Of the residual; ``None`` for the leader."""


class Trades(NamedTuple):
    """The trades of one second in order of time, as columns of equal length."""

    time_ms: Integers
    symbol: Integers
    """Index into `Market.symbols`."""
    price: Floats
    """Not yet rounded to the symbol's decimals."""
    size: Floats
    buy: npt.NDArray[np.bool_]


def universe(configured: Sequence[str], count: int) -> list[str]:
    """The market's symbols: the configured ones first, then ``SIM003USDT`` and so on, `count` or as many as configured."""
    names = [symbol for symbol in configured if symbol != "*"]
    number = len(names)
    while len(names) < count:
        number += 1
        if (name := f"SIM{number:03d}USDT") not in names:
            names.append(name)
    return names


def _generator(seed: int, second: int, purpose: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=[seed << 8 | purpose, second]))


class Market:
    """Prices and trades of `symbols` at `rate` trades a second altogether."""

    def __init__(self, symbols: Sequence[str], rate: float, seed: int) -> None:
        self.symbols = tuple(symbols)
        n = len(self.symbols)
        rng = _generator(seed, 0, _LAYOUT)
        self._seed = seed
        # Members of a group stand together; in a market of eight or more the last quarter is on its own.
        alone_from = n - n // 4 if n >= 8 else n
        leader = np.array([i - i % GROUP_SIZE if i < alone_from else i for i in range(n)], dtype=np.int64)
        leads = leader == np.arange(n)
        self._leader = leader
        self._hedge_ratio = np.where(leads, 1.0, np.round(rng.uniform(0.6, 1.6, n), 3))
        self._half_life_s = np.where(leads, np.inf, np.round(rng.uniform(20.0, 120.0, n)))
        self._deviation = np.where(leads, 0.0, rng.uniform(2e-4, 6e-4, n))
        self._decay = np.where(leads, 0.0, 0.5 ** (1 / self._half_life_s))
        self._shock = self._deviation * np.sqrt(1 - self._decay**2)
        known = {"BTCUSDT": 60_000.0, "ETHUSDT": 3_000.0}
        prices = 10 ** rng.uniform(0.0, 3.5, n)
        self._base = np.log([known.get(symbol, prices[i]) for i, symbol in enumerate(self.symbols)])
        self.decimals = tuple(max(0, 5 - int(np.floor(base / np.log(10)))) for base in self._base)
        self.quiet = tuple(i >= 2 and i % 10 == 5 for i in range(n))
        quiet = np.array(self.quiet)
        weight = np.where(quiet, 0.0, 1 / np.sqrt(1 + np.arange(n)))
        self._rates = np.where(quiet, QUIET_RATE, weight / weight.sum() * max(0.0, rate - QUIET_RATE * quiet.sum()))
        self._memory_s = int(_MEMORY_HALF_LIVES * 120)
        self._blocks: dict[int, Floats] = {}

    @property
    def groups(self) -> tuple[Group, ...]:
        """The truth: who is cointegrated with whom, and how."""
        found = []
        for leader in sorted(set(self._leader.tolist())):
            members = np.flatnonzero(self._leader == leader).tolist()
            found.append(
                Group(
                    tuple(self.symbols[i] for i in members),
                    tuple(float(self._hedge_ratio[i]) for i in members),
                    tuple(None if i == leader else float(self._half_life_s[i]) for i in members),
                )
            )
        return tuple(found)

    def log_prices(self, second: int) -> Floats:
        """Log prices of all symbols at the end of the second, shape (symbols,)."""
        block, row = divmod(second, _BLOCK_S)
        if block not in self._blocks:
            for old in sorted(self._blocks)[:-1]:
                del self._blocks[old]
            self._blocks[block] = self._log_prices(block)
        prices: Floats = self._blocks[block][row]
        return prices

    def _log_prices(self, block: int) -> Floats:
        """Log prices of one block of seconds, shape (seconds, symbols)."""
        first = block * _BLOCK_S
        leaders = np.unique(self._leader)
        walks = np.zeros((_BLOCK_S, len(self.symbols)))
        for i in leaders:
            walks[:, i] = _walk(np.arange(first, first + _BLOCK_S), self._seed, int(i)) * LEADER_VOLATILITY
        walks = walks[:, self._leader]
        # The residual at a block's start is made of its last 24 half-lives: what came before would be below 1e-7 of it.
        residual = np.zeros(len(self.symbols))
        path = np.empty((_BLOCK_S, len(self.symbols)))
        for second in range(first - self._memory_s, first + _BLOCK_S):
            rng = _generator(self._seed, second, _NOISE)
            noise = rng.standard_normal(len(self.symbols))
            jumps = rng.random(len(self.symbols)) < _JUMP_CHANCE
            shock = np.where(jumps, np.copysign(_JUMP_SIZE * self._deviation, noise), self._shock * noise)
            residual = self._decay * residual + shock
            if second >= first:
                path[second - first] = residual
        prices: Floats = self._base + self._hedge_ratio * walks + path
        return prices

    def trades(self, second: int) -> Trades:
        """The trades of the second ``[second, second + 1)``; prices go from the last second's end to this one's."""
        rng = _generator(self._seed, second, _TRADES)
        counts = rng.poisson(self._rates)
        total = int(counts.sum())
        at = rng.random(total)
        order = np.argsort(at, kind="stable")
        symbol = np.repeat(np.arange(len(self.symbols)), counts)[order]
        at = at[order]
        buy = rng.random(total) < 0.5
        before, after = self.log_prices(second - 1), self.log_prices(second)
        level = np.exp(before[symbol] + (after - before)[symbol] * at)
        price = level * np.where(buy, 1 + 1e-5, 1 - 1e-5)  # the taker pays the half-spread
        size = 100 / level * np.exp(rng.standard_normal(total))
        return Trades(second * 1000 + (at * 1000).astype(np.int64), symbol, price, size, buy)


def _mixed(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """SplitMix64's finaliser: well-mixed 64 bits for each input (Steele, Lea, Flood 2014)."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _normals(seed: int, walk: int, level: int, index: Integers) -> Floats:
    """A standard normal for each index of a level, by hashing and Box-Muller."""
    key = _mixed(np.array([(seed << 32) + (walk << 8) + level + 1], dtype=np.uint64))
    first = _mixed(key + index.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    second = _mixed(first + np.uint64(0x9E3779B97F4A7C15))
    u1 = ((first >> np.uint64(11)).astype(np.float64) + 0.5) / 2**53
    u2 = (second >> np.uint64(11)).astype(np.float64) / 2**53
    normals: Floats = np.sqrt(-2 * np.log(u1)) * np.cos(2 * np.pi * u2)
    return normals


def _walk(seconds: Integers, seed: int, walk: int) -> Floats:
    """A Brownian path of unit variance a second at these seconds, 0 at every multiple of 2^20 s (Lévy's construction)."""
    level_width = 1 << _LEVELS
    path = np.zeros(len(seconds))
    for level in range(_LEVELS):
        width = level_width >> level
        within = (seconds % width) / width
        hat = np.minimum(within, 1 - within) * 2
        path += hat * np.sqrt(width) / 2 * _normals(seed, walk, level, seconds // width)
    return path
