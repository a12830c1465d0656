"""What the tokens of each column must look like, from policy and contract alone [T1-T5]."""

from __future__ import annotations

from dataclasses import dataclass

from transforms.contract.model import Contract
from transforms.policy.model import Policy, TokenColumn, TokenKind
from transforms.policy.token_size import TAG_BYTES, bucket_of, digits_of

SYMBOLS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
DIGITS = "0123456789"
SHORT_DIGITS = 12
_ONE_WAY_BODY = 16
_SHORT_BODY = 8


@dataclass(frozen=True, slots=True)
class Shape:
    """A token: `head` (prefix, epoch, hyphen; empty for a bare number), `body` symbols, and a check symbol if there is a head.

    `spare` is the number of bits of the last symbol that are always zero. `domain` is how many different tokens there can be where
    that is so few that two are equal by chance, and 0 elsewhere.
    """

    kind: TokenKind
    head: str
    body: int
    spare: int = 0
    domain: int = 0

    @property
    def bare(self) -> bool:
        """Whether the token is digits and nothing else."""
        return self.kind == "digits"

    @property
    def places(self) -> int:
        """The symbols with the check symbol."""
        return self.body + (not self.bare)

    @property
    def width(self) -> int:
        """The bytes of a token."""
        return len(self.head) + self.places

    @property
    def alphabet(self) -> str:
        """What a symbol can be."""
        return DIGITS if self.bare else SYMBOLS

    @property
    def symbols_pattern(self) -> str:
        """An expression for the symbols."""
        return f"[0-9]{{{self.places}}}" if self.bare else f"[0-9A-HJKMNP-TV-Z]{{{self.places}}}"

    @property
    def any_pattern(self) -> str:
        """An RE2 expression for a token of this kind of any supplier and epoch."""
        head = "" if self.bare else "[A-Z]{2,4}[1-9][0-9]*-"
        return rf"\A{head}{self.symbols_pattern}\z"


def shape_of(column: TokenColumn, policy: Policy, contract: Contract, epoch: int) -> Shape:
    """The shape of one column's tokens."""
    head = f"{policy.token_prefix}{epoch}-"
    if column.kind == "digits":
        digits = digits_of(column, contract)
        return Shape("digits", "", digits, domain=10**digits)
    if column.kind == "short":
        return Shape("short", head, _SHORT_BODY, domain=10**SHORT_DIGITS)
    if column.kind == "reversible":
        bits = (TAG_BYTES + (bucket_of(column, contract) or 0)) * 8
        return Shape("reversible", head, -(-bits // 5), spare=-bits % 5)
    return Shape("one-way", head, _ONE_WAY_BODY)
