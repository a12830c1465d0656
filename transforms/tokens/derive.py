"""From a person and some values to tokens: keys, labels and whole columns [P2-P5, P16, C3, C4]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from transforms.errors import ExportError
from transforms.policy.model import TokenKind
from transforms.tokens.canonicalise import canonical_cells
from transforms.tokens.format import format_tokens
from transforms.tokens.mac import KEY_BYTES, Key, cmac_fields
from transforms.tokens.siv import SIV_KEY_BYTES

# The first part of a label: what the key is for, so that no two kinds of token share one.
LABEL_VERSIONS: Final[Mapping[TokenKind, str]] = {
    "one-way": "supplier-views/token/1",
    "reversible": "supplier-views/token-siv/1",
    "digits": "supplier-views/token-ff1-digits/1",
    "short": "supplier-views/token-ff1-short/1",
}


@dataclass(frozen=True, slots=True)
class TokenLabel:
    """What the key of one token column is bound to: a change of any of it gives unrelated tokens.

    `of` names the source columns in the policy's order. `scope` is `relationship` (stable within the epoch) or `transaction`
    (new every release, whose identifier is then in `release`) [P3].
    """

    supplier: str
    epoch: int
    column: str
    of: tuple[str, ...]
    scope: str
    release: str | None = None
    kind: TokenKind = "one-way"

    def __post_init__(self) -> None:
        if self.scope not in ("relationship", "transaction"):
            raise ValueError("a token's scope is relationship or transaction")
        if (self.scope == "transaction") != (self.release is not None):
            raise ValueError("a transaction token needs its release, and only such a token has one")
        if self.epoch < 1 or not self.of:
            raise ValueError("a token needs an epoch from 1 and at least one source column")

    def encoded(self) -> bytes:
        """The label as bytes, injective: every text with its length before it, and the number of `of` columns before them."""
        parts = [counted(LABEL_VERSIONS[self.kind]), counted(self.supplier), counted(str(self.epoch)), counted(self.column)]
        parts += [len(self.of).to_bytes(2, "big"), *map(counted, self.of), counted(self.scope)]
        if self.release is not None:
            parts.append(counted(self.release))
        return b"".join(parts)


def counted(text: str) -> bytes:
    """A text after its length in bytes, so that no two sequences of texts give the same bytes."""
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def column_key(epoch_key: Key, label: TokenLabel) -> bytes:
    """The key of one token column: HKDF-SHA-256 (RFC 5869) of the epoch key, without salt, with the label as info [C3].

    Args:
        epoch_key: 32 bytes, the supplier's own random key of that epoch [C2].
        label: what the key is bound to.

    Returns:
        32 bytes, or 64 for a reversible token. The caller keeps them in memory only.

    Raises:
        ValueError: the epoch key has another length.
    """
    if len(epoch_key) != KEY_BYTES:
        raise ValueError("an epoch key has 32 bytes")
    length = SIV_KEY_BYTES if label.kind == "reversible" else KEY_BYTES
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=label.encoded()).derive(epoch_key)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tokens:
    """n tokens, and 64 bits of each by which rows are sorted: of a one-way token the first ones of its MAC, big-endian.

    `order` is spread evenly over its range, and ascends wherever `text` does; equal orders may have different texts. A null token
    has order 0.
    """

    text: pa.StringArray
    order: npt.NDArray[np.uint64]


def tokenise(column_key: Key, prefix: str, person: pa.Array[Any], values: Sequence[pa.Array[Any]]) -> Tokens:
    """The person-bound tokens of a column.

    A token stands for the person and these values: two people of one name get two tokens, one person gets the same token in every
    run with the same key [P4, P18].

    Args:
        column_key: 32 bytes, from `column_key`.
        prefix: letters, epoch and hyphen, such as `WC1-`.
        person: n raw person keys, without nulls or blanks.
        values: at least one column of n raw values; `person` may be one of them. They are canonicalised here.

    Returns:
        n tokens; null where all values are null or blank [P16].

    Raises:
        ValueError: key, prefix or shapes are wrong.
        ExportError: a person key is null or blank, or a value holds a forbidden character or is too long.
    """
    if not values:
        raise ValueError("a token needs at least one value")
    person_cells = canonical_cells(person)
    if not person_cells.lengths.all():
        raise ExportError("a row to be tokenised has no person key", code="person-key-missing")
    value_cells = [person_cells if _same(value, person) else canonical_cells(value) for value in values]
    valid = value_cells[0].lengths > 0
    for cells in value_cells[1:]:
        valid |= cells.lengths > 0
    macs = cmac_fields(column_key, [person_cells, *value_cells])
    order = macs.view(">u8")[:, 0].astype(np.uint64)
    order[~valid] = 0
    return Tokens(format_tokens(prefix, macs, valid), order)


def _same(one: pa.Array[Any], other: pa.Array[Any]) -> bool:
    """Whether two arrays are the same memory: a batch hands out a new array object at every look."""
    return one is other or (
        one.type == other.type
        and one.offset == other.offset
        and len(one) == len(other)
        and [buffer and buffer.address for buffer in one.buffers()] == [buffer and buffer.address for buffer in other.buffers()]
    )
