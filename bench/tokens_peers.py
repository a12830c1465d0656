"""The contenders that `bench/tokens.py` runs beside ours: each takes Arrow arrays and gives an Arrow array, on one thread.

Keys are bound and ciphers opened before the clock starts. What a peer does less than ours is said at its function.
"""

from __future__ import annotations

import base64
import hmac
import re
import unicodedata
from collections.abc import Callable, Sequence

import polars as pl
import polars_hash  # noqa: F401 - registers the namespace `chash`
import pyarrow as pa
import tink
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from fastfpe import ff1 as fastfpe_ff1
from ffx import FF1
from tink import daead

Column = pa.Array

_CROCKFORD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789ABCDEFGHJKMNPQRSTVWXYZ")
_LOOKALIKE = str.maketrans(
    {**dict.fromkeys("\u2018\u2019\u02bc\u00b4`\u2032", "'"), **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")}
)
_UNTIDY = re.compile(r"^ | $|  |[^\x20-\x7e]")


def hmac_loop(key: bytes, prefix: str, person: Column, values: Column) -> Column:
    """`hmac.digest` and base 32 of person and value; no check symbol, and no framing but one separator."""
    digest, encode = hmac.digest, base64.b32encode
    return pa.array(
        [
            prefix + encode(digest(key, f"{who}\x1f{value}".encode(), "sha256")[:10]).decode().translate(_CROCKFORD)
            for who, value in zip(person.to_pylist(), values.to_pylist(), strict=True)
        ]
    )


def canonical_hmac_loop(key: bytes, prefix: str, person: Column, values: Column) -> Column:
    """The same after the canonical form; tidy ASCII takes a short cut, as a careful loop would."""
    digest, encode = hmac.digest, base64.b32encode
    tokens = []
    for who, value in zip(person.to_pylist(), values.to_pylist(), strict=True):
        text = canonical(value) if _UNTIDY.search(value) else value.lower()
        mac = digest(key, f"{canonical(who) if _UNTIDY.search(who) else who}\x1f{text}".encode(), "sha256")
        tokens.append(prefix + encode(mac[:10]).decode().translate(_CROCKFORD))
    return pa.array(tokens)


def canonical(text: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text.translate(_LOOKALIKE)).casefold())
    return " ".join(folded.translate(_LOOKALIKE).split())


def polars_hmac(key: str, values: Column) -> Column:
    """polars-hash, the best keyed hash of a column: the value alone, without the person, as 64 hexadecimal digits."""
    return pl.from_arrow(values).to_frame("v").select(pl.col("v").chash.hmac_sha256(key=key)).to_series().to_arrow()


def tink_cipher() -> daead.DeterministicAead:
    daead.register()
    return tink.new_keyset_handle(daead.deterministic_aead_key_templates.AES256_SIV).primitive(daead.DeterministicAead)


def tink_rows(cipher: daead.DeterministicAead, person: Column, values: Column) -> Column:
    """Tink's deterministic AEAD of the value, bound to the person; raw bytes, no text."""
    seal = cipher.encrypt_deterministically
    return pa.array(
        [seal(value.encode(), who.encode()) for who, value in zip(person.to_pylist(), values.to_pylist(), strict=True)], pa.binary()
    )


def siv_rows(cipher: AESSIV, strings: Sequence[bytes], person: Column, blocks: Column) -> Column:
    constant, seal = list(strings), cipher.encrypt
    return pa.array(
        [seal(block, [*constant, who]) for who, block in zip(person.to_pylist(), blocks.to_pylist(), strict=True)], pa.binary()
    )


def siv_rows_opened(cipher: AESSIV, strings: Sequence[bytes], person: Column, sealed: Column) -> Column:
    constant, unseal = list(strings), cipher.decrypt
    return pa.array(
        [unseal(text, [*constant, who]) for who, text in zip(person.to_pylist(), sealed.to_pylist(), strict=True)], pa.binary()
    )


def libffx_rows(key: bytes, tweak: bytes, *, encrypt: bool) -> Callable[[Column], Column]:
    cipher = FF1(key, radix=10)
    step = cipher.encrypt if encrypt else cipher.decrypt
    return lambda numbers: pa.array([step(number, tweak=tweak) for number in numbers.to_pylist()])


def fastfpe_rows(key: bytes, tweak: bytes, *, encrypt: bool) -> Callable[[Column], Column]:
    step = fastfpe_ff1.encrypt if encrypt else fastfpe_ff1.decrypt
    key_hex, tweak_hex = key.hex(), tweak.hex()
    return lambda numbers: pa.array([step(key_hex, tweak_hex, "0123456789", number) for number in numbers.to_pylist()])
