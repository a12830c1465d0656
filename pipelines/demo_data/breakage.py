"""Breaks a share of rows on purpose, each in one way, so a quarantine has something to hold and a test something to count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pyarrow as pa

from pipelines.demo_data.camera import Damage
from pipelines.demo_data.cells import columns_of, put
from pipelines.demo_data.chance import Ints, Placed, place


class Break(StrEnum):
    """One way in which a row breaks the contract."""

    UNKNOWN_RANK = "unknown-rank"
    BAD_PAY_NUMBER = "bad-pay-number"  # a spreadsheet ate its first digit
    DUPLICATE_PAY_NUMBER = "duplicate-pay-number"  # that of the row before: both rows are broken
    CONTROL_CHARACTER = "control-character"
    MISSING_VALUE = "missing-value"
    OVER_LONG_CELL = "over-long-cell"
    WRONG_VOCABULARY = "wrong-vocabulary"
    RAGGED_ROW = "ragged-row"  # a cell too many or too few; only CSV can have it


_BREAKS = tuple(Break)
_DUPLICATE = Break.DUPLICATE_PAY_NUMBER
_DAMAGES = tuple(Damage)
_LONG = 5000  # bytes: above what the contract allows one cell
_CONTROL = "\x07"


@dataclass(frozen=True, slots=True)
class Breakage:
    """Which rows of a run are broken and how (kinds index `Break`), and which photos (kinds index `Damage`)."""

    rows: Placed
    photos: Placed

    def row_counts(self) -> Mapping[str, int]:
        """How many rows are broken in each way; every way has an entry. Both rows of a duplicate count."""
        counts = _count(self.rows, _BREAKS)
        return {**counts, _DUPLICATE.value: 2 * counts[_DUPLICATE]}

    def photo_counts(self) -> Mapping[str, int]:
        """How many photos are damaged in each way; every way has an entry."""
        return _count(self.photos, _DAMAGES)

    def damages(self, start: int, stop: int) -> Mapping[int, Damage]:
        """What is wrong with the photos of a block, by row of the run."""
        at, kinds = self.photos.within(start, stop)
        return {row + start: _DAMAGES[kind] for row, kind in zip(at.tolist(), kinds.tolist(), strict=True)}

    def broken(self, start: int, stop: int) -> Ints:
        """The broken rows of a block, counted from its start, with those whose pay number the next row repeats."""
        at, kinds = self.rows.within(start, stop + 1)  # the next block's first row may repeat this one's last
        repeated = at[kinds == _BREAKS.index(_DUPLICATE)] - 1
        rows = np.union1d(at, repeated)
        return rows[(rows >= 0) & (rows < stop - start)]

    def ragged(self, start: int, stop: int) -> Ints:
        """The ragged rows of a block, counted from its start."""
        at, kinds = self.rows.within(start, stop)
        torn: Ints = at[kinds == _BREAKS.index(Break.RAGGED_ROW)]
        return torn


def plan(people: int, seed: int, share: float, *, ragged: bool) -> Breakage:
    """Chooses the rows and photos to break.

    Args:
        people: rows in the run.
        seed: of the run.
        share: of the rows, and of the photos: 0 to 1.
        ragged: whether the format can have ragged rows; where it cannot, the same rows have an unknown rank.
    """
    counts = _evenly(round(people * share), len(_BREAKS))
    duplicate = _BREAKS.index(_DUPLICATE)
    counts[duplicate] = (counts[duplicate] + 1) // 2  # each of them breaks the row before as well
    rows = place(seed, "broken rows", people, counts)
    kinds = rows.kinds.copy()
    unknown = _BREAKS.index(Break.UNKNOWN_RANK)
    follows_a_good_row = (rows.rows > 0) & ~np.isin(rows.rows - 1, rows.rows)
    kinds[(kinds == duplicate) & ~follows_a_good_row] = unknown
    if not ragged:
        kinds[kinds == _BREAKS.index(Break.RAGGED_ROW)] = unknown
    photos = place(seed, "damaged photos", people, _evenly(round(people * share), len(_DAMAGES)))
    return Breakage(rows=Placed(rows.rows, kinds), photos=photos)


def break_rows(breakage: Breakage, start: int, rows: pa.RecordBatch, pay_before: str | None) -> pa.RecordBatch:
    """A block whose planned rows are broken; `pay_before` is the pay number of the row before the block. Ragged rows stay whole."""
    at, kinds = breakage.rows.within(start, start + rows.num_rows)
    columns = columns_of(rows)

    def of(kind: Break) -> list[int]:
        found: list[int] = at[kinds == _BREAKS.index(kind)].tolist()
        return found

    def change(column: str, where: list[int], values: list[str | None]) -> None:
        columns[column] = put(columns[column], np.array(where, dtype=np.int64), values)

    pay = columns["pay_number"]
    where = of(Break.UNKNOWN_RANK)
    change("rank", where, [("Constabel", "Sargeant", "P.C.")[row % 3] for row in where])
    where = of(Break.BAD_PAY_NUMBER)
    change("pay_number", where, [pay[row].as_py()[1:] for row in where])
    where = of(Break.DUPLICATE_PAY_NUMBER)
    change("pay_number", where, [pay[row - 1].as_py() if row else pay_before for row in where])
    where = of(Break.CONTROL_CHARACTER)
    change("forenames", where, [f"Con{_CONTROL}trol" for _ in where])
    where = of(Break.MISSING_VALUE)
    change("unit_code", where, [None for _ in where])
    where = of(Break.OVER_LONG_CELL)
    change("surname", where, ["Long" * (_LONG // 4) for _ in where])
    where = of(Break.WRONG_VOCABULARY)
    change("card_type", where, [("Library card", "Warrant", "pass")[row % 3] for row in where])
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=rows.schema)


def _evenly(total: int, kinds: int) -> list[int]:
    return [(total + kinds - 1 - kind) // kinds for kind in range(kinds)]


def _count(placed: Placed, names: tuple[StrEnum, ...]) -> Mapping[str, int]:
    found: Counter[int] = Counter(placed.kinds.tolist())
    return {name.value: found[kind] for kind, name in enumerate(names)}
