"""The map from a supplier's old tokens to its new ones at a rotation, as a file that only that supplier can open [C12, C16-C18].

docs/spec/continuity.md describes the format for another implementation. The content is AES-256-GCM in chunks (the STREAM
construction) under a key of its own; HPKE (RFC 9180, base mode, one recipient) takes that key to the supplier. HPKE does not say
who sent it: the signed manifest, which lists the file's digest, does.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import load_der_public_key

from transforms.errors import InternalError, KeyUnavailable, Refused
from transforms.tokens.format import SYMBOLS
from transforms.tokens.mac import Key

FORMAT: Final = "supplier-views/continuity/1"
CSV_HEADER: Final = "column,old_token,new_token\n"
CHUNK: Final = 1 << 20  # bytes of content that one authentication tag covers
_TAG: Final = 16
_WRAPPED: Final = 80  # 32 bytes of encapsulated key, 32 of content key, 16 of tag
_NONCE_COUNTER: Final = 11
_LONGEST_HEADER: Final = 1 << 16
_FILE_NAME: Final = re.compile(r"continuity-[1-9][0-9]*-[1-9][0-9]*\.hpke")


@dataclass(frozen=True, slots=True)
class MapHeader:
    """The open first line of a file.

    `release` is the release that the file is part of, `columns` the token columns that it maps, in the view's order, `rows` the
    number of rows of the view, `recipient` the SHA-256 (hex) of the public key that it is encrypted to. `commitment` is a keyed
    digest (hex) of all else in the header and of the content: only the force can make it or check it.
    """

    supplier: str
    release: str
    from_epoch: int
    to_epoch: int
    columns: tuple[str, ...]
    rows: int
    recipient: str
    commitment: str = ""

    def encoded(self) -> bytes:
        """One line of JSON: keys in order, no white space, ASCII, a line end."""
        line = {"format": FORMAT, **asdict(self)}
        return json.dumps(line, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def map_name(from_epoch: int, to_epoch: int) -> str:
    """The name of the file in a release."""
    return f"continuity-{from_epoch}-{to_epoch}.hpke"


def is_map_name(name: str) -> bool:
    """Whether a file of a release is a map by its name."""
    return _FILE_NAME.fullmatch(name) is not None


def map_lines(column: str, old: pa.Array[Any], new: pa.Array[Any]) -> bytes:
    """The lines of one column: `column,old,new`, in the ascending order of new tokens, so that their order says nothing.

    Args:
        old, new: n tokens under the old and the new key, both null in the same rows; such rows have no line.

    Raises:
        InternalError: a row has one token and not the other, or a token stands in two rows [T7].
    """
    if not old.is_null().equals(new.is_null()):
        raise InternalError("a row has a token under one key and none under the other", place=column, code="continuity-differs")
    rows = pa.table({"old": old.drop_null(), "new": new.drop_null()}).sort_by("new")
    for name in rows.column_names:
        if pc.count_distinct(rows.column(name)).as_py() != rows.num_rows:
            raise InternalError("two people have one token", place=column, code="token-collision")
    if not rows.num_rows:
        return b""
    parts: list[Any] = [pa.repeat(column, rows.num_rows), *(rows.column(name).combine_chunks() for name in rows.column_names)]
    lines: Any = pc.binary_join_element_wise(*parts, pa.scalar(","))
    joined: Any = pc.binary_join(pa.ListArray.from_arrays([0, len(lines)], lines), "\n")
    text: str = joined[0].as_py()
    return f"{text}\n".encode()


def padded_size(header: MapHeader, token_prefix: str, symbols: Mapping[str, int] = MappingProxyType({})) -> int:
    """The bytes of content that a view of so many rows has, whichever of its cells are blank: a file's size says nothing else.

    `symbols` counts the symbols of a token, with its check symbol, for columns that have other ones than one-way tokens.
    """
    heads = sum(len(f"{token_prefix}{epoch}-") for epoch in (header.from_epoch, header.to_epoch))
    sizes = [len(column) + heads + 2 * symbols.get(column, SYMBOLS + 1) + 3 for column in header.columns]
    return len(CSV_HEADER) + sum(header.rows * size for size in sizes)


def commit(epoch_key: Key, header: MapHeader, content: Sequence[bytes]) -> MapHeader:
    """The header with its commitment to this content: HMAC-SHA-256 under a key that HKDF derives from the new epoch's."""
    digest = hashlib.sha256()
    for part in content:
        digest.update(part)
    mac_key = _derive(epoch_key, b"commitment", b"")
    commitment = hmac.digest(mac_key, _bare(header).encoded() + digest.digest(), "sha256").hex()
    return MapHeader(**{**asdict(header), "commitment": commitment})


