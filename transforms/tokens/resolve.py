"""The way back from tokens to people: make the tokens of the export once more and keep those that were asked for [P11].

There is no table from tokens to people. Whoever holds the key and the export recomputes, column by column, a batch at a time;
memory holds the wanted tokens and one batch. Only `pipelines.resolve` may import this module (import-linter holds it to that).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.keyring.secret import Unshareable
from transforms.tokens.derive import tokenise
from transforms.tokens.format import SYMBOLS

SYMBOL_CHARACTERS = SYMBOLS + 1  # the check symbol is among them


class TokenSource(Unshareable):
    """How the tokens of one column of one supplier and epoch are made; holds the column's key, so it neither travels nor prints."""

    __slots__ = ("column", "epoch", "key", "of", "supplier")

    def __init__(self, supplier: str, epoch: int, column: str, of: tuple[str, ...], key: bytes) -> None:
        self.supplier = supplier
        self.epoch = epoch
        self.column = column
        self.of = of
        self.key = key


@dataclass(frozen=True, slots=True)
class Found:
    """m matches: which of the wanted symbols, and in which row of the batch."""

    wanted: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]


def find_people(source: TokenSource, person: pa.Array[Any], values: Sequence[pa.Array[Any]], wanted: pa.StringArray) -> Found:
    """The rows of a batch whose token is wanted.

    Args:
        source: the column's key.
        person: n person keys, without nulls or blanks.
        values: the n-row source columns, in the policy's order.
        wanted: distinct symbols of tokens: their last 17 characters, in capitals. Prefix and epoch are not compared, so that
            a token under a foreign prefix is found where it comes from.

    Returns:
        Matches in the order of the rows; a row without a token matches nothing.

    Errors: as `transforms.tokens.derive.tokenise`.
    """
    tokens = tokenise(source.key, f"XX{source.epoch}-", person, values)
    symbols = pc.utf8_slice_codeunits(tokens.text, -SYMBOL_CHARACTERS)
    places = pc.index_in(symbols, value_set=wanted)
    rows = np.flatnonzero(np.asarray(places.is_valid()))
    return Found(np.asarray(places.drop_null(), np.int64), rows)
