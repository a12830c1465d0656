"""The closed world of cells: a token, a listed label, a full match of the contract's pattern, or empty where that may be."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.contract.model import Column, Contract
from transforms.leaks.findings import Check
from transforms.leaks.shapes import Shape
from transforms.leaks.strings import Positions, Strings, among, equals, matches, present
from transforms.leaks.tokens import (
    RowOrder,
    Sketch,
    TokenBlock,
    TokenCheckSymbol,
    TokenPrefix,
    TokenRepeats,
    TokenShape,
    TokenUniformity,
    numbers_in,
    read_tokens,
)
from transforms.leaks.words import Words
from transforms.policy.model import GeneraliseColumn, Policy, TokenColumn, ViewColumn

MOST_VALUES = 65_536
FEWEST_CELLS = 50  # of fewer people even a few sizes may all differ
MOST_DIFFERENT_PERCENT = 95
_MOST_STRAYS = 1_000  # cells of one chunk that break a rule and are searched for; the finding counts all of them
# ASVS 5 1.2.10 and CWE-1236, with the full-width forms that a spreadsheet folds to them [R2]
_FORMULA = re.compile("[=+\\-@\t\r\n\0＝＋－＠]")


class MissingCells(Check):
    """A cell is empty although its column's source is required, or is the token that a row is known by."""

    rule = "cell-missing"


class VocabularyCells(Check):
    """A cell of a kept or generalised column is none of the contract's labels."""

    rule = "cell-outside-vocabulary"


class PatternCells(Check):
    """A cell of a kept column does not match the contract's pattern as a whole."""

    rule = "cell-outside-pattern"


class FormulaCells(Check):
    """A cell or label starts as a spreadsheet's formula does [R2]."""

    rule = "formula-cell"


class FreeColumns(Check):
    """A kept column has more than 65,536 different values: it is free text or an identifier, whatever its pattern says [D8]."""

    rule = "column-too-free"


class PredictingColumns(Check):
    """A column that is no token tells nearly every person from every other: it predicts who they are, whatever its name [P15]."""

    rule = "column-predicts-person"

    def judge(self, different: int, cells: int, place: str) -> None:
        """Holds the count of different values in a column to that of its cells that are not empty."""
        self.examine(cells)
        if cells >= FEWEST_CELLS and different * 100 >= cells * MOST_DIFFERENT_PERCENT:
            self.found(place)


class PhotoCells(Check):
    """A photo cell is not the file name of the row's naming token [I13, I19]."""

    rule = "photo-cell"


class TokenCells:
    """All checks of one token column."""

    def __init__(self, shape: Shape, place: str, rows: int, *, first: bool, required: bool, words: Words) -> None:
        self.shape = shape
        self._place = place
        self._words = words
        self._required = required
        self._first = first
        self._missing = MissingCells()
        self._shape = TokenShape()
        self._prefix = TokenPrefix()
        self._symbol = TokenCheckSymbol()
        self._order = RowOrder()
        self._repeats = TokenRepeats()
        self._uniformity = TokenUniformity(rows)
        self._numbers: list[npt.NDArray[np.uint64]] = []

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks of the column."""
        order = (self._order,) if self._first else ()
        return (self._missing, self._shape, self._prefix, self._symbol, *order, self._repeats, self._uniformity)

    def see(self, cells: Strings, first_row: int) -> TokenBlock:
        """Looks at the column's cells in some rows."""
        block = read_tokens(cells, self.shape, first_row)
        self._missing.examine(len(cells))
        if self._required and block.nulls.size:
            self._missing.found(f"{self._place} row {block.row(block.nulls[0])}", block.nulls.size)
        strays = [check.see(block, self._place) for check in (self._shape, self._prefix, self._symbol)]
        _search(self._words, cells, np.concatenate(strays), self._place, first_row)
        if self._first:
            self._order.see(block, self._place)
        self._repeats.see(block)
        self._uniformity.see(block)
        if self.shape.bare:
            self._numbers.append(numbers_in(block))
        return block

    def prints(self) -> npt.NDArray[np.uint64]:
        """The fingerprints of all tokens of the column."""
        return self._repeats.prints()

    def numbers(self) -> npt.NDArray[np.uint64]:
        """The bare numbers of the column, row by row; empty for a column of others."""
        return np.concatenate([np.zeros(0, np.uint64), *self._numbers])

    def close(self) -> Sketch:
        """Ends the checks that need the whole column; returns its sketch."""
        self._uniformity.close(self._place)
        return Sketch(self._repeats.close(self._place), len(self.prints()), self.shape.domain)