def content_key(epoch_key: Key, header: bytes) -> bytes:
    """The 32-byte key of the content: HKDF-SHA-256 of the new epoch's key, bound to the header line and so to the content.

    Other content has another commitment and so another key: no key and nonce is ever used for two contents.
    """
    return _derive(epoch_key, b"content", header)


def spill_key(epoch_key: Key, release: str) -> bytes:
    """The 32-byte key under which pieces of a map wait in staging."""
    return _derive(epoch_key, b"spill", release.encode())


def seal_map(header: MapHeader, content: Sequence[bytes], key: bytes, recipient: X25519PublicKey) -> Iterator[bytes]:
    """The bytes of a file, piece by piece.

    Args:
        header: with its commitment.
        content: the CSV text, padded with line ends to `padded_size`.
        key: from `content_key`.
        recipient: the supplier's public key.
    """
    line = header.encoded()
    yield line
    yield _suite().encrypt(key, recipient, info=line)
    cipher = AESGCM(key)
    data = memoryview(b"".join(content))
    for start in range(0, len(data), CHUNK):
        last = start + CHUNK >= len(data)
        yield cipher.encrypt(_nonce(start // CHUNK, last), data[start : start + CHUNK], None)


def same_map(file: bytes, header: MapHeader) -> bool:
    """Whether a file begins with this very header, and so was made from this very content."""
    return file.startswith(header.encoded())


def open_map(file: bytes, private: X25519PrivateKey) -> tuple[MapHeader, bytes]:
    """A file's header and content, as its supplier opens it.

    Raises:
        Refused: code `continuity-malformed` if it is no such file.
        KeyUnavailable: code `continuity-unopened` if it is for another key, or was altered or cut.
    """
    line, end, rest = file[:_LONGEST_HEADER].partition(b"\n")
    header = _parse(line + end)
    wrapped, body = rest[:_WRAPPED], memoryview(file)[len(line) + 1 + _WRAPPED :]
    try:
        cipher = AESGCM(_suite().decrypt(wrapped, private, info=line + end))
        chunks = range(0, len(body), CHUNK + _TAG)
        content = [
            cipher.decrypt(_nonce(number, start + CHUNK + _TAG >= len(body)), body[start : start + CHUNK + _TAG], None)
            for number, start in enumerate(chunks)
        ]
    except (InvalidTag, ValueError):
        content = []
    if not content:
        raise KeyUnavailable(
            "the continuity file does not open",
            place=f"release {header.release}",
            hint="use the private half of the key that the force has; if it is that one, the file was altered: ask for it again",
            code="continuity-unopened",
        )
    return header, b"".join(content).rstrip(b"\n") + b"\n"


def load_recipient(text: str) -> X25519PublicKey:
    """A supplier's public key from the base 64 of its SubjectPublicKeyInfo, after a first sealing has shown that it works.

    Raises:
        KeyUnavailable: code `recipient-key-invalid`.
    """
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
        if isinstance(key, X25519PublicKey):
            _suite().encrypt(b"", key)
            return key
    except (ValueError, binascii.Error):
        pass
    raise KeyUnavailable(
        "the supplier's key is no X25519 public key that can be used",
        hint="ask the supplier for another, and confirm its fingerprint",
        code="recipient-key-invalid",
    )


def self_test_continuity() -> None:
    """Seals a map to a key of its own and opens it again; a run calls it before it makes a map.

    Raises:
        InternalError: what comes out is not what went in, or it opens under another key.
    """
    private, other = X25519PrivateKey.generate(), X25519PrivateKey.generate()
    bare = MapHeader("example", "2000-01-01-000000", 1, 2, ("person_token",), 1, "")
    content = [CSV_HEADER.encode(), b"person_token,a,b\n", b"\n" * 4]
    header = commit(bytes(32), bare, content)
    file = b"".join(seal_map(header, content, content_key(bytes(32), header.encoded()), private.public_key()))
    works = open_map(file, private) == (header, b"".join(content[:2]))
    try:
        open_map(file, other)
    except KeyUnavailable:
        if works:
            return
    raise InternalError("a continuity map does not open as it must", code="continuity-self-test-failed")


def _parse(line: bytes) -> MapHeader:
    try:
        fields = json.loads(line)
        if fields.pop("format") != FORMAT:
            raise ValueError
        header = MapHeader(**{**fields, "columns": tuple(fields["columns"])})
        if header.encoded() == line:
            return header
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    raise Refused("this is no continuity file", hint="open the .hpke file of a release, as it came", code="continuity-malformed")


def _bare(header: MapHeader) -> MapHeader:
    return MapHeader(**{**asdict(header), "commitment": ""})


def _derive(epoch_key: Key, use: bytes, context: bytes) -> bytes:
    info = FORMAT.encode() + b"\x00" + use + b"\x00" + context
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(bytes(epoch_key))


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(_NONCE_COUNTER, "big") + bytes([last])


def _suite() -> Suite:
    return Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
