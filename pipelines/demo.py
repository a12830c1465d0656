"""Makes a synthetic export: a table of people who do not exist, and drawn portraits of them.

Deterministic: the same people, seed, share, photo size and format give the same bytes, with the locked releases of faker, Pillow
and pyarrow.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipelines.demo_data.breakage import Breakage, break_rows, plan
from pipelines.demo_data.camera import Shot
from pipelines.demo_data.nights import MOST_NIGHTS, joiners, on_night
from pipelines.demo_data.people import MOST_PEOPLE, SCHEMA, Roll, draw_rows, pay_numbers, prepare
from pipelines.demo_data.studio import Studio, open_studio
from pipelines.demo_data.writers import SUFFIXES, open_writer
from transforms.errors import StoreUnavailable, Unavailable, UsageError

Progress = Callable[[str, int, int], None]

EXPORT, PHOTOS, MARKER = "hr-export", "photos", ".supplier-views-demo-data"
_BLOCK = 65_536
_LEAST_MP, _MOST_MP = 0.01, 24.0
_MARKER_TEXT = "Made by supplier-views demo-data, which may replace this folder's export and photos.\n"


@dataclass(frozen=True, slots=True)
class DemoSummary:
    """What was made.

    `broken_rows` counts rows by what is wrong with them, each row in one way; both rows of a duplicate pay number count.
    `broken_photos` counts the damaged photos of the whole export, `broken_photos_due` those of the people in `due`. `photos` is the
    number of files. `due` counts rows that are due a card, not protected and not broken; `protected` rows that are protected and
    not broken.
    """

    people: int
    export: Path
    photos: int
    due: int
    protected: int
    broken_rows: Mapping[str, int]
    broken_photos: Mapping[str, int]
    broken_photos_due: Mapping[str, int]


def make_demo(
    people: int,
    seed: int,
    out: Path,
    format: str,  # the option's name
    broken: float,
    photo_mp: float | None,
    progress: Progress,
    night: int = 1,
) -> DemoSummary:
    """Writes `hr-export.FORMAT` and `photos/` under `out`; replaces what an earlier call wrote there, and nothing else.

    Args:
        people: how many rows.
        seed: what to draw from, 0 or more.
        out: a folder that is absent, empty, or that an earlier call wrote.
        format: `csv`, `parquet` or `jsonl`.
        broken: share of rows and of photos that are broken on purpose, 0 to 1.
        photo_mp: megapixels of a photo; None for no photos (their names stay in the table).
        night: 1, or a later night of the same force: some have joined, left, been promoted or changed their name since.
        progress: called with what is being made (`rows`, `photos`), how many are done, and how many there will be.

    Raises:
        UsageError: an argument is out of its range, or `out` holds something else.
        StoreUnavailable: `out` cannot be written.
        Unavailable: a worker process was ended from outside.
    """
    _check(people, seed, format, broken, photo_mp, night)
    try:
        _clear(out)
        return _write(people, seed, out, format, broken, photo_mp, progress, night)
    except OSError as error:
        raise StoreUnavailable("the folder cannot be written", place=str(out), hint=error.strerror or "") from None
    except BrokenProcessPool:
        raise Unavailable("a process that makes photos was ended", hint="is there memory for it?", code="worker-ended") from None


def _check(people: int, seed: int, suffix: str, broken: float, photo_mp: float | None, night: int) -> None:
    if not 1 <= people <= MOST_PEOPLE:
        raise UsageError(f"people must be 1 to {MOST_PEOPLE:,}", hint="a force has tens of thousands")
    if seed < 0:
        raise UsageError("the seed must be 0 or more")
    if suffix not in SUFFIXES:
        raise UsageError("unknown format", hint=f"use one of {', '.join(SUFFIXES)}")
    if not 0 <= broken <= 1:
        raise UsageError("the broken share must be 0 to 1", hint="0.001 breaks one row in a thousand")
    if not 1 <= night <= MOST_NIGHTS:
        raise UsageError(f"the night must be 1 to {MOST_NIGHTS}")
    if night > 1 and broken:
        raise UsageError("only the first night can have broken rows", hint="leave --broken out")
    if photo_mp is not None and not _LEAST_MP <= photo_mp <= _MOST_MP:
        raise UsageError(f"photos must have {_LEAST_MP:g} to {_MOST_MP:g} megapixels")


def _clear(out: Path) -> None:
    """Makes `out` ready, and refuses to touch a folder that is not ours."""
    if out.exists() and not out.is_dir():
        raise UsageError("not a folder", place=str(out), hint="name a folder that is absent or empty")
    out.mkdir(parents=True, exist_ok=True)
    marker = out / MARKER
    if not marker.is_file():
        if any(out.iterdir()):
            raise UsageError(
                "the folder holds something else", place=str(out), hint="name a folder that is absent, empty or made by demo-data"
            )
        marker.write_text(_MARKER_TEXT)
    for suffix in SUFFIXES:
        for path in (out / f"{EXPORT}.{suffix}", _part_of(out, suffix)):
            path.unlink(missing_ok=True)
    photos = out / PHOTOS
    if photos.is_symlink():
        photos.unlink()  # never follow it
    elif photos.exists():
        shutil.rmtree(photos)


def _part_of(out: Path, suffix: str) -> Path:
    return out / f".{EXPORT}.{suffix}.part"


def _write(
    people: int, seed: int, out: Path, suffix: str, broken: float, photo_mp: float | None, progress: Progress, night: int
) -> DemoSummary:
    roll = prepare(people, seed)
    places = people + joiners(roll, night)
    breakage = plan(people, seed, broken, ragged=suffix == "csv")
    export = out / f"{EXPORT}.{suffix}"
    part = _part_of(out, suffix)
    photos = out / PHOTOS
    photos.mkdir()
    tally = _Tally(breakage)
    with ExitStack() as stack:
        writer = stack.enter_context(open_writer(part, suffix, SCHEMA))
        studio = stack.enter_context(open_studio(photos, seed, people, photo_mp)) if photo_mp is not None else None
        written = 0
        for start in range(0, places, _BLOCK):
            stop = min(start + _BLOCK, places)
            drawn = draw_rows(roll, start, stop)
            rows = drawn if night == 1 else on_night(roll, start, drawn, night)
            written += rows.num_rows
            tally.add(start, rows)
            writer.write(break_rows(breakage, start, rows, _pay_before(roll, start)), breakage.ragged(start, stop))
            progress("rows", stop, places)
            if studio is not None:  # of those who left, too: a photo depends on its place, which is the same on every night
                tally.photos += _photograph(studio, breakage, start, drawn, places, progress)
    part.replace(export)  # last: an export that can be seen is whole
    return DemoSummary(
        people=written,
        export=export,
        photos=tally.photos,
        due=tally.due,
        protected=tally.protected,
        broken_rows=breakage.row_counts(),
        broken_photos=breakage.photo_counts(),
        broken_photos_due=dict(tally.damaged_due),
    )


def _pay_before(roll: Roll, start: int) -> str | None:
    value: str | None = pay_numbers(roll, start - 1, start)[0].as_py() if start else None
    return value


def _photograph(studio: Studio, breakage: Breakage, start: int, rows: pa.RecordBatch, people: int, progress: Progress) -> int:
    damages = breakage.damages(start, start + rows.num_rows)
    columns = (rows.column(name).to_pylist() for name in ("photo_file", "pay_number", "forenames", "surname"))
    shots = [
        # What photographic sections do write into the comment, and what must not reach a supplier.
        Shot(row, path, f"Warrant card portrait of {forenames or ''} {surname or ''}, pay number {pay}", damages.get(row))
        for row, (path, pay, forenames, surname) in enumerate(zip(*columns, strict=True), start)
    ]
    done = written = 0
    for asked, files in studio.photograph(shots):
        done, written = done + asked, written + files
        progress("photos", start + done, people)
    return written


class _Tally:
    """Counts what the summary says, block by block."""

    def __init__(self, breakage: Breakage) -> None:
        self._breakage = breakage
        self.photos = self.due = self.protected = 0
        self.damaged_due = dict.fromkeys(breakage.photo_counts(), 0)

    def add(self, start: int, rows: pa.RecordBatch) -> None:
        """Counts a block before it is broken."""
        whole = np.ones(rows.num_rows, dtype=np.bool_)
        whole[self._breakage.broken(start, start + rows.num_rows)] = False
        protected = _is_yes(rows, "protected") & whole
        due = _is_yes(rows, "card_due") & ~protected & whole
        self.due += int(due.sum())
        self.protected += int(protected.sum())
        for row, damage in self._breakage.damages(start, start + rows.num_rows).items():
            self.damaged_due[damage.value] += int(due[row - start])


def _is_yes(rows: pa.RecordBatch, column: str) -> np.typing.NDArray[np.bool_]:
    return np.asarray(rows.column(column).to_numpy(zero_copy_only=False) == "yes")
