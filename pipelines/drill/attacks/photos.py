"""Attack 7, and the faces of attack 4: what photo files say beside their pixels, what the pictures look like, and hidden marks.

Pixels only, and no key: a mark is guessed by averaging what is left of photos when their picture is taken away.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from pipelines.drill.claims import Claims, PersonClaims, SourceClaims, ValueClaims
from pipelines.drill.loot import Haul, Ints, Loot, clean

Floats = npt.NDArray[np.float64]

NEAR_BITS = 12  # of 64: pictures whose hashes differ by no more look alike
MOST_MARKED = 120  # photos of each supplier that are averaged and told apart
_SIDE = 32
_GREY = (240, 320)
_START_OF_SCAN, _END = b"\xff\xda", b"\xff\xd9"


def attack_metadata(loot: Loot) -> list[Claims]:
    """Numbers and names that stand in a photo's file outside its pixels."""
    haul, public = loot.last, loot.public
    numbers = {number for each in public.numbers for number in (each.start, each.stop - 1)}
    low, high = (min(numbers), max(numbers)) if numbers else (0, -1)
    pattern = re.compile(rf"(?<![0-9])[0-9]{{{max(1, public.width)}}}(?![0-9])")
    listed = loot.listed(haul)
    spelt: dict[str, int] = {}
    for row, parts in enumerate(zip(*(clean(listed.column(name)).to_pylist() for name in reversed(public.names)), strict=True)):
        spelt.setdefault(" ".join(parts), row)
    rows: list[int] = []
    said: list[str] = []
    named: list[tuple[int, int]] = []
    for row, data in photos_of(haul):
        text = _beside_pixels(data).decode("latin-1")
        found = next((each for each in pattern.findall(text) if low <= int(each) <= high), None)
        if found is not None:
            rows.append(row)
            said.append(found)
        name = _name_in(_beside_pixels(data).decode("utf-8", "replace"), spelt)
        if name is not None:
            named.append((row, name))
    by_number = ValueClaims(
        "numbers beside the pixels", haul, np.array(rows, np.int64), (public.person_key,), pa.array(said, pa.string())
    )
    both = np.array(named, np.int64).reshape(-1, 2)
    return [by_number, PersonClaims("names beside the pixels", haul, both[:, 0], both[:, 1])]


def attack_likeness(loot: Loot) -> list[Claims]:
    """The picture of a newspaper that looks most like a row's photo, where each is the other's nearest."""
    haul = loot.last
    press = [(each.listed, _hash(each.file.read_bytes())) for each in loot.public.press]
    known = [(listed, bits) for listed, bits in press if bits is not None]
    rows, hashes = _hashes(haul)
    if not known or not len(rows):
        none = np.empty(0, np.int64)
        return [PersonClaims("perceptual hash", haul, none, none)]
    theirs = np.array([bits for _, bits in known])
    apart = np.array([np.count_nonzero(hashes != bits, axis=1) for bits in theirs])  # press by rows
    nearest = apart.argmin(axis=1)
    mutual = apart.argmin(axis=0)[nearest] == np.arange(len(known))
    sure = mutual & (apart.min(axis=1) <= NEAR_BITS)
    listed = np.array([each for each, _ in known], np.int64)
    return [PersonClaims("perceptual hash", haul, rows[nearest[sure]], listed[sure])]


def attack_marks(loot: Loot) -> list[Claims]:
    """Of which of two suppliers a photo is, by a mark that was averaged out of other photos of each.

    Half of each supplier's photos teach; the others are told apart. No person is told by it: it is what a thief needs to remove or
    to forge a mark.
    """
    left = [_residuals(haul) for haul in loot.hauls]
    enough = min(map(len, left))
    if enough < 4:
        return [SourceClaims("average of residuals", np.empty(0, np.bool_))]
    taught = [each[0::2].mean(axis=0) for each in left]
    right: list[bool] = []
    for own, photos in enumerate(left):
        for photo in photos[1::2]:
            likeness = [float((photo * mark).sum() / (np.sqrt((mark**2).sum()) or 1)) for mark in taught]
            right.append(int(np.argmax(likeness)) == own)
    return [SourceClaims("average of residuals", np.array(right, np.bool_))]


def photos_of(haul: Haul) -> Iterator[tuple[int, bytes]]:
    """Each row's photo, from a folder or from archives; rows without one are left out."""
    names = haul.photo_names()
    if names is None:
        return
    archived = _archives(haul.directory)
    for row, name in enumerate(names.to_pylist()):
        if not name:
            continue
        if name in archived:
            with zipfile.ZipFile(archived[name]) as archive:
                yield row, archive.read(name)
        elif haul.photo(name).is_file():
            yield row, haul.photo(name).read_bytes()


def _archives(directory: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(directory.rglob("*.zip")):
        with zipfile.ZipFile(path) as archive:
            found |= dict.fromkeys(archive.namelist(), path)
    return found


def _beside_pixels(data: bytes) -> bytes:
    """What comes before the first scan of a JPEG and after its end; of another file, everything."""
    scan = data.find(_START_OF_SCAN)
    if not data.startswith(b"\xff\xd8") or scan < 0:
        return data
    return data[:scan] + data[data.rfind(_END) + len(_END) :]


def _name_in(text: str, spelt: dict[str, int]) -> int | None:
    """The listed person whose forenames and surname stand in a text."""
    words = re.findall(r"[^\W\d_][\w'’-]*", text.casefold())
    for size in (4, 3, 2):
        for start in range(len(words) - size + 1):
            found = spelt.get(" ".join(words[start : start + size]))
            if found is not None:
                return found
    return None


def _hashes(haul: Haul) -> tuple[Ints, npt.NDArray[np.bool_]]:
    rows, hashes = [], []
    for row, data in photos_of(haul):
        bits = _hash(data)
        if bits is not None:
            rows.append(row)
            hashes.append(bits)
    return np.array(rows, np.int64), np.array(hashes, np.bool_).reshape(len(rows), -1)


def _hash(data: bytes) -> npt.NDArray[np.bool_] | None:
    """The perceptual hash of a picture: the signs of its lowest 8 x 8 cosine frequencies about their median; None if unreadable."""
    grey = _grey(data, (_SIDE, _SIDE))
    if grey is None:
        return None
    basis = _cosines()
    low = (basis @ grey @ basis.T)[:8, :8].ravel()
    return np.asarray(low > np.median(low[1:]), np.bool_)


def _cosines() -> Floats:
    place, frequency = np.arange(_SIDE) + 0.5, np.arange(_SIDE)[:, None]
    return np.asarray(np.cos(np.pi * place * frequency / _SIDE), np.float64)


def _grey(data: bytes, size: tuple[int, int]) -> Floats | None:
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            image.draft("L", size)
            return np.asarray(image.convert("L").resize(size, Image.Resampling.BILINEAR), np.float64)
    except (OSError, ValueError, SyntaxError):
        return None


def _residuals(haul: Haul) -> Floats:
    """What is left of each photo when a smoothed copy is taken away, at one size."""
    found: list[Floats] = []
    for _, data in photos_of(haul):
        grey = _grey(data, _GREY)
        if grey is not None:
            smooth = sum(np.roll(np.roll(grey, dy, 0), dx, 1) for dy in (-1, 0, 1) for dx in (-1, 0, 1)) / 9
            left = grey - smooth
            found.append(np.clip(left, -4, 4))  # edges of the picture are large, a hidden mark is not
        if len(found) == MOST_MARKED:
            break
    return np.array(found).reshape(len(found), _GREY[1], _GREY[0]) if found else np.empty((0, 0, 0))
