"""From spilled rows to the files of every supplier's staged view."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.metrics import Metrics

from transforms.columns.deliver import people_file, tie_break, write_people
from transforms.columns.order import sort_shard
from transforms.contract.places import ROW_REF
from transforms.errors import InternalError
from transforms.photos.archive import write_archives
from transforms.policy.model import Policy
from transforms.steps.minimise_photos import PHOTO_OUTCOME_SCHEMA
from transforms.steps.project_views import ViewTask
from transforms.steps.repeated import repeated_protected_refs, repeated_refs
from transforms.steps.spill import Spill, read_shards
from transforms.steps.step import Step
from transforms.steps.tally import Tally, add_tallies

SPILLS = "spills"
PHOTOS = "photos"
TALLIES = "tallies"
ORDER_FILE = "order.npy"
RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Assembled:
    """One supplier's view as one attempt made it: `directory` holds `RELEASE` and `ORDER_FILE`, `counts` are final."""

    directory: str
    counts: Tally


class AssembleViews(beam.PTransform):
    """Sorts each supplier's rows by token and writes its table and photos into a directory of its own.

    Takes PCollections keyed by supplier under the names `spills`, `photos` and `tallies`. Rows that repeat a unique value, and rows
    whose photo was refused, are left out and counted. Every supplier gets a table, if only of a header.
    Each attempt makes a new directory below `attempts`, so one that its runner has given up disturbs no other; all of them write
    the same bytes, and whoever started the run takes the one that is named.
    """

    def __init__(self, tasks: tuple[ViewTask, ...], attempts: str, repeats: beam.PCollection[pa.RecordBatch]) -> None:
        super().__init__()
        self._tasks = tasks
        self._attempts = attempts
        self._repeats = repeats

    def expand(self, parts: dict[str, beam.PCollection[Any]]) -> beam.PCollection[tuple[str, Assembled]]:
        """Parts in, assembled views keyed by supplier out."""
        suppliers = parts[TALLIES].pipeline | "Name suppliers" >> beam.Create([(task.policy.supplier, {}) for task in self._tasks])
        tallies = (parts[TALLIES], suppliers) | "Add suppliers" >> beam.Flatten()
        return (
            {SPILLS: parts[SPILLS], PHOTOS: parts[PHOTOS], TALLIES: tallies}
            | "Gather parts" >> beam.CoGroupByKey()
            | "Assemble view"
            >> beam.ParDo(_AssembleFn(self._tasks, self._attempts), beam.pvalue.AsList(self._repeats)).with_output_types(
                tuple[str, Assembled]
            )
        )


class _AssembleFn(Step):
    def __init__(self, tasks: tuple[ViewTask, ...], attempts: str) -> None:
        self._policies = {task.policy.supplier: task.policy for task in tasks}
        self._attempts = attempts
        self._rows_released = Metrics.counter("supplier-views", "rows-released")

    def process(
        self, keyed: tuple[str, dict[str, Iterable[Any]]], repeats: list[pa.RecordBatch]
    ) -> Iterator[tuple[str, Assembled]]:
        supplier, parts = keyed
        policy = self._policies[supplier]
        root = Path(self._attempts) / f"{supplier}-{uuid.uuid4().hex}"
        directory = root / RELEASE
        for path in (root, directory):  # no parents: where the attempts were swept, the run is over
            path.mkdir(mode=0o700)
        outcomes = pa.Table.from_batches(parts[PHOTOS], schema=PHOTO_OUTCOME_SCHEMA)
        refused = outcomes.filter(pc.is_valid(outcomes.column("rule"))).column(ROW_REF).to_numpy()
        rows = _SortedRows(parts[SPILLS], policy, repeated_refs(repeats), refused)
        released = write_people(directory / people_file(policy), rows.shards(), policy)
        refs = rows.released_refs()
        np.save(root / ORDER_FILE, refs, allow_pickle=False)
        if policy.photo is not None:
            photos = _released_photos(outcomes.filter(pc.is_null(outcomes.column("rule"))), refs)
            if policy.photo_delivery == "zip":
                write_archives(directory, photos)
            else:
                _place_photos(directory / "photos", photos)
        self._rows_released.inc(released)
        yield supplier, Assembled(str(root), _final_counts(add_tallies(parts[TALLIES]), repeats, rows, released))


class _SortedRows:
    """The rows of one view, shard by shard, less those that are left out; knows afterwards what it let through."""

    def __init__(self, spills: Iterable[Spill], policy: Policy, repeated: np.ndarray, refused: np.ndarray) -> None:
        self._spills = spills
        self._policy = policy
        self._repeated = repeated
        self._refused = refused
        self._released: list[np.ndarray] = []
        self.left_out_repeated = 0
        self.left_out_photo = 0

    def shards(self) -> Iterator[pa.Table]:
        for table in read_shards(self._spills):
            if table is None:
                continue
            refs = table.column(ROW_REF).to_numpy()
            repeated = np.isin(refs, self._repeated)
            refused = np.isin(refs, self._refused) & ~repeated
            self.left_out_repeated += int(repeated.sum())
            self.left_out_photo += int(refused.sum())
            if repeated.any() or refused.any():
                table = table.filter(pa.array(~(repeated | refused)))
            ordered = sort_shard(table, tie_break(self._policy))
            self._released.append(ordered.column(ROW_REF).to_numpy())
            yield ordered

    def released_refs(self) -> np.ndarray:
        return np.concatenate(self._released) if self._released else np.empty(0, dtype=np.int64)


def _final_counts(counts: Tally, repeats: list[pa.RecordBatch], rows: _SortedRows, released: int) -> Tally:
    """Counts of one supplier after repeated rows are taken out of every class that they were counted in."""
    if counts.get("candidates", 0) != released + rows.left_out_repeated + rows.left_out_photo:
        raise InternalError("rows were lost or doubled between projection and assembly", code="counts-differ")
    protected = repeated_protected_refs(repeats).size
    repeated = repeated_refs(repeats).size
    return {
        "released": released,
        "photos_withheld": rows.left_out_photo,
        "protected": counts.get("protected", 0) - protected,
        "not_due": counts.get("not_due", 0) - (repeated - protected - rows.left_out_repeated),
    }


def _released_photos(outcomes: pa.Table, released: np.ndarray) -> list[tuple[str, Path]]:
    """Name and place of the photo of every released row; a photo without a row stays behind.

    In token order, so that not even the order of entries in a directory or an archive is that of the export [I19].
    """
    wanted = outcomes.filter(pa.array(np.isin(outcomes.column(ROW_REF).to_numpy(), released)))
    if wanted.num_rows != released.size:
        raise InternalError("a released row has no photo, or two", code="photos-differ")
    return sorted((photo["name"], Path(photo["path"])) for photo in wanted.select(["name", "path"]).to_pylist())


def _place_photos(folder: Path, photos: list[tuple[str, Path]]) -> None:
    folder.mkdir(mode=0o700)
    for name, path in photos:
        os.link(path, folder / name)
