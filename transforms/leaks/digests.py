"""Plain hashes of export values in a release: anybody who can guess a pay number can undo them [C1].

The release is searched for anything that could be a digest by its length and alphabet. Only if there is something is the export
hashed, so a clean view costs nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Set

ALGORITHMS = {"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}
_SIZES = frozenset(ALGORITHMS.values())
_HEX = re.compile(r"(?<![0-9A-Za-z])(?:0x)?((?:[0-9A-Fa-f]{2}){16,64})(?![0-9A-Za-z])")
_GROUPED_HEX = re.compile(r"[0-9A-Fa-f]{2,}(?:[ :-][0-9A-Fa-f]{2,})+")
_BASE64 = re.compile(r"(?<![0-9A-Za-z+/_-])([0-9A-Za-z+/_-]{22,86})(?![0-9A-Za-z+/_-])")
_BASE32 = re.compile(r"(?<![0-9A-Za-z])([A-Z2-7]{26,103}|[a-z2-7]{26,103})(?![0-9A-Za-z])")


def digests_in(text: str) -> Iterator[bytes]:
    """What stands in a text and could be an MD5, SHA-1, SHA-256 or SHA-512 digest."""
    for reading in ENCODINGS:
        yield from (digest for digest in reading(text) if len(digest) in _SIZES)


def in_hex(text: str) -> Iterator[bytes]:
    """Digests in hexadecimal, also in groups, as a UUID is."""
    for run in _HEX.findall(text):
        yield bytes.fromhex(run)
    for run in _GROUPED_HEX.findall(text):
        digits = re.sub("[ :-]", "", run)
        if len(digits) % 2 == 0:
            yield bytes.fromhex(digits)


def in_base64(text: str) -> Iterator[bytes]:
    """Digests in base 64 of either alphabet, with or without padding."""
    for run in _BASE64.findall(text):
        if len(run) in (22, 27, 43, 86):
            yield base64.urlsafe_b64decode(run.replace("+", "-").replace("/", "_") + "=" * (-len(run) % 4))


def in_base32(text: str) -> Iterator[bytes]:
    """Digests in base 32, with or without padding."""
    for run in _BASE32.findall(text):
        if len(run) in (26, 32, 52, 103):
            try:
                yield base64.b32decode(run.upper() + "=" * (-len(run) % 8))
            except binascii.Error:
                continue


def hashes_of(value: str, sizes: Set[int]) -> Iterator[bytes]:
    """The digests of one value in the spellings and encodings that systems hash: as is, in either case, without zeros; one byte a
    character or two, and with the line end that a shell adds."""
    for spelt in {value, value.strip(), value.lower(), value.upper(), value.lstrip("0")} - {""}:
        for data in (spelt.encode(), spelt.encode("utf-16-le"), f"{spelt}\n".encode()):
            for name, size in ALGORITHMS.items():
                if size in sizes:
                    yield hashlib.new(name, data, usedforsecurity=False).digest()


def search_digests(values: Iterable[str], wanted: Set[bytes]) -> Iterator[bytes]:
    """Those of the wanted digests that are one of some value, as often as there are values of it."""
    sizes = {len(digest) for digest in wanted}
    for value in values:
        yield from wanted & set(hashes_of(value, sizes))


ENCODINGS: tuple[Callable[[str], Iterator[bytes]], ...] = (in_hex, in_base64, in_base32)
