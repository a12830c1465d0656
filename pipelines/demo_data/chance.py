"""Draws that depend on the seed, the column and the row only, so blocks of any size give the same people.

Every column has its own PCG64 stream and takes one step of it per row; a block that starts at row n advances the stream by n.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Chance:
    """The draws for rows `start` to `stop` (exclusive) of a run with that seed."""

    seed: int
    start: int
    stop: int

    @property
    def rows(self) -> Ints:
        """Row numbers, from 0."""
        return np.arange(self.start, self.stop, dtype=np.int64)

    def uniform(self, what: str) -> Floats:
        """One draw a row from [0, 1), independent for each `what`."""
        bits = np.random.PCG64(np.random.SeedSequence([self.seed, 0, zlib.crc32(what.encode())]))
        bits.advance(self.start)
        return np.random.Generator(bits).random(self.stop - self.start)

    def integers(self, what: str, bound: int) -> Ints:
        """One draw a row from 0 to `bound` (exclusive)."""
        return (self.uniform(what) * bound).astype(np.int64)

    def happens(self, what: str, share: float) -> NDArray[np.bool_]:
        """True for about that share of rows."""
        return self.uniform(what) < share

    def weighted(self, what: str, weights: Iterable[float]) -> Ints:
        """One index a row, in proportion to the weights."""
        return pick(self.uniform(what), cumulative(weights))


def cumulative(weights: Iterable[float]) -> Floats:
    """Running sums of the weights, scaled to end at 1."""
    sums = np.cumsum(np.fromiter(weights, dtype=np.float64))
    scaled: Floats = sums / sums[-1]
    return scaled


def pick(uniform: Floats, sums: Floats) -> Ints:
    """The index whose share of [0, 1) each draw falls into."""
    return np.minimum(np.searchsorted(sums, uniform, side="right"), len(sums) - 1).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Placed:
    """Rows of the whole run that get something exactly so many times: ascending rows, and which kind each gets."""

    rows: Ints
    kinds: Ints

    def within(self, start: int, stop: int) -> tuple[Ints, Ints]:
        """The placed rows of a block, counted from its start, and their kinds."""
        low, high = np.searchsorted(self.rows, [start, stop])
        return self.rows[low:high] - start, self.kinds[low:high]


def place(seed: int, what: str, people: int, counts: Sequence[int]) -> Placed:
    """Spreads `counts[k]` rows of kind k evenly over the run, no row twice; at most `people` in all."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 1, zlib.crc32(what.encode())])))
    total = sum(counts)
    if total > people:
        raise ValueError("more rows to place than there are")
    edges = np.arange(total + 1, dtype=np.int64) * people // max(total, 1)
    rows = edges[:-1] + (rng.random(total) * np.diff(edges)).astype(np.int64)
    kinds = np.repeat(np.arange(len(counts)), counts)
    rng.shuffle(kinds)
    return Placed(rows=rows, kinds=kinds.astype(np.int64))
