"""What a token looks like: `WC1-7K3M9X2PQRTV8HJED` [T1-T5].

The policy's prefix and the epoch, a hyphen, 80 bits as 16 Crockford base-32 symbols, and one check symbol from the same alphabet:
the Damm scheme over GF(32) with x^5 + x^2 + 1, which finds every wrong symbol and every swap of neighbours.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.contract.buffers import Bytes
from transforms.errors import InvalidInput
from transforms.policy.model import TokenKind
from transforms.policy.token_size import BARE_DIGITS, BUCKETS, SHORT_SYMBOLS, TAG_BYTES
from transforms.tokens.encode import ALPHABET as ALPHABET
from transforms.tokens.encode import WRITTEN, remainder, write_symbols

SYMBOLS: Final = 16
SYMBOLS_PATTERN: Final = "[0-9A-HJKMNP-TV-Z]{17}"
TOKEN_PATTERN: Final = f"[A-Z]{{2,4}}[0-9]+-{SYMBOLS_PATTERN}"

_PREFIX = re.compile(r"[A-Z]{2,4}[0-9]+-")
_LENGTHS = (SYMBOLS, SHORT_SYMBOLS, *(-(-(TAG_BYTES + bucket) * 8 // 5) for bucket in BUCKETS))
# The longest first: without a hyphen the epoch is then as short as it can be.
_READ = tuple(
    re.compile(rf"([A-Z]{{2,4}})([1-9][0-9]{{0,8}})([0-9A-TV-Z]{{{length + 1}}})") for length in sorted(_LENGTHS, reverse=True)
)
_BARE = re.compile(rf"[0-9]{{{BARE_DIGITS[0]},{BARE_DIGITS[1]}}}")
_LONGEST = 1024
_MISREAD = str.maketrans("OIL", "011")
_VALUES = {symbol: value for value, symbol in enumerate(ALPHABET)}
_DOUBLED = tuple(remainder(value << 1) for value in range(len(ALPHABET)))


@dataclass(frozen=True, slots=True)
class Token:
    """One token, read: the policy's prefix, the epoch, and the symbols before the check symbol.

    A bare number has no prefix, epoch 0, and its digits as symbols.
    """

    prefix: str
    epoch: int
    symbols: str

    @property
    def kind(self) -> TokenKind:
        """What the number of symbols says."""
        if not self.prefix:
            return "digits"
        return {SYMBOLS: "one-way", SHORT_SYMBOLS: "short"}.get(len(self.symbols), "reversible")  # type: ignore[return-value]

    @property
    def text(self) -> str:
        """The token as the columns write it."""
        return f"{self.prefix}{self.epoch}-{self.symbols}{check_symbol(self.symbols)}" if self.prefix else self.symbols


def check_symbol(symbols: str) -> str:
    """The Damm check symbol of some symbols of the alphabet: t <- 2 * (t xor d) over GF(32)."""
    interim = 0
    for symbol in symbols:
        interim = _DOUBLED[interim ^ _VALUES[symbol]]
    return ALPHABET[interim]


def parse_token(text: str) -> Token:
    """Reads a token with a prefix as people type it: case and hyphens do not matter, o is read as 0, i and l as 1.

    Raises:
        InvalidInput: the text is no token (`token-malformed`), or it is one with a typing error (`token-mistyped`). The error
            does not say which text.
    """
    typed = text.strip().upper() if text.isascii() and len(text) <= _LONGEST else ""
    head = _PREFIX.match(typed)
    end = head.end() if head else 0
    # A hyphen behind the epoch says where it ends: without that, one symbol too many would pass for a later epoch.
    rest = typed[end:].replace("-", "")
    found = [match for pattern in _READ if (match := pattern.fullmatch(typed[:end].removesuffix("-") + rest))]
    found = [match for match in found if not head or match.start(3) == end - 1]
    if not found:
        raise InvalidInput("this is not a token", code="token-malformed", hint="a token looks like WC1- and 17 letters and digits")
    match = found[0]
    body = match[3].translate(_MISREAD)
    if check_symbol(body[:-1]) != body[-1]:
        raise InvalidInput("the token is mistyped: its check symbol does not fit", code="token-mistyped", hint="read it once more")
    return Token(match[1], int(match[2]), body[:-1])


def parse_number(text: str) -> Token:
    """Reads a bare number of 6 to 18 digits; hyphens and spaces between them do not matter. It has no check symbol.

    Raises:
        InvalidInput: the text is no such number (`token-malformed`).
    """
    digits = text.strip().replace("-", "").replace(" ", "") if text.isascii() and len(text) <= _LONGEST else ""
    if not _BARE.fullmatch(digits):
        raise InvalidInput("this is not a token", code="token-malformed", hint="a bare number has 6 to 18 digits")
    return Token("", 0, digits)


def format_tokens(prefix: str, macs: Bytes, valid: npt.NDArray[np.bool_]) -> pa.StringArray:
    """The tokens of a column.

    Args:
        prefix: letters, epoch and hyphen, such as `WC1-`.
        macs: (n, 16) bytes; the first 80 bits of a row make its token.
        valid: n booleans; where False the row is null, and no byte of its MAC is in the result.

    Returns:
        n tokens.

    Raises:
        ValueError: the prefix has another form.
    """
    if not _PREFIX.fullmatch(prefix):
        raise ValueError("a token's prefix is two to four capital letters, the epoch and a hyphen")
    whole = bool(valid.all())
    rows = macs if whole else macs[valid]
    head = np.frombuffer(prefix.encode(), f"V{len(prefix)}")
    texts = np.empty(len(rows), [("head", head.dtype), ("symbols", f"V{WRITTEN}")])
    texts["head"] = np.repeat(head, len(rows))
    write_symbols(texts.view(np.uint8).reshape(len(rows), texts.dtype.itemsize), rows)
    return string_array(texts.view(np.uint8), texts.dtype.itemsize, valid)


def string_array(texts: Bytes, width: int, valid: npt.NDArray[np.bool_]) -> pa.StringArray:
    """Texts of one width as a column.

    Args:
        texts: the bytes of the texts of all valid rows, in order.
        width: of each text, in bytes.
        valid: n booleans; False gives null.
    """
    memory = pa.py_buffer(np.ascontiguousarray(texts).data)
    if valid.all():
        offsets = np.arange(0, (len(valid) + 1) * width, width, dtype=np.int32)
        return pa.StringArray.from_buffers(len(valid), pa.py_buffer(offsets.data), memory)
    offsets = np.zeros(len(valid) + 1, np.int32)
    np.cumsum(valid * np.int32(width), out=offsets[1:])
    return pa.StringArray.from_buffers(len(valid), pa.py_buffer(offsets.data), memory, pa.array(valid).buffers()[1])
