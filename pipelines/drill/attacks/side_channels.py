"""Attack 3: what a release tells without meaning to: the order of its rows, and the sizes and times of its files [R8, I13].

A thief who knows that an export comes in the order of pay numbers, names or days of joining claims, of each two neighbouring rows,
which person comes first. Guessing is right half of the time.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

import numpy as np

from pipelines.drill.claims import Claims, OrderClaims
from pipelines.drill.loot import Haul, Ints, Loot


def attack(loot: Loot, orders: tuple[str, ...]) -> list[Claims]:
    """For each order of the export and each channel, both directions; every row is in one claim at most."""
    haul = loot.last
    found: list[Claims] = []
    for channel, rows in _channels(haul):
        first, second = rows[0::2][: len(rows) // 2], rows[1::2]
        for about in orders:
            found.append(OrderClaims(f"{channel} rise with {about}", haul, first, second, about))
            found.append(OrderClaims(f"{channel} fall with {about}", haul, second, first, about))
    return found


def _channels(haul: Haul) -> Iterator[tuple[str, Ints]]:
    """Rows in the order of what each channel shows; the halves are laced, so that each pair is far apart."""
    yield "rows of the table", _laced(np.arange(haul.rows, dtype=np.int64))
    facts = {name: _measured(haul, name) for name in ("size", "time", "place in the folder")}
    for name, values in facts.items():
        rows = np.flatnonzero(values >= 0)
        order = rows[np.argsort(values[rows], kind="stable")]
        apart = _laced(order)
        told = values[apart]
        pairs = len(told) // 2
        differs = np.repeat(told[0 : 2 * pairs : 2] != told[1 : 2 * pairs : 2], 2)
        yield f"photos by {name}", apart[: 2 * pairs][differs]


def _laced(order: Ints) -> Ints:
    """Pairs (i, i + n/2): a neighbour's neighbour says little about a noisy order, half the table away says all."""
    half = len(order) // 2
    laced = np.empty(2 * half, np.int64)
    laced[0::2], laced[1::2] = order[:half], order[half : 2 * half]
    return laced


def _measured(haul: Haul, what: str) -> Ints:
    """A number for each row's photo; -1 where there is none."""
    names = haul.photo_names()
    values = np.full(haul.rows, -1, np.int64)
    if names is None:
        return values
    listed: dict[str, int] = {}
    if what == "place in the folder" and haul.photo("").is_dir():
        listed = {entry.name: place for place, entry in enumerate(os.scandir(haul.photo("")))}
    for row, name in enumerate(names.to_pylist()):
        if name is None:
            continue
        if what == "place in the folder":
            values[row] = listed.get(name, -1)
            continue
        try:
            found = haul.photo(name).lstat()
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode):
            values[row] = found.st_size if what == "size" else found.st_mtime_ns
    return values
