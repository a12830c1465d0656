"""Attack 1: hash everything that could have been hashed, without a key, and look for it in the release.

Every number in the ranges in which person keys are issued and every public name, by six hash functions, plain and with each salt
that a release gives away, before and behind the value. Cells are read in every encoding, so candidates need none: what is compared
are the first 64 bits of a digest, which 47,000 tokens and 50 million digests meet by luck once in eight million drills.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.drill.claims import Claims, ValueClaims
from pipelines.drill.loot import Haul, Ints, Loot, Public, clean, joined, mask, picked, places

Words = npt.NDArray[np.uint64]

# In the order in which somebody careless would choose.
HASHES = ("sha256", "sha1", "md5", "sha512", "blake2b", "blake2s")
ENCODINGS = ("hex", "base32", "base32-crockford", "base64", "decimal")
_TOKEN = re.compile(r"([A-Z]{2,4})([0-9]+)-(.+)", re.DOTALL)
_CROCKFORD = str.maketrans("0123456789ABCDEFGHJKMNPQRSTVWXYZ", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
_LENGTHS = (8, 10, 16, 20, 28, 32, 48, 64)  # bytes of a digest, or of its beginning, that is written as a number
_FILTER_BITS = 22
_QUICK_NUMBERS, _QUICK_NAMES = 8_192, 256
_USUAL = "forenames first"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Guesses:
    """Values that may have been hashed, and what a match says of the person."""

    what: str
    about: tuple[str, ...]
    texts: list[bytes]
    said: pa.Array[Any]


def attack(loot: Loot, *, quick: bool = False) -> list[Claims]:
    """Values read off as they stand, then values found by hashing; `quick` tries a sample of numbers and names."""
    haul = loot.last
    nothing = ValueClaims(
        "nothing that was tried", haul, np.empty(0, np.int64), (loot.public.person_key,), pa.array([], pa.string())
    )
    found = [nothing, *_in_clear(haul, loot.public)]
    guesses = list(_guesses(loot, quick=quick))
    hashed = _Hashed.of(haul)
    return [*found, *hashed.search(guesses, salts(haul))]


def salts(haul: Haul) -> dict[str, bytes]:
    """What a release gives away that a careless design would take for a salt."""
    head = _TOKEN.match(str(haul.table.column(0)[0])) if haul.rows else None
    told = {
        "supplier": haul.design.supplier,
        "prefix": haul.design.prefix,
        "epoch": head[2] if head else "1",
        "prefix and epoch": f"{head[1]}{head[2]}" if head else "",
        "start of a token": f"{head[1]}{head[2]}-" if head else "",
        "date": haul.day.isoformat(),
        "date in digits": f"{haul.day:%Y%m%d}",
        "release id": haul.release,
    }
    return {name: text.encode() for name, text in told.items() if text}


def _in_clear(haul: Haul, public: Public) -> Iterator[Claims]:
    """Columns that hold a number or name as it stands, alone or, for numbers, inside longer text such as a file name."""
    number = rf"(?:^|[^0-9A-Za-z])(?P<number>[0-9]{{{max(1, public.width)}}})(?:[^0-9A-Za-z]|$)"
    for name in haul.table.column_names:
        values = haul.column(name)
        if public.numbers:
            groups: Any = pc.extract_regex(values, pattern=number)
            digits = pc.if_else(groups.is_valid(), groups.field("number"), pa.scalar(None, pa.string()))
            yield _claimed(f"{name} as it stands", haul, (public.person_key,), digits)
        cells = clean(values)
        for column in public.names:
            listed = pc.unique(clean(public.lists[haul.day].column(column)))
            known = mask(pc.is_in(cells, value_set=listed))
            if 2 * int(known.sum()) > haul.rows:  # else a few labels that are names as well
                yield _claimed(
                    f"{name} as it stands", haul, (column,), pc.if_else(pa.array(known), cells, pa.scalar(None, pa.string()))
                )


def _claimed(how: str, haul: Haul, about: tuple[str, ...], said: pa.Array[Any]) -> Claims:
    rows = np.flatnonzero(np.asarray(said.is_valid()))
    return ValueClaims(how, haul, rows, about, picked(said, rows))


def _guesses(loot: Loot, *, quick: bool) -> Iterator[_Guesses]:
    public, listed = loot.public, loot.listed(loot.last)
    if public.numbers:
        issued = np.concatenate([np.arange(each.start, each.stop, dtype=np.int64) for each in public.numbers])
        if quick and len(issued) > _QUICK_NUMBERS:
            issued = issued[:: -(-len(issued) // _QUICK_NUMBERS)]
        texts = [f"{number:0{public.width}d}" for number in issued.tolist()]
        yield _Guesses(public.person_key, (public.person_key,), [text.encode() for text in texts], pa.array(texts, pa.string()))
    if quick and listed.num_rows > _QUICK_NAMES:
        listed = picked(listed, np.arange(0, listed.num_rows, -(-listed.num_rows // _QUICK_NAMES)))
    for name in public.names:
        yield from _spelt(name, (name,), pc.unique(listed.column(name).combine_chunks()), None, plain=quick)
    if len(public.names) == 2:
        columns = [listed.column(name).combine_chunks() for name in public.names]
        said = joined(listed, public.names)
        for what, order, separator in (("surname first", (0, 1), ", "), (_USUAL, (1, 0), " "), ("together", (0, 1), "")):
            if not quick or what == _USUAL:
                full: Any = pc.binary_join_element_wise(*(columns[place] for place in order), separator)  # type: ignore[call-overload]
                yield from _spelt(f"names, {what}", public.names, full, said, plain=quick or what != _USUAL)


def _spelt(what: str, about: tuple[str, ...], texts: Any, said: Any, *, plain: bool) -> Iterator[_Guesses]:
    spellings: dict[str, Any] = {
        what: texts,
        f"{what} in capitals": pc.utf8_upper(texts),
        f"{what} in small letters": pc.utf8_lower(texts),
    }
    for spelling, values in spellings.items():
        if not plain or spelling == what:
            yield _Guesses(spelling, about, [text.encode() for text in values.to_pylist()], clean(texts) if said is None else said)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class _Hashed:
    """The cells of a release that could be digests: the first 64 bits of each reading of each, sorted, and their rows."""

    haul: Haul
    words: Words
    rows: Ints
    filter: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, haul: Haul) -> _Hashed:
        words: list[int] = []
        rows: list[int] = []
        for name in haul.table.column_names:
            values = haul.column(name)
            distinct = pc.unique(values)
            readings = [list(_readings(text)) for text in distinct.to_pylist()]
            for row, place in enumerate(places(values, distinct).tolist()):
                for word in readings[place] if place >= 0 else ():
                    words.append(word)
                    rows.append(row)
        order = np.argsort(np.array(words, np.uint64), kind="stable")
        found = np.array(words, np.uint64)[order]
        seen = np.zeros(1 << _FILTER_BITS, np.bool_)
        seen[_short(found)] = True
        return cls(haul, found, np.array(rows, np.int64)[order], seen)

    def search(self, guesses: Sequence[_Guesses], salts: dict[str, bytes]) -> Iterator[Claims]:
        """One set of claims a scheme that is found out; ends when one explains half of the rows, since a design has one scheme."""
        if not len(self.words):
            return
        for how, around in _schemes(salts):
            for name in HASHES:
                for group in guesses:
                    claims = self._match(f"{name}({how.format(group.what)})", getattr(hashlib, name), around, group)
                    if claims is not None:
                        yield claims
                        if 2 * len(claims.rows) > self.haul.rows:
                            return

    def _match(self, how: str, make: Callable[[bytes], Any], around: tuple[bytes, bytes], group: _Guesses) -> ValueClaims | None:
        before, behind = around
        digests = b"".join([make(before + text + behind).digest()[:8] for text in group.texts])
        hashes = np.frombuffer(digests, ">u8").astype(np.uint64)
        likely = np.flatnonzero(self.filter[_short(hashes)])
        first = np.searchsorted(self.words, hashes[likely], "left")
        last = np.searchsorted(self.words, hashes[likely], "right")
        if not (last > first).any():
            return None
        said: dict[int, int] = {}  # one claim a row
        for guess, begin, end in zip(likely.tolist(), first.tolist(), last.tolist(), strict=True):
            for row in self.rows[begin:end].tolist():
                said.setdefault(row, guess)
        rows = np.array(sorted(said), np.int64)
        return ValueClaims(how, self.haul, rows, group.about, picked(group.said, [said[row] for row in rows.tolist()]))


def _schemes(salts: dict[str, bytes]) -> Iterator[tuple[str, tuple[bytes, bytes]]]:
    yield "{}", (b"", b"")
    for name, salt in salts.items():
        yield f"{name} + {{}}", (salt, b"")
        yield f"{{}} + {name}", (b"", salt)
        yield f"{name}:{{}}", (salt + b":", b"")


def _short(words: Words) -> Words:
    return words >> np.uint64(64 - _FILTER_BITS)


def _readings(text: str | None) -> Iterator[int]:
    """The first 64 bits that a cell may stand for, in each encoding that it could be in."""
    if text is None:
        return
    head = _TOKEN.fullmatch(text)
    body = head[3] if head else text
    body = body.removesuffix(".jpg")
    if len(body) < 12 or not body.isascii():
        return
    if re.fullmatch("[0-9A-Fa-f]{16,}", body):
        yield int(body[:16], 16)
    if re.fullmatch("[A-Z2-7=]{16,}", body.upper()):
        yield _word(base64.b32decode, body[:16].upper())
    if re.fullmatch("[0-9A-HJKMNP-TV-Z]{16,}", body.upper()):
        yield _word(base64.b32decode, body[:16].upper().translate(_CROCKFORD))
    if re.fullmatch("[0-9A-Za-z+/_-]{12,}={0,2}", body):
        yield _word(base64.b64decode, body[:12].replace("-", "+").replace("_", "/"))
    if body.isdigit():
        number = int(body)
        for length in _LENGTHS:
            if 8 * length - 24 < number.bit_length() <= 8 * length:
                yield number >> (8 * length - 64)


def _word(decode: Callable[[str], bytes], text: str) -> int:
    try:
        return int.from_bytes(decode(text)[:8], "big")
    except (binascii.Error, ValueError):
        return 0
