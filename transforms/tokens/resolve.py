"""The way back from tokens to people [P11]: make the tokens of the export once more, or decrypt those that can be decrypted.

There is no table from tokens to people. Whoever holds the key and the export recomputes one-way tokens, column by column, a batch
at a time; memory holds the wanted tokens and one batch. Only `pipelines.resolve` may import this module (import-linter holds it
to that).
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
from transforms.policy.token_size import SHORT_DIGITS, SHORT_SYMBOLS
from transforms.tokens.canonicalise import canonicalise
from transforms.tokens.column import TokenForm, make_tokens
from transforms.tokens.ff1 import ff1_decrypt
from transforms.tokens.format import SYMBOLS, Token
from transforms.tokens.number import RADIX
from transforms.tokens.reversible import read_plaintext
from transforms.tokens.siv import siv_decrypt
from transforms.tokens.symbols import bytes_of_symbols

SYMBOL_CHARACTERS = SYMBOLS + 1  # the check symbol is among them


class TokenSource(Unshareable):
    """How the tokens of one column of one supplier and epoch are made; holds the column's key, so it neither travels nor prints."""

    __slots__ = ("form", "key")

    def __init__(self, form: TokenForm, key: bytes) -> None:
        self.form = form
        self.key = key


@dataclass(frozen=True, slots=True, repr=False)
class Opened:
    """What a decrypted token stands for: the person key, and the values of the form's `of` (None for a null one).

    The person key of a reversible token is in its canonical form, the values are as HR wrote them.
    """

    person: str
    values: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """m matches: which of the wanted symbols, and in which row of the batch."""

    wanted: npt.NDArray[np.int64]
    rows: npt.NDArray[np.int64]


def find_people(source: TokenSource, person: pa.Array[Any], values: Sequence[pa.Array[Any]], wanted: pa.StringArray) -> Found:
    """The rows of a batch whose one-way token is wanted.

    Args:
        source: of a one-way column.
        person: n person keys, without nulls or blanks.
        values: the n-row source columns, in the policy's order.
        wanted: distinct symbols of tokens: their last 17 characters, in capitals. Prefix and epoch are not compared, so that
            a token under a foreign prefix is found where it comes from.

    Returns:
        Matches in the order of the rows; a row without a token matches nothing.

    Errors: as `transforms.tokens.derive.tokenise`.
    """
    tokens = make_tokens(source.key, source.form, person, values)
    return _found(pc.utf8_slice_codeunits(tokens.text, -SYMBOL_CHARACTERS), wanted)


def find_person_keys(person: pa.Array[Any], wanted: pa.StringArray) -> Found:
    """The rows of a batch whose person key is wanted.

    Args:
        person: n person keys, as the export has them.
        wanted: distinct canonical person keys.
    """
    return _found(canonicalise(person), wanted)


def open_tokens(source: TokenSource, tokens: Sequence[Token]) -> list[Opened | None]:
    """Decrypts tokens, each as if it were of this column, whatever its prefix and epoch say.

    Args:
        source: of a column that is not one-way.
        tokens: m tokens.

    Returns:
        For each token what it stands for, or None where it is none of this column: of another kind; of a reversible token that
        does not verify; of a number of another length; of a `short` one whose number has more digits than the source's. The
        digits of a bare number show nothing: it always stands for some number.
    """
    form = source.form
    found: list[Opened | None] = [None] * len(tokens)
    by_size: dict[int, list[int]] = {}
    for place, token in enumerate(tokens):
        if token.kind == form.kind:
            by_size.setdefault(len(token.symbols), []).append(place)
    for size, places in by_size.items():
        symbols = [tokens[place].symbols for place in places]
        if form.kind == "reversible":
            # Of any bucket: the contract may have allowed other lengths when the token was made, and the key is the same.
            opened = _open_reversible(source, size * 5 // 8, symbols)
        elif size == (SHORT_SYMBOLS if form.kind == "short" else form.size):
            opened = _open_numbers(source, symbols)
        else:
            continue
        for place, one in zip(places, opened, strict=True):
            found[place] = one
    return found


def _open_reversible(source: TokenSource, width: int, symbols: list[str]) -> list[Opened | None]:
    form = source.form
    data, whole = bytes_of_symbols(symbols, width)
    plaintexts, genuine = siv_decrypt(source.key, data, form.associated)
    fields = 1 + len(form.of) - (form.key_at is not None)
    found: list[Opened | None] = []
    for plaintext, holds in zip(plaintexts, whole & genuine, strict=True):
        if not holds:
            found.append(None)
            continue
        person, *values = read_plaintext(plaintext.tobytes(), fields)
        if form.key_at is not None:
            values.insert(form.key_at, person)
        found.append(Opened(person or "", tuple(values)))
    return found


def _open_numbers(source: TokenSource, symbols: list[str]) -> list[Opened | None]:
    form = source.form
    if form.kind == "digits":
        texts, spare, ours = symbols, 0, [True] * len(symbols)
    else:
        data, _ = bytes_of_symbols(symbols, SHORT_SYMBOLS * 5 // 8)
        numbers = [int.from_bytes(row.tobytes(), "big") for row in data]
        # Eight symbols can say more than twelve digits can; such a token is none of ours, and is opened as zero to keep its place.
        ours = [number < RADIX**SHORT_DIGITS for number in numbers]
        texts = [f"{number if one else 0:0{SHORT_DIGITS}}" for number, one in zip(numbers, ours, strict=True)]
        spare = SHORT_DIGITS - form.size
    numerals = np.frombuffer("".join(texts).encode(), np.uint8).reshape(len(texts), -1) - np.uint8(ord("0"))
    plain = ff1_decrypt(source.key, form.tweak, RADIX, numerals)
    found: list[Opened | None] = []
    for one, row in zip(ours, plain, strict=True):
        number = "".join(map(str, row[spare:].tolist()))
        found.append(Opened(number, (number,)) if one and not row[:spare].any() else None)
    return found


def _found(texts: pa.Array[Any], wanted: pa.StringArray) -> Found:
    places = pc.index_in(texts, value_set=wanted)
    rows = np.flatnonzero(np.asarray(places.is_valid()))
    return Found(np.asarray(places.drop_null(), np.int64), rows)
