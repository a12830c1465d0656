"""Known answers, and a second computation of some of a run's own tokens, for every kind of token.

Reversible tokens are compared with `cryptography`'s AESSIV; numbers with FF1 as SP 800-38G writes it down, a value at a time over
`cryptography`'s AES-CBC.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import unicodedata2
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from transforms.errors import InternalError
from transforms.policy.token_size import SHORT_DIGITS, SHORT_SYMBOLS
from transforms.tokens.canonicalise import canonical_text
from transforms.tokens.check import spot_check
from transforms.tokens.column import TokenForm, make_tokens
from transforms.tokens.derive import TokenLabel, column_key
from transforms.tokens.format import ALPHABET, check_symbol
from transforms.tokens.mac import BLOCK, HEADER, Key

# Frozen by this project (tests/vectors/token-kinds-v1.json): an epoch key that is no secret, and what it gives.
_EXAMPLE_KEY: Final = bytes(range(32))
_NAMES: Final = ("surname", "forenames")
_NUMBER: Final = ("pay_number",)
_EXAMPLES: Final = (
    (
        TokenForm("reversible", "example", 1, "name_token", "WC1-", _NAMES, None, 64),
        (
            "WC1-P5NK6YXH1JGXESXGYF7PFW3HQWDTAQSH2HXQQNF4Q0F9ECNDPQ0V8JWPFTBJ8SXVT3QJ78RKVMA0Q12KVFTNR077RHHXCTG6VWKNDT7KC5ZY5PRQ7WGNEBBG707Z2MEGN",
            "WC1-MS0HV5989SJ5R7VFAM1DZT82DV0NQ12BSGFXFPGMEG0RX2R39GFJ9W2Q0V638SZE3QYF800ZE8W9B6484657XNDFV78FSPCA9C31TZWTF01Q495A5MMHXZRQKKX56WWD2",
            None,
        ),
    ),
    (
        TokenForm("reversible", "example", 1, "person_token", "WC1-", _NUMBER, 0, 16),
        (
            "WC1-M1F6WWVBBH18SX9V2YB3M2JNC48YD6384V0G90HV8CQ40S0GMCN0S",
            "WC1-ANEB8E921DPERKYX335VMCA5QSEDMB59GH8EEGEV6JKH65HV4D300",
            "WC1-BKQTQDH9CEE6X9C1WZFRXA3405D8PSP095374H5G09NGT72J7TK0X",
        ),
    ),
    (TokenForm("digits", "example", 1, "number", "WC1-", _NUMBER, 0, 8), ("32845787", "53803038", "15284635")),
    (TokenForm("short", "example", 1, "short", "WC1-", _NUMBER, 0, 8), ("WC1-RGX570SVM", "WC1-Q1W20TDFH", "WC1-002K9VXVB")),
)
_EXAMPLE_PEOPLE: Final = {
    "pay_number": ("00012345", "00012346", "00012347"),
    "surname": ("O\u2019Neill", "Smith", None),
    "forenames": ("  Siobha\u0301n  Mary ", None, " "),
}
# NIST's FF1 sample 7 (AES-256, radix 10, no tweak) and RFC 5297's construction are in the tests of the primitives.


def self_test_kinds() -> None:
    """Runs frozen people through the column path of every kind; a run calls it before it makes a token.

    Raises:
        InternalError: a path gives something else than this version of tokens.
    """
    columns = {name: pa.array(values, pa.string()) for name, values in _EXAMPLE_PEOPLE.items()}
    for form, expected in _EXAMPLES:
        label = TokenLabel(form.supplier, form.epoch, form.column, form.of, "relationship", None, form.kind)
        made = make_tokens(column_key(_EXAMPLE_KEY, label), form, columns["pay_number"], [columns[name] for name in form.of])
        if made.text.to_pylist() != list(expected):
            raise InternalError(f"the known answers of {form.kind} tokens do not come out", code="token-self-test-failed")


def spot_check_column(
    key: Key,
    form: TokenForm,
    person: pa.Array[Any],
    values: Sequence[pa.Array[Any]],
    tokens: pa.Array[Any],
    rows: Sequence[int] | npt.NDArray[np.int64],
) -> None:
    """Makes the tokens of some rows once more, one value at a time, and compares.

    Args:
        key, form, person, values: what `make_tokens` was given, n rows.
        tokens: the n tokens that it made.
        rows: the rows to compare; few, for each goes through Python.

    Raises:
        InternalError: a token differs; the error names neither row nor value.
    """
    if form.kind == "one-way":
        spot_check(key, form.prefix, person, values, tokens, rows)
        return
    for row in map(int, rows):
        expected = _one_token(key, form, person[row].as_py(), [column[row].as_py() for column in values])
        if not hmac.compare_digest((tokens[row].as_py() or "").encode(), (expected or "").encode()):
            raise InternalError("a token of this run differs from the one-value computation", code="token-spot-check-failed")


def _one_token(key: Key, form: TokenForm, person: str, values: Sequence[str | None]) -> str | None:
    if form.kind == "reversible":
        return _one_reversible(key, form, person, values)
    number = int(person)
    if form.kind == "digits":
        return f"{_one_ff1(key, form.tweak, number, form.size):0{form.size}}"
    coded = _one_ff1(key, form.tweak, number, SHORT_DIGITS)
    return form.prefix + _one_text(coded, SHORT_SYMBOLS)


def _one_reversible(key: Key, form: TokenForm, person: str, values: Sequence[str | None]) -> str | None:
    written = [value if value and canonical_text(value) else None for value in values]
    if not any(written):
        return None
    fields = [canonical_text(person) or ""]
    fields += [unicodedata2.normalize("NFC", value or "") for place, value in enumerate(written) if place != form.key_at]
    plaintext = b"".join(len(field.encode()).to_bytes(HEADER, "big") + field.encode() for field in fields)
    data = AESSIV(bytes(key)).encrypt(plaintext.ljust(form.size, b"\0"), list(form.associated))
    spare = -len(data) * 8 % 5
    return form.prefix + _one_text(int.from_bytes(data, "big") << spare, (len(data) * 8 + spare) // 5)


def _one_text(bits: int, count: int) -> str:
    symbols = "".join(ALPHABET[bits >> 5 * place & 31] for place in reversed(range(count)))
    return symbols + check_symbol(symbols)


def _one_ff1(key: Key, tweak: bytes, number: int, digits: int) -> int:
    """SP 800-38G algorithm 7 for one number of so many decimal digits, with the standard's letters."""
    u, v = digits // 2, digits - digits // 2
    a, b = divmod(number, _power(v))
    size = ((_power(v) - 1).bit_length() + 7) // 8
    drawn = 4 * -(-size // 4) + 4
    p = bytes([1, 2, 1, 0, 0, 10, 10, u]) + digits.to_bytes(4, "big") + len(tweak).to_bytes(4, "big")
    for i in range(10):
        q = tweak + bytes((-len(tweak) - size - 1) % BLOCK) + bytes([i]) + b.to_bytes(size, "big")
        r = Cipher(algorithms.AES(key), modes.CBC(bytes(BLOCK))).encryptor().update(p + q)[-BLOCK:]
        # At most 18 digits: 4 bytes a half, so 8 are drawn, and R holds them.
        y = int.from_bytes(r[:drawn], "big")
        a, b = b, (a + y) % _power(u if i % 2 == 0 else v)
    return a * _power(v) + b


def _power(digits: int) -> int:
    return int(10**digits)
