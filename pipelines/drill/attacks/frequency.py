"""Attack 2: a name that many have stays frequent under any code that is the same for all of them [F6, P4, D6].

Every column whose values repeat is laid beside how often each public name occurs, the most frequent value against the most
frequent name. A thief claims only where the shares fit: Smith is one in a hundred, so what half of the rows have is no name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.drill.claims import Claims, ValueClaims
from pipelines.drill.loot import Loot, Text, clean, mask, picked, places

DEPTHS = (1, 5, 25)  # how many of the most frequent names are matched
_FIT = 3.0  # shares that differ by more than this factor are not of the same thing


def attack(loot: Loot) -> list[Claims]:
    """Claims about names, one set for each column, name and depth; none where every value occurs once."""
    haul, listed = loot.last, loot.listed(loot.last)
    found: list[Claims] = []
    for name in haul.table.column_names:
        cells = haul.column(name)
        values, counts = _ranked(cells)
        repeated = counts >= 2
        for public in loot.public.names:
            names, known = _ranked(clean(listed.column(public)))
            real = mask(pc.not_equal(names, pa.scalar("")))
            names, known = names.filter(pa.array(real)), known[real]
            for depth in DEPTHS:
                top = min(depth, len(names), int(repeated.sum()))
                ratio = (counts[:top] / max(1, haul.rows)) / (known[:top] / max(1, listed.num_rows))
                fits = np.flatnonzero((ratio < _FIT) & (ratio > 1 / _FIT))
                at = places(cells, picked(values, fits))
                rows = np.flatnonzero(at >= 0)
                said = picked(picked(names, fits), at[rows])
                how = f"{name} against the {depth} most frequent of {public}"
                found.append(ValueClaims(how, haul, rows, (public,), said))
    return found


def _ranked(values: Text) -> tuple[Any, npt.NDArray[np.int64]]:
    """Distinct values, the most frequent first, and how often each occurs; nulls left out."""
    counted = pc.value_counts(values.drop_null())
    counts = np.asarray(counted.field("counts"), np.int64)
    order = np.argsort(-counts, kind="stable")
    return picked(counted.field("values"), order), counts[order]