class LabelCells:
    """All checks of a kept or generalised column with a closed vocabulary."""

    def __init__(self, labels: Sequence[str], place: str, *, required: bool, words: Words) -> None:
        self._labels = pa.array(labels, pa.string())
        self._place = place
        self._required = required
        self._words = words
        self._missing = MissingCells()
        self._vocabulary = VocabularyCells()
        self._formula = FormulaCells()
        self._predicting = PredictingColumns()
        self._seen = np.zeros(len(labels), np.bool_)
        self._cells = 0
        self._formula.examine(len(labels))
        if any(_FORMULA.match(label) for label in labels):
            self._formula.found(f"{place}, a label")
        words.vetting.look_at_vocabulary(labels, f"{place}, its labels")
        for label in labels:
            words.add_numbers(label, f"{place}, a label")

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks of the column."""
        return (self._missing, self._vocabulary, self._formula, self._predicting)

    def see(self, cells: Strings, first_row: int) -> None:
        """Looks at the column's cells in some rows."""
        _see_nulls(self._missing, cells, self._place, first_row, required=self._required)
        self._vocabulary.examine(len(cells))
        self._cells += len(cells) - cells.null_count
        self._seen[pc.index_in(cells, value_set=self._labels).drop_null().to_numpy()] = True
        strays = np.flatnonzero(present(cells) & ~among(cells, self._labels))
        if strays.size:
            self._vocabulary.found(f"{self._place} row {first_row + int(strays[0])}", strays.size)
            _search(self._words, cells, strays, self._place, first_row)

    def close(self) -> None:
        """Ends the check that needs the whole column."""
        self._predicting.judge(int(self._seen.sum()), self._cells, self._place)


class FreeCells:
    """All checks of a kept column with a pattern; each different value of it is a word to search for."""

    def __init__(self, column: Column, place: str, words: Words) -> None:
        self._pattern = rf"\A(?:{column.pattern})\z" if column.pattern else r"\A\z"
        self._place = place
        self._required = column.required
        self._words = words
        self._values: set[str] = set()
        self._missing = MissingCells()
        self._matches = PatternCells()
        self._formula = FormulaCells()
        self._free = FreeColumns()
        self._predicting = PredictingColumns()
        self._cells = 0

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks of the column."""
        return (self._missing, self._matches, self._formula, self._free, self._predicting)

    def see(self, cells: Strings, first_row: int) -> None:
        """Looks at the column's cells in some rows."""
        _see_nulls(self._missing, cells, self._place, first_row, required=self._required)
        self._matches.examine(len(cells))
        self._formula.examine(len(cells))
        self._free.examine(len(cells))
        self._cells += len(cells) - cells.null_count
        encoded = cells.dictionary_encode()
        values = encoded.dictionary
        codes = encoded.indices.fill_null(len(values)).to_numpy()
        firsts = np.zeros(len(values) + 1, np.int64)
        firsts[codes[::-1]] = np.arange(len(codes))[::-1]
        strays = np.flatnonzero(~matches(values, self._pattern))
        if strays.size:
            count = int(np.isin(codes, strays).sum())
            self._matches.found(f"{self._place} row {first_row + int(firsts[strays].min())}", count)
        for value, first in zip(map(str, values.to_pylist()), firsts.tolist(), strict=False):
            if value in self._values:
                continue
            if len(self._values) >= MOST_VALUES:
                self._free.found(self._place)
                return
            self._values.add(value)
            row = first_row + first
            if _FORMULA.match(value):
                self._formula.found(f"{self._place} row {row}")
            self._words.add(value, f"{self._place} row {row}")

    def close(self) -> None:
        """Ends the check that needs the whole column; one that was too free is refused for that, and is counted no further."""
        self._predicting.judge(len(self._values), self._cells, self._place)


class PhotoNames:
    """The check of the photo column against the naming token of the same row."""

    def __init__(self, place: str, words: Words) -> None:
        self._place = place
        self._words = words
        self._names = PhotoCells()

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks of the column."""
        return (self._names,)

    def see(self, cells: Strings, tokens: Strings, first_row: int) -> None:
        """Looks at the column's cells in some rows."""
        self._names.examine(len(cells))
        wanted: Strings = pc.binary_join_element_wise(tokens, ".jpg", "")  # type: ignore[call-overload]
        strays = np.flatnonzero(~equals(cells, wanted))
        if strays.size:
            self._names.found(f"{self._place} row {first_row + int(strays[0])}", strays.size)
            _search(self._words, cells, strays, self._place, first_row)


def labels_of(column: ViewColumn, contract: Contract) -> tuple[str, ...]:
    """The closed vocabulary of a released column; empty for tokens and columns that keep to a pattern."""
    if isinstance(column, TokenColumn):
        return ()
    source = contract.column(column.source)
    if isinstance(column, GeneraliseColumn):
        return tuple(sorted(set(source.generalisations[column.name].values())))
    return source.vocabulary or ()


def column_names(policy: Policy) -> tuple[str, ...]:
    """What a view's header must say."""
    return (*(column.name for column in policy.columns), *(("photo",) if policy.photo else ()))


def _see_nulls(check: MissingCells, cells: Strings, place: str, first_row: int, *, required: bool) -> None:
    check.examine(len(cells))
    if required and cells.null_count:
        check.found(f"{place} row {first_row + int(np.flatnonzero(~present(cells))[0])}", cells.null_count)


def _search(words: Words, cells: Strings, positions: Positions, place: str, first_row: int) -> None:
    """Makes search words of cells that break a rule."""
    for position in positions[:_MOST_STRAYS].tolist():
        value = cells[position].as_py()
        if value is not None:
            words.add(value, f"{place} row {first_row + position}")
