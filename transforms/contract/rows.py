"""The contract's promises about single rows, checked a whole column at a time.

A cell that is empty or white space only is blank, and blank is null [P16]. The rules, in the order in which a cell is
tried; the first that it breaks is reported:

* `required`: blank where the contract requires a value;
* `control-character`: a character that no value may hold (`transforms.contract.characters`) [T9];
* `too-long`: more UTF-8 bytes than the contract allows, as it stands or in NFC, in which a token may have to hold it;
* `vocabulary`: not in the closed vocabulary;
* `pattern`: does not match the pattern as a whole.

Whether a value is unique is a question about all rows, and is not asked here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import unicodedata2

from transforms.contract.buffers import byte_views, validity
from transforms.contract.characters import forbidden_characters
from transforms.contract.model import Column, Contract
from transforms.contract.patterns import Mask, Pattern
from transforms.contract.places import BROKEN_SCHEMA, ROW_REF

_FIRST_VISIBLE, _VISIBLE_SPAN = 0x21, 0x5E  # U+0021 to U+007F
NFC_GROWTH: Final = 3  # the most by which NFC makes UTF-8 longer (UAX 15): U+1D160 from 4 bytes to 12


@dataclass(frozen=True, slots=True)
class Checked:
    """What became of a batch: every row is in exactly one of the two.

    `accepted` has the batch's schema, with blank cells as null. `broken` (BROKEN_SCHEMA, sorted by `row_ref`) has one line for
    every column of a row that breaks a rule, so a row may appear more than once.
    """

    accepted: pa.RecordBatch
    broken: pa.RecordBatch


class RowChecker:
    """Checks batches against one contract; made once and used for many batches, and can be pickled."""

    def __init__(self, contract: Contract) -> None:
        self._columns = tuple(_ColumnChecker(column) for column in contract.columns)

    def check(self, batch: pa.RecordBatch) -> Checked:
        """Splits a batch.

        Args:
            batch: the contract's columns in the contract's order as `string` (valid UTF-8), and `row_ref` last.
        """
        refs = cast(pa.Int64Array, batch.column(len(self._columns)))
        columns: list[pa.Array[Any]] = []
        broken: list[pa.RecordBatch] = []
        sound = np.ones(batch.num_rows, np.bool_)
        for checker, values in zip(self._columns, batch.columns, strict=False):
            values = cast(pa.StringArray, values)
            if checker.holds_known_values_only(values):
                columns.append(values)
                continue
            values = _blank_to_null(values)
            columns.append(values)
            for rule, rows in checker.breaches(values):
                sound &= ~rows
                found = refs.filter(pa.array(rows))
                broken.append(_listed(found, rule, checker.name))
        checked = pa.RecordBatch.from_arrays([*columns, refs], schema=batch.schema)
        if not broken:
            return Checked(checked, pa.RecordBatch.from_pylist([], schema=BROKEN_SCHEMA))
        listed = pa.Table.from_batches(broken).sort_by(ROW_REF).combine_chunks().to_batches()[0]
        return Checked(checked.filter(pa.array(sound)), listed)


def _listed(refs: pa.Int64Array, rule: str, column: str) -> pa.RecordBatch:
    return pa.record_batch([refs, pa.repeat(rule, len(refs)), pa.repeat(column, len(refs))], schema=BROKEN_SCHEMA)


def _blank_to_null(values: pa.StringArray) -> pa.StringArray:
    offsets, data = byte_views(values)
    body = data[int(offsets[0]) : int(offsets[-1])]
    some_empty = pc.min(pc.binary_length(values)).as_py() == 0
    # White space is U+0020 and below, or beyond ASCII: most columns hold neither, and one comparison says so (it wraps below 0x21).
    if not some_empty and not ((body - np.uint8(_FIRST_VISIBLE)) > _VISIBLE_SPAN).any():
        return values
    blank = pc.or_(pc.utf8_is_space(values), pc.equal(values, pa.scalar("")))
    if not pc.any(blank).as_py():
        return values
    return cast(pa.StringArray, pc.if_else(blank, pa.scalar(None, values.type), values))


class _ColumnChecker:
    def __init__(self, column: Column) -> None:
        self.name = column.name
        self._required = column.required
        self._max_bytes = column.max_bytes
        self._vocabulary = None if column.vocabulary is None else pa.array(column.vocabulary, pa.string())
        self._pattern = None if column.pattern is None else Pattern(column.pattern)
        self._known: pa.StringArray | None = None
        if self._vocabulary is not None and not _blank_to_null(self._vocabulary).null_count:
            self._known = None if any(rows.any() for _, rows in self._tried(self._vocabulary)) else self._vocabulary

    def holds_known_values_only(self, values: pa.StringArray) -> bool:
        """Whether all values are ones of the vocabulary that keep every other rule too, which spares asking those."""
        if self._known is None or (self._required and values.null_count):
            return False
        return pc.is_in(values, value_set=self._known).true_count + values.null_count == len(values)

    def breaches(self, values: pa.StringArray) -> Iterator[tuple[str, Mask]]:
        """The rules that are broken and the rows that break them; a row is listed under its first rule only."""
        reported = np.zeros(len(values), np.bool_)
        for rule, rows in self._tried(values):
            fresh = rows & ~reported
            if fresh.any():
                yield rule, fresh
                reported |= fresh

    def _tried(self, values: pa.StringArray) -> Iterator[tuple[str, Mask]]:
        """Every rule of the column, in order, with the rows that break it."""
        present = validity(values)
        if self._required:
            yield "required", ~present
        yield "control-character", _mask(forbidden_characters(values))
        if (pc.max(pc.binary_length(values)).as_py() or 0) * NFC_GROWTH > self._max_bytes:
            yield "too-long", _too_long(values, self._max_bytes)
        if self._vocabulary is not None:
            yield "vocabulary", present & ~_mask(pc.is_in(values, value_set=self._vocabulary))
        if self._pattern is not None:
            yield "pattern", present & ~self._pattern.matches(values)


def _too_long(values: pa.StringArray, most: int) -> Mask:
    """Which cells have more bytes than that, as they stand or in NFC; only those that could are normalised."""
    lengths = pc.binary_length(values).fill_null(0).to_numpy()
    found: Mask = lengths > most
    beyond_ascii = ~_mask(pc.string_is_ascii(values).fill_null(True))
    unsure = beyond_ascii & ~found & (lengths * NFC_GROWTH > most)
    if unsure.any():
        # A few cells, one at a time: Arrow's utf8_normalize takes text apart under the name of NFC and does not compose it.
        few = values.filter(pa.array(unsure)).to_pylist()
        found[unsure] = [len(unicodedata2.normalize("NFC", text).encode()) > most for text in few]
    return found


def _mask(found: pa.Array[Any]) -> Mask:
    return np.asarray(found.to_numpy(zero_copy_only=False), np.bool_)
