"""Other texts that a stranger reads in a text or in bytes: decoded, unescaped, taken apart at a change of case.

Each public function is one reading: it takes a text and gives what it may also say, often nothing. A reading that means nothing
does no harm: its words are looked up in the export, and are not there.
"""

from __future__ import annotations

import base64
import html
import re
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

SHORTEST = 4  # characters of a decoded text; fewer come out of anything by chance
_DEPTH = 2  # a link inside a page inside base 64 is no accident

_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_ENTITY = re.compile(r"&#?[0-9A-Za-z]{1,32};")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}[ :,-]?){4,}|[0-9A-Fa-f]{9,}")
_BASE64 = re.compile(r"[0-9A-Za-z+/_-]{6,}")
_GROUPED = re.compile(r"(?<![0-9])[0-9]+(?:[ ./()-]{1,2}[0-9]+)+(?![0-9])")
_FEWEST_GROUPED = 8  # digits
_DATE = re.compile("[0-9]{4}[-/.][0-9]{2}[-/.][0-9]{2}|[0-9]{1,2}[-/. ][0-9]{1,2}[-/. ][0-9]{2,4}")
_URL_SAFE = str.maketrans("-_", "+/")
_NOT_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ufffd]+")
# Two bytes a character: Latin with all its accents. Other pairs of bytes are Chinese by chance.
_WIDE = re.compile(f"[\x20-\x7e\xa0-\u024f\u0300-\u036f\u1e00-\u1eff]{{{SHORTEST},}}")


Reading = Callable[[str], Iterator[str]]


def readings(text: str, ways: Iterable[Reading], depth: int = _DEPTH) -> Iterator[str]:
    """Everything else that a text may say, and what that may say in turn."""
    for reading in ways:
        for other in reading(text):
            if other and other != text:
                yield other
                if depth > 1:
                    yield from readings(other, ways, depth - 1)


def texts_in(data: bytes) -> Iterator[str]:
    """Texts in bytes that should be none, of one byte a character (UTF-8) and of two (UTF-16, either order)."""
    yield from runs_of_text(data)
    yield from runs_of_wide_text(data)


def runs_of_text(data: bytes) -> Iterator[str]:
    """The runs of UTF-8 text in some bytes."""
    for run in _NOT_TEXT.split(data.decode("utf-8", "replace")):
        if len(run) >= SHORTEST:
            yield run


def runs_of_wide_text(data: bytes) -> Iterator[str]:
    """The runs of Latin text in UTF-16 in some bytes, in either order and from either byte on."""
    for start in (0, 1):
        for order in ("utf-16-le", "utf-16-be"):
            yield from _WIDE.findall(data[start:].decode(order, "replace"))


def without_url_escapes(text: str) -> Iterator[str]:
    """`Smith%2C%20Ada`, and with a plus for each blank (RFC 3986, section 2.1)."""
    if _ESCAPE.search(text):
        yield urllib.parse.unquote(text, errors="replace")
        yield urllib.parse.unquote_plus(text, errors="replace")


def without_entities(text: str) -> Iterator[str]:
    """`Ng&#361;g&#297;`, `O&apos;Neill`: HTML's character references."""
    if _ENTITY.search(text):
        yield html.unescape(text)


def from_hex(text: str) -> Iterator[str]:
    """`536d697468`, with or without marks between the bytes, from either digit on."""
    for run in _HEX.findall(text):
        digits = re.sub("[ :,-]", "", run)
        for start in (0, 1):
            even = digits[start : start + (len(digits) - start) // 2 * 2]
            yield from texts_in(bytes.fromhex(even))


def from_base64(text: str) -> Iterator[str]:
    """`U21pdGg=`, in either alphabet (RFC 4648), with or without padding, from any character on: a value that stands in the middle
    of what was encoded has one of three alignments, and what was cut off before it shifts that."""
    for run in _BASE64.findall(text):
        letters = run.translate(_URL_SAFE)
        for start in range(4):
            some = letters[start:]
            some = some[: len(some) - (len(some) % 4 == 1)]
            yield from texts_in(base64.b64decode(some + "=" * (-len(some) % 4)))


def without_nulls(text: str) -> Iterator[str]:
    """UTF-16 that was read as one byte a character."""
    if "\0" in text:
        yield text.replace("\0", "")


def split_at_capitals(text: str) -> Iterator[str]:
    """`lockerOfSmith`: words that only their capitals tell apart."""
    if not text.islower() and not text.isupper():
        spaced = "".join(f"{before} " if before.islower() and after.isupper() else before for before, after in pairwise(f"{text} "))
        if len(spaced) > len(text):
            yield spaced


def without_separators(text: str) -> Iterator[str]:
    """`07900 120 034`, `00-12-00-34`: a long number whose digits stand in groups, and that is no date; 2027-04 is a month."""
    for run in _GROUPED.findall(text):
        digits = re.sub("[^0-9]", "", run)
        if len(digits) >= _FEWEST_GROUPED and not _DATE.fullmatch(run):
            yield digits


DECODINGS: tuple[Reading, ...] = (without_url_escapes, without_entities, from_hex, from_base64, without_nulls)
READINGS: tuple[Reading, ...] = (*DECODINGS, split_at_capitals, without_separators)
