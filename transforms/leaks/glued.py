"""Values of the export inside longer words: numbers in references, long names in account names.

Words are looked up as words, because short names stand in ordinary words; what is long, or has digits in it, is also looked for
as a part of any text. The first five bytes of a value are looked up among all runs of five in the release's texts, and only values
that pass are compared in full, so a clean release costs one look-up a value.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from transforms.leaks.strings import Strings, keep, lengths, matches, sort_keys

_RUN = 5
_SHORTEST_NAME = 8  # bytes of a name inside a longer word
_SHORTEST_NUMBER = 8  # digits inside a longer number: shorter ones are inside some by chance


class GluedSearch:
    """The unexplained texts of one release, in normal form, to be searched for values of any column."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        """`texts` with the place of each."""
        self._places = tuple(texts.values())
        self._text = "\n".join(texts)
        self._starts = tuple(np.cumsum([0, *(len(text) + 1 for text in texts)])[:-1].tolist())
        self._runs = _runs(self._text.encode())

    def search(self, values: Strings) -> Iterator[tuple[str, int]]:
        """The places of values that stand in a longer word, and how often each value stands in the column.

        Args:
            values: of one column, in normal form.
        """
        if not self._runs.size:
            return
        keys = sort_keys(values) >> np.uint64(24)
        at = np.searchsorted(self._runs, keys)
        at[at == self._runs.size] = 0
        some = keep(values, (self._runs[at] == keys) & (lengths(values) >= _RUN))
        if not len(some):
            return
        counted: Any = pc.value_counts(keep(some, _is_long(some)))
        for value, count in zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True):
            if (place := self._place_of(value)) is not None:
                yield place, count

    def _place_of(self, value: str) -> str | None:
        found = self._text.find(value)
        return self._places[bisect_right(self._starts, found) - 1] if found >= 0 else None


def _is_long(values: Strings) -> npt.NDArray[np.bool_]:
    """Which values tell somebody wherever they stand."""
    size = lengths(values)
    digits = matches(values, "[0-9]")
    number = matches(values, "^[0-9]+$")
    return np.where(number, size >= _SHORTEST_NUMBER, np.where(digits, size >= _RUN, size >= _SHORTEST_NAME))


def _runs(text: bytes) -> npt.NDArray[np.uint64]:
    """Every run of five bytes of a text, as a number, sorted and once each."""
    octets = np.frombuffer(text, np.uint8).astype(np.uint64)
    if octets.size < _RUN:
        return np.zeros(0, np.uint64)
    runs = np.zeros(octets.size - _RUN + 1, np.uint64)
    for place in range(_RUN):
        runs = runs << np.uint64(8) | octets[place : octets.size - _RUN + 1 + place]
    return np.unique(runs)
