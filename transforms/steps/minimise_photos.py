"""From references to photos to the files that suppliers may print."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput

from transforms.columns.view import PHOTO_SUFFIX
from transforms.contract.model import Contract
from transforms.contract.places import BROKEN_SCHEMA, ROW_REF
from transforms.keyring.open import open_fingerprint_key
from transforms.photos.cache import PhotoCache
from transforms.photos.codec import codec_versions, finder_versions
from transforms.photos.mark import Mark, mark_key
from transforms.photos.model import Face, Limits, Minimised, PhotoRefused, PrintSpec, RefusalCode, Rendition
from transforms.photos.pool import PhotoPool
from transforms.policy.model import Policy
from transforms.steps.epoch_key import epoch_key
from transforms.steps.photo_store import read_photo
from transforms.steps.private_file import private
from transforms.steps.project_views import FACE_BOX, PHOTO_FILE, ViewTask
from transforms.steps.repeated import repeated_refs
from transforms.steps.step import Step

# Photos of one element are worked on side by side; an element is also what a runner hands to a worker.
_PHOTOS_PER_ELEMENT = 256

_FIELDS: list[tuple[str, pa.DataType]] = [
    (ROW_REF, pa.int64()),
    ("name", pa.string()),
    ("path", pa.string()),
    ("rule", pa.string()),
]
FLAGGED = "flagged-"  # begins the rules of photos that leave all the same
_PIXELS = re.compile("[0-9]{1,6}")

PHOTO_OUTCOME_SCHEMA = pa.schema(_FIELDS)

_Outcome = tuple[int, str, str | None, str | None]  # in the order of that schema


@dataclass(frozen=True, slots=True)
class MinimisedPhotos:
    """What `MinimisePhotos` gives.

    `outcomes` are batches of PHOTO_OUTCOME_SCHEMA keyed by supplier: the photo's file name and where it waits, or the rule that
    refused it. `broken` are the same refusals as places of the export.
    """

    outcomes: beam.PCollection[tuple[str, pa.RecordBatch]]
    broken: beam.PCollection[pa.RecordBatch]


class MinimisePhotos(beam.PTransform):
    """Decodes each referenced photo once, and writes a print-sized, metadata-free copy for every supplier that prints it.

    Each copy carries its supplier's mark, so no two suppliers get the same bytes, and a copy that leaks says whose it was. Decoding
    happens in limited child processes without keys; a photo that is refused, or that kills its decoder, is one row's
    outcome and never the run's. Photos of rows in `repeats` are not read. `cache` is the directory of a `PhotoCache`: a photo
    whose prints an earlier run left there is read and not decoded.
    """

    def __init__(
        self,
        contract: Contract,
        tasks: tuple[ViewTask, ...],
        keys: str,
        day: date,
        store: str,
        attempts: str,
        workers: int,
        repeats: beam.PCollection[pa.RecordBatch],
        cache: str | None = None,
    ) -> None:
        super().__init__()
        printing = {task.policy.supplier: task.epoch for task in tasks if task.policy.photo}
        specs = {task.policy.supplier: print_spec(task.policy) for task in tasks if task.policy.photo}
        limits = photo_limits(contract, find_faces=any(spec.crop == "detected" for spec in specs.values()))
        self._fn = _MinimiseFn(specs, printing, keys, day, limits, store, attempts, workers, cache)
        self._repeats = repeats

    def expand(self, photos: beam.PCollection[pa.RecordBatch]) -> MinimisedPhotos:
        """Batches of references in, outcomes out."""
        out = (
            photos
            | "Cut photo batches" >> beam.FlatMap(_cut).with_output_types(pa.RecordBatch)
            | "Spread photos" >> beam.Reshuffle()
            | "Minimise photos"
            >> beam.ParDo(self._fn, beam.pvalue.AsList(self._repeats))
            .with_output_types(tuple[str, pa.RecordBatch], broken=pa.RecordBatch)
            .with_outputs("broken", main="outcomes")
        )
        return MinimisedPhotos(outcomes=out.outcomes, broken=out.broken)


def print_spec(policy: Policy) -> PrintSpec:
    """The print that a policy asks for.

    Raises:
        ValueError: the policy has no photo, or asks for a print that nobody makes.
    """
    photo = policy.photo
    if photo is None:
        raise ValueError("the policy has no photo")
    return PrintSpec(photo.width_px, photo.height_px, photo.dpi, photo.max_bytes, photo.background, photo.crop)


def photo_limits(contract: Contract, *, find_faces: bool = False) -> Limits:
    """What the contract lets a photo be. What is decoded whole has at most the default's pixels, or a photo would need more memory
    than a decoding process has."""
    limits, default = contract.photo_limits, Limits()
    return Limits(
        formats=contract.photo_formats,
        max_bytes=limits.max_bytes,
        jpeg_pixels=limits.max_pixels,
        png_pixels=min(limits.max_pixels, default.png_pixels),
        webp_pixels=min(limits.max_pixels, default.webp_pixels),
        aspect_min=limits.min_aspect,
        aspect_max=limits.max_aspect,
        find_faces=find_faces,
    )


def face_of(cells: Sequence[str | None]) -> Face | None:
    """The face box in four cells; None unless each is a whole number of at most six digits."""
    if not all(cell is not None and _PIXELS.fullmatch(cell) for cell in cells) or len(cells) != len(FACE_BOX):
        return None
    left, top, width, height = (float(cell) for cell in cells if cell is not None)
    return left, top, width, height


def _cut(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    for start in range(0, batch.num_rows, _PHOTOS_PER_ELEMENT):
        yield batch.slice(start, _PHOTOS_PER_ELEMENT)


class _MinimiseFn(Step):
    def __init__(
        self,
        specs: Mapping[str, PrintSpec],
        epochs: Mapping[str, int],
        keys: str,
        day: date,
        limits: Limits,
        store: str,
        attempts: str,
        workers: int,
        cache: str | None,
    ) -> None:
        self._specs = dict(specs)
        self._epochs = dict(epochs)
        self._keys = keys
        self._day = day
        self._store = store
        self._attempts = attempts
        self._workers = workers
        self._cache = cache
        self._limits = limits
        self._photos_minimised = Metrics.counter("supplier-views", "photos-minimised")
        self._photos_refused = Metrics.counter("supplier-views", "photos-refused")

    def setup(self) -> None:
        self._marks = {}
        for supplier, epoch in self._epochs.items():
            with epoch_key(self._keys, supplier, epoch, self._day) as key:
                self._marks[supplier] = Mark(mark_key(key, supplier, epoch))
        self._pool = PhotoPool(self._workers, self._limits, self._open_cache())

    def teardown(self) -> None:
        self._pool.close()

    def _open_cache(self) -> PhotoCache | None:
        if self._cache is None:
            return None
        codecs = codec_versions() | (finder_versions() if self._limits.find_faces else {})
        with open_fingerprint_key(self._keys, self._day) as key:
            return PhotoCache(Path(self._cache), key.reveal(), [asdict(self._limits), codecs])

    def process(self, batch: pa.RecordBatch, repeats: list[pa.RecordBatch]) -> Iterator[Any]:
        batch = batch.filter(pa.array(~np.isin(batch.column(ROW_REF).to_numpy(), repeated_refs(repeats))))
        suppliers = [name for name in batch.schema.names if name in self._specs]
        rows = batch.to_pylist()
        jobs = ((row, partial(read_photo, self._store, row[PHOTO_FILE], self._limits.max_bytes)) for row in rows)
        outcomes: dict[str, list[_Outcome]] = {supplier: [] for supplier in suppliers}
        flagged: list[tuple[int, str]] = []

        # Only those that get this photo: nobody is printed for suppliers who have no business with them.
        def printing(row: Mapping[str, Any]) -> list[str]:
            return [supplier for supplier in suppliers if row[supplier] is not None]

        def specs(row: Mapping[str, Any]) -> list[PrintSpec]:
            face = face_of([row.get(name) for name in FACE_BOX])
            wanted = [self._specs[supplier] for supplier in printing(row)]
            return [replace(spec, face=face) if spec.crop == "face" else spec for spec in wanted]

        def marks(row: Mapping[str, Any]) -> list[Mark]:
            return [self._marks[supplier] for supplier in printing(row)]

        for row, result in self._pool.map(jobs, specs, marks):
            for index, supplier in enumerate(printing(row)):
                rendition = _rendition(result, index)
                outcomes[supplier].append(self._outcome(row, supplier, rendition))
                flagged += [(row[ROW_REF], flag) for flag in _flags(rendition)]
        for supplier, found in outcomes.items():
            if found:
                columns = [
                    pa.array(column, field.type)
                    for column, field in zip(zip(*found, strict=True), PHOTO_OUTCOME_SCHEMA, strict=True)
                ]
                yield supplier, pa.record_batch(columns, schema=PHOTO_OUTCOME_SCHEMA)
        refused = {(ref, rule) for found in outcomes.values() for ref, _, _, rule in found if rule is not None}
        if places := sorted(refused.union(flagged)):
            yield TaggedOutput("broken", _broken(places))

    def _outcome(self, row: Mapping[str, Any], supplier: str, result: Rendition | RefusalCode) -> _Outcome:
        name = row[supplier] + PHOTO_SUFFIX
        if isinstance(result, RefusalCode):
            self._photos_refused.inc()
            return row[ROW_REF], name, None, f"photo-{result.value}"
        self._photos_minimised.inc()
        # A retried attempt puts the same bytes in the place of the same name: whole, since a worker that its runner has given up
        # may still be writing.
        path = Path(self._attempts) / f"{supplier}-{name}"
        unfinished = path.with_name(f"{uuid.uuid4().hex}.part")
        with open(unfinished, "xb", opener=private) as out:
            out.write(result.jpeg)
        unfinished.replace(path)
        return row[ROW_REF], name, str(path), None


def _rendition(result: Minimised | PhotoRefused, index: int) -> Rendition | RefusalCode:
    return result.code if isinstance(result, PhotoRefused) else result.outcomes[index]


def _flags(result: Rendition | RefusalCode) -> list[str]:
    """What somebody should look at though the photo leaves, as rules of the quarantine list."""
    if isinstance(result, RefusalCode):
        return []
    flags = {f"{FLAGGED}photo-small": result.small, f"{FLAGGED}photo-without-face": result.without_face}
    return [flag for flag, holds in flags.items() if holds]


def _broken(refused: list[tuple[int, str]]) -> pa.RecordBatch:
    refs, rules = zip(*refused, strict=True)
    columns = [pa.array(refs, pa.int64()), pa.array(rules, pa.string()), pa.nulls(len(refused), pa.string())]
    return pa.record_batch(columns, schema=BROKEN_SCHEMA)
