"""What the lint says of what a token is made of, and of tokens that can be decrypted: a code, the rule, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from transforms.contract.digits import fixed_digits
from transforms.contract.model import Contract
from transforms.policy.model import TokenColumn
from transforms.policy.token_size import BARE_DIGITS, BUCKETS, SHORT_DIGITS, bucket_of, most_bytes, reversible_bytes

# A file's name has 255 bytes: four letters, nine digits, a hyphen, 231 symbols, a check symbol and `.jpg` are 250.
LONGEST_NAMING_BUCKET: Final = 128
# A canonical value has 65,535 bytes at most, and is at most eleven times as long as what was typed (U+FDFA).
MOST_RAW: Final = 65_535 // 11

Said = tuple[str, str, str]


def token_findings(token: TokenColumn, contract: Contract) -> Iterator[Said]:
    """Why a token of that kind cannot be made of its sources, all of which are in the contract."""
    if token.kind == "reversible":
        if bucket_of(token, contract) is None:
            rule = f"{token.name} would have to hold {reversible_bytes(token, contract):,} bytes, and can hold {BUCKETS[-1]}"
            yield "token-too-large", rule, "lower maxBytes of its source columns in the contract"
    elif token.kind != "one-way":
        yield from _number_findings(token, contract)
    elif long := [name for name in dict.fromkeys((contract.person_key, *token.of)) if most_bytes(contract.column(name)) > MOST_RAW]:
        rule = f"{token.name} would be made of {', '.join(long)}, of which a cell may have more than {MOST_RAW:,} bytes"
        yield "token-too-large", rule, "lower maxBytes in the contract"


def _number_findings(token: TokenColumn, contract: Contract) -> Iterator[Said]:
    if token.of != (contract.person_key,):  # [P4]: FF1 sees a value and no person
        rule = f"{token.name} has the format {token.kind}, and is of something else than the person key alone"
        yield "token-format-source", rule, f"use {{of: [{contract.person_key}]}}, or remove format"
        return
    count = fixed_digits(contract.column(contract.person_key).pattern)
    if count is None:
        rule = f"{token.name} has the format {token.kind}, and {contract.person_key} need not be digits of one length"
        yield "token-format-digits", rule, "give the column a pattern such as [0-9]{8} in the contract, or remove format"
    elif token.kind == "digits" and not BARE_DIGITS[0] <= count <= BARE_DIGITS[1]:
        rule = f"{token.name} would be a number of {count} digits, and may have {BARE_DIGITS[0]} to {BARE_DIGITS[1]}"
        yield "token-domain", rule, "a domain of less than a million can be searched: use another format"  # [C8]
    elif token.kind == "short" and count > SHORT_DIGITS:
        rule = f"{token.name} would stand for a number of {count} digits, and may for {SHORT_DIGITS} at most"
        yield "token-domain", rule, "use another format"


def token_notices(token: TokenColumn) -> Iterator[Said]:
    """What a reviewer will ask about tokens that can be decrypted."""
    if token.kind == "one-way":
        return
    rule = f"{token.name} can be decrypted: whoever gets the key reads what it stands for, without the export"  # [P7]
    yield "token-reversible", rule, "keep it only if leavers must be resolved, or a supplier's system takes nothing else"
    if token.kind == "digits":
        rule = (
            f"{token.name} is a bare number that looks like other people's real numbers, and for some people equals one:"
            " of a million such numbers of 8 digits 510 did, against 50,000 issued"
        )
        yield "token-digits", rule, "use format: short, 9 symbols with a check symbol behind prefix and epoch"
