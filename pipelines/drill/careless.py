"""Attack 9: careless designs, written as releases of the same people, so that every attack is seen to succeed somewhere.

They hold what a breached supplier's files really held. So they are written below a directory of the caller's that nobody else can
enter and that goes when the drill ends, and never where a supplier looks.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
from PIL import Image

from pipelines.drill.attacks.photos import photos_of
from pipelines.drill.claims import Claims, ValueClaims
from pipelines.drill.loot import PHOTO, PHOTOS, ColumnDesign, Design, Haul, Ints, Loot, picked, places, read_haul
from pipelines.drill.public import drawn
from pipelines.drill.truth import Truth

MOST_PHOTOS = 200
_RELEASE = "careless"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Careless:
    """Releases of one careless design: by supplier, each with its nights, oldest first; `key` is what its hashes are keyed with."""

    name: str
    hauls: Mapping[str, tuple[Haul, ...]]
    key: bytes | None = None


def write_careless(
    root: Path,
    exports: Mapping[date, pa.Table],
    names: tuple[str, ...],
    truth: Truth,
    photos: Path | None,
    photo_column: str | None,
) -> tuple[Careless, ...]:
    """Writes the five designs.

    Args:
        root: a private directory.
        exports: each night's people, oldest first.
        names: the columns that spell a name.
        truth: is told whose each row is.
        photos: HR's folder of photos; the raw export goes with the first `MOST_PHOTOS` of them.
        photo_column: the export's column of photos.
    """
    key, own = secrets.token_bytes(32), secrets.token_bytes(32)
    person = truth.person_key

    def numbers(make: Callable[[bytes], str]) -> Callable[[pa.Table], list[str]]:
        return lambda people: [make(text.encode()) for text in _texts(people, person)]

    def shared(text: bytes) -> str:
        return hmac.new(key, text, hashlib.sha256).hexdigest()[:32]

    def surnames(people: pa.Table) -> list[str | None]:
        return [_keyed(own, b"name" + text.encode()) if text else None for text in _texts(people, names[0])]

    def of_nobody(people: pa.Table) -> list[str]:
        return [_keyed(own, text.encode()) for text in _texts(people, person)]

    kept = [name for name in ("rank", "site") if name in next(iter(exports.values())).column_names]
    writer = _Writer(root, exports, truth)
    clear = tuple(_clear(name) for name in (person, *names, *kept))
    hashed = (ColumnDesign("person_token", True, (person,)), *map(_clear, kept))
    raw = {supplier: writer.write(supplier, clear, {}, photos=photos, photo_column=photo_column) for supplier in ("raw-a", "raw-b")}
    plain = writer.write("sha256-a", hashed, {"person_token": numbers(lambda text: hashlib.sha256(text).hexdigest())})
    both = {
        supplier: writer.write(supplier, (hashed[0], *map(_clear, some)), {"person_token": numbers(shared)}, by="person_token")
        for supplier, some in (("shared-a", kept[:1]), ("shared-b", kept[1:]))
    }
    by_name = (ColumnDesign("person_token", True, (person,)), ColumnDesign("surname_token", True, (names[0],)))
    named = writer.write("surname-a", by_name, {"person_token": of_nobody, "surname_token": surnames}, by="person_token")
    marked = {f"marked-{each}": _marked(raw["raw-a"][-1], root / f"marked-{each}", seed, truth) for seed, each in enumerate("ab")}
    return (
        Careless("raw-export", raw),
        Careless("constant-mark", {supplier: (haul,) for supplier, haul in marked.items()}),
        Careless("sha256-of-the-number", {"sha256-a": plain}),
        Careless("one-keyed-hash-for-all", both, key),
        Careless("surname-token", {"surname-a": named}),
    )


def attack_with_key(loot: Loot, key: bytes) -> list[Claims]:
    """A thief with the key that a careless design shares among suppliers: makes the hash of every number that may be issued."""
    public, haul = loot.public, loot.last
    numbers = [f"{number:0{public.width}d}" for each in public.numbers for number in each]
    made = pa.array([hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:32] for text in numbers], pa.string())
    at = places(haul.column("person_token"), made)
    rows = np.flatnonzero(at >= 0)
    said = picked(pa.array(numbers, pa.string()), at[rows])
    return [ValueClaims("the shared key over every number", haul, rows, (public.person_key,), said)]


def _texts(people: pa.Table, name: str) -> list[Any]:
    return people.column(name).to_pylist()


def _keyed(key: bytes, text: bytes) -> str:
    return hmac.new(key, text, hashlib.sha256).hexdigest()[:32]


def _clear(name: str) -> ColumnDesign:
    return ColumnDesign(name, False, (name,))


class _Writer:
    def __init__(self, root: Path, exports: Mapping[date, pa.Table], truth: Truth) -> None:
        self._root = root
        self._exports = exports
        self._truth = truth

    def write(
        self,
        supplier: str,
        columns: tuple[ColumnDesign, ...],
        made: Mapping[str, Callable[[pa.Table], Any]],
        *,
        by: str | None = None,
        photos: Path | None = None,
        photo_column: str | None = None,
    ) -> tuple[Haul, ...]:
        """One release a night: in the export's order, or sorted by a column; nights after the first without photos."""
        design = Design(supplier, "XX", columns, everybody=True)
        hauls = []
        for day, people in self._exports.items():
            directory = self._root / supplier / day.isoformat()
            (directory / PHOTOS).mkdir(parents=True)
            table = {each.name: made[each.name](people) if each.name in made else people.column(each.name) for each in columns}
            if photos is not None and photo_column is not None:
                copied = _copy(people, self._truth.person_key, photo_column, photos, directory / PHOTOS)
                table[PHOTO] = copied
            whole = pa.table(table)
            rows: Ints = np.arange(people.num_rows, dtype=np.int64)
            if by is not None:
                rows = np.asarray(pc.sort_indices(whole.column(by)), np.int64)
            pa_csv.write_csv(picked(whole, rows), directory / "people.csv")
            haul = read_haul(design, day, f"{day.isoformat()}-{_RELEASE}", directory)
            self._truth.know(haul, rows)
            hauls.append(haul)
        return tuple(hauls)


