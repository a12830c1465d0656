"""Bare numbers that equal numbers of the export: how many there are, and whether chance explains them [C8].

A token of digits looks like a real number, and some are one: of so many numbers drawn from all of their length, a share equals
one that was issued, and that is counted and not refused. A column of real numbers is told from that by how many there are: more
of them than chance gives, or people with their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.contract.model import Contract
from transforms.leaks.chance import too_many
from transforms.leaks.findings import Check
from transforms.leaks.matcher import SEARCHED
from transforms.leaks.order import load_order
from transforms.leaks.scan import ReleaseScan
from transforms.leaks.strings import Strings, fixed_width, keep, lengths, matches
from transforms.leaks.tokens import number_of
from transforms.leaks.words import normalise

_ROW_REF = "row_ref"

Numbers = npt.NDArray[np.uint64]


class IssuedRows(Check):
    """More numbers of a column than chance gives equal a value of a column of the export."""

    rule = "number-issued"


class OwnRows(Check):
    """More people than chance gives have a number in a column that is one of their own."""

    rule = "number-own"


class IssuedNumbers:
    """Compares the bare numbers of one view with every batch of the export, in one process.

    Memory is some 40 bytes for each number of the view.
    """

    def __init__(self, area: Path, scan: ReleaseScan, contract: Contract) -> None:
        """Sorts the numbers of a view.

        Raises:
            Refused: code `stage-malformed` if `order.npy` is not a list of int64.
        """
        refs = load_order(area)
        self._columns = tuple(column.name for column in contract.columns if column.classification in SEARCHED)
        self._person_key = contract.person_key
        self._by_ref = np.argsort(refs, kind="stable")
        self._refs = refs[self._by_ref]
        # Of another number of rows than the view's, which the checks of the order refuse, nothing can be said row by row.
        self._aligned = len(refs) == scan.rows
        self._seen = {name: _Seen(cells, scan.sketches[name].domain) for name, cells in scan.numbers.items()}

    def look(self, batch: pa.RecordBatch) -> None:
        """Compares some rows of the export: the contract's columns as `string`, and `row_ref`."""
        refs = batch.column(_ROW_REF).to_numpy()
        for source in self._columns:
            values = normalise(batch.column(source))
            for seen in self._seen.values():
                rows, numbers = _numbers(values, seen.digits)
                if not numbers.size:
                    continue
                seen.look(source, numbers)
                if self._aligned and self._refs.size:
                    place = np.searchsorted(self._refs, refs[rows])
                    place[place == self._refs.size] = 0
                    released = self._refs[place] == refs[rows]
                    seen.look_at_own(source, self._by_ref[place[released]], numbers[released])

    def close(self) -> tuple[Check, ...]:
        """The checks, after the whole export."""
        issued, own = IssuedRows(), OwnRows()
        for name, seen in self._seen.items():
            for source, hits in seen.hits.items():
                issued.examine(seen.count)
                found = int(np.count_nonzero(hits))
                if too_many(found, seen.count * seen.issued[source] / seen.domain):
                    issued.found(f"column {name}, as a {source} of the export", found)
            for source, found in seen.own.items():
                own.examine(seen.compared[source])
                if too_many(found, seen.compared[source] / seen.domain):
                    own.found(f"column {name}, as the person's own {source}", found)
        return issued, own

    def overlaps(self) -> Mapping[str, int]:
        """For each column of bare numbers, how many of them equal a person key that was issued to somebody."""
        return {
            name: int(np.count_nonzero(seen.hits.get(self._person_key, np.zeros(0, np.bool_)))) for name, seen in self._seen.items()
        }


class _Seen:
    """What was found so far of one column's numbers, by the column of the export."""

    def __init__(self, cells: Numbers, domain: int) -> None:
        self.cells = cells
        self.domain = domain
        self.digits = len(str(domain)) - 1
        self.sorted = np.sort(cells[cells < np.uint64(domain)])
        self.count = self.sorted.size
        self.hits: dict[str, npt.NDArray[np.bool_]] = {}
        self.issued: dict[str, int] = {}
        self.own: dict[str, int] = {}
        self.compared: dict[str, int] = {}

    def look(self, source: str, numbers: Numbers) -> None:
        """Marks the numbers of the view that are among some values of the export."""
        hits = self.hits.setdefault(source, np.zeros(self.count, np.bool_))
        self.issued[source] = self.issued.get(source, 0) + numbers.size
        wanted = np.sort(numbers)
        place = np.searchsorted(wanted, self.sorted)
        place[place == wanted.size] = 0
        hits |= wanted[place] == self.sorted

    def look_at_own(self, source: str, positions: npt.NDArray[np.int64], numbers: Numbers) -> None:
        """Compares the numbers of some rows of the view with values of the same people."""
        self.compared[source] = self.compared.get(source, 0) + numbers.size
        self.own[source] = self.own.get(source, 0) + int(np.count_nonzero(self.cells[positions] == numbers))


def _numbers(values: Strings, digits: int) -> tuple[npt.NDArray[np.int64], Numbers]:
    """The rows whose value is so many ASCII digits, and the values as numbers."""
    fits = lengths(values) == digits
    if not fits.any():
        return np.zeros(0, np.int64), np.zeros(0, np.uint64)
    fits[fits] = matches(keep(values, fits), r"\A[0-9]+\z")
    return np.flatnonzero(fits), number_of(fixed_width(keep(values, fits), digits))
