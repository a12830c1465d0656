"""One token column of one supplier and epoch, whatever its kind: how its tokens are made from persons and values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from transforms.contract.model import Contract
from transforms.policy.model import Policy, TokenColumn, TokenKind
from transforms.policy.token_size import SHORT_SYMBOLS, TAG_BYTES, token_size
from transforms.tokens.derive import TokenLabel, Tokens, tokenise
from transforms.tokens.format import SYMBOLS
from transforms.tokens.mac import Key
from transforms.tokens.number import number_tokens, tweak_of
from transforms.tokens.reversible import associated_data, reversible_tokens
from transforms.tokens.symbols import symbol_count


@dataclass(frozen=True, slots=True)
class TokenForm:
    """What the tokens of a column are, but for the key.

    `prefix` is letters, epoch and hyphen. `of` names the source columns; `key_at` is the place of the person key among them, None
    if it is not there. `size` is the bucket in bytes of a reversible token, the number of digits of `digits` and `short`, and 0
    for a one-way token.
    """

    kind: TokenKind
    supplier: str
    epoch: int
    column: str
    prefix: str
    of: tuple[str, ...]
    key_at: int | None
    size: int

    @property
    def associated(self) -> tuple[bytes, ...]:
        """The associated data of a reversible token."""
        return associated_data(self.supplier, self.column, self.epoch)

    @property
    def symbols(self) -> int:
        """The symbols of a token behind its prefix, the check symbol among them; the digits of a bare number."""
        if self.kind == "digits":
            return self.size
        return {"one-way": SYMBOLS, "short": SHORT_SYMBOLS}.get(self.kind, symbol_count(TAG_BYTES + self.size)) + 1

    @property
    def tweak(self) -> bytes:
        """The tweak of `digits` and `short`."""
        return tweak_of(self.supplier, self.column, self.epoch)


def form_of(policy: Policy, contract: Contract, token: TokenColumn, epoch: int) -> TokenForm:
    """The form of one column's tokens in an epoch; the policy has passed the lint."""
    key_at = token.of.index(contract.person_key) if contract.person_key in token.of else None
    prefix = f"{policy.token_prefix}{epoch}-"
    return TokenForm(token.kind, policy.supplier, epoch, token.name, prefix, token.of, key_at, token_size(token, contract))


def label_of(policy: Policy, token: TokenColumn, epoch: int, release: str) -> TokenLabel:
    """What the key of one column is bound to; the release matters to a token of the scope `transaction` alone."""
    return TokenLabel(
        supplier=policy.supplier,
        epoch=epoch,
        column=token.name,
        of=token.of,
        scope=token.scope,
        release=release if token.scope == "transaction" else None,
        kind=token.kind,
    )


def make_tokens(key: Key, form: TokenForm, person: pa.Array[Any], values: Sequence[pa.Array[Any]]) -> Tokens:
    """The tokens of a column.

    Args:
        key: of the column, from `transforms.tokens.derive.column_key`.
        form: of the column.
        person: n raw person keys, without nulls or blanks.
        values: the n-row source columns `form.of`, raw.

    Returns:
        n tokens; null where all values are null or blank [P16].

    Raises:
        ExportError: a person key is blank, or a value holds a forbidden character, is too long, or is no number of its length.
    """
    if form.kind == "one-way":
        return tokenise(key, form.prefix, person, values)
    if form.kind == "reversible":
        others = [value for place, value in enumerate(values) if place != form.key_at]
        always = form.key_at is not None
        return reversible_tokens(key, form.associated, form.prefix, form.size, person, others, always=always)
    return number_tokens(key, form.tweak, form.prefix, form.size, person, bare=form.kind == "digits")