def _marked(raw: Haul, directory: Path, seed: int, truth: Truth) -> Haul:
    """The photos of a release with one and the same faint pattern in each, another for each supplier."""
    (directory / PHOTOS).mkdir(parents=True)
    width, height = 240, 320
    pattern = np.random.Generator(np.random.PCG64(seed)).choice(np.array([-2, 2], np.int16), (height, width, 1))
    names: list[str] = []
    rows: list[int] = []
    for row, data in photos_of(raw):
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG")) as image:
            pixels = np.asarray(image.convert("RGB").resize((width, height)), np.int16)
        names.append(f"{len(names)}.jpg")
        rows.append(row)
        Image.fromarray(np.clip(pixels + pattern, 0, 255).astype(np.uint8)).save(directory / PHOTOS / names[-1], quality=92)
    table = pa.table({PHOTO: pa.array(names, pa.string())})
    haul = Haul(Design(directory.name, "XX", (), everybody=False), raw.day, f"{raw.day.isoformat()}-{_RELEASE}", directory, table)
    truth.know(haul, np.array(rows, np.int64))
    return haul


def _copy(people: pa.Table, person_key: str, column: str, photos: Path, to: Path) -> Any:
    """Copies some photos as they are, with their names and times; the column of those that were copied."""
    chosen = np.argsort(drawn(people.column(person_key).combine_chunks(), "in the press"))[:MOST_PHOTOS]
    paths = people.column(column).to_pylist()
    copied: list[str | None] = [None] * people.num_rows
    for row in chosen.tolist():
        source = photos / paths[row] if paths[row] else None
        if source is not None and source.is_file():
            target = to / paths[row]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
            copied[row] = paths[row]
    return pa.array(copied, pa.string())
