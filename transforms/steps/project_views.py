"""From accepted rows to the rows of every supplier's view, and to the photos that the views need."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.pvalue import TaggedOutput
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from transforms.columns.deliver import spill_batch
from transforms.columns.select import select
from transforms.columns.view import View, project
from transforms.contract.model import Contract
from transforms.contract.places import ROW_REF
from transforms.policy.model import Policy, TokenColumn
from transforms.steps.epoch_key import epoch_key
from transforms.steps.spill import Spill, SpillFile
from transforms.steps.step import Step
from transforms.steps.tally import Tally
from transforms.tokens.check import random_rows
from transforms.tokens.check_kinds import spot_check_column
from transforms.tokens.column import form_of, label_of
from transforms.tokens.derive import column_key

PHOTO_FILE = "photo_file"
FACE_BOX = ("face_left", "face_top", "face_width", "face_height")


@dataclass(frozen=True, slots=True)
class ViewTask:
    """What one supplier's view is made with in this run; `epoch` is the active one and `release_id` names the release."""

    policy: Policy
    epoch: int
    release_id: str


@dataclass(frozen=True, slots=True)
class ProjectedViews:
    """What `ProjectViews` gives.

    `spills` are keyed by supplier. `photos` are batches with the photo's reference, the row's place, the face's
    box where a policy crops on it, and one column a supplier with the name of its photo (null where it gets none).
    `tallies` are keyed by supplier.
    """

    spills: beam.PCollection[tuple[str, Spill]]
    photos: beam.PCollection[pa.RecordBatch]
    tallies: beam.PCollection[tuple[str, Tally]]


class ProjectViews(beam.PTransform):
    """Makes each supplier's columns from accepted rows, all suppliers from one pass over a batch."""

    def __init__(self, contract: Contract, tasks: tuple[ViewTask, ...], keys: str, day: date, attempts: str) -> None:
        super().__init__()
        self._fn = _ProjectFn(contract, tasks, keys, day, attempts)

    def expand(self, accepted: beam.PCollection[pa.RecordBatch]) -> ProjectedViews:
        """Accepted batches in; spills, photo references and counts out."""
        out = accepted | "Project rows" >> (
            beam.ParDo(self._fn)
            .with_output_types(tuple[str, Spill], photos=pa.RecordBatch, tallies=tuple[str, Tally])
            .with_outputs("photos", "tallies", main="spills")
        )
        return ProjectedViews(spills=out.spills, photos=out.photos, tallies=out.tallies)


class _ProjectFn(Step):
    def __init__(self, contract: Contract, tasks: tuple[ViewTask, ...], keys: str, day: date, attempts: str) -> None:
        self._contract = contract
        self._tasks = tasks
        self._keys = keys
        self._day = day
        self._attempts = attempts

    def setup(self) -> None:
        self._column_keys = {}
        for task in self._tasks:
            policy = task.policy
            with epoch_key(self._keys, policy.supplier, task.epoch, self._day) as key:
                self._column_keys[policy.supplier] = {
                    token.name: column_key(key, label_of(policy, token, task.epoch, task.release_id)) for token in policy.tokens
                }

    def start_bundle(self) -> None:
        self._spills = {task.policy.supplier: SpillFile(self._attempts) for task in self._tasks}

    def process(self, batch: pa.RecordBatch) -> Iterator[Any]:
        photos: dict[str, list[tuple[str, pa.Array[Any], pa.Array[Any]]]] = {}
        for task in self._tasks:
            policy = task.policy
            selection = select(batch, self._contract, policy)
            rows = batch.select(_columns_read(self._contract, policy)).filter(pa.array(selection.candidates))
            yield TaggedOutput(
                "tallies",
                (
                    policy.supplier,
                    {"candidates": rows.num_rows, "not_due": selection.not_due, "protected": selection.protected},
                ),
            )
            if not rows.num_rows:
                continue
            view = project(rows, self._contract, policy, epoch=task.epoch, column_keys=self._column_keys[policy.supplier])
            self._spot_check(policy, task.epoch, rows, view)
            refs = rows.column(ROW_REF)
            self._spills[policy.supplier].add(spill_batch(view, refs, self._contract, policy))
            if policy.photo is not None:
                photos.setdefault(policy.photo.of, []).append((policy.supplier, refs, view.columns[policy.photo.name]))
        for reference, wanted in photos.items():
            on_face = any(task.policy.photo and task.policy.photo.crop == "face" for task in self._tasks)
            box = self._contract.column(reference).face_box if on_face else ()
            yield TaggedOutput("photos", _photo_batch(batch, reference, box, wanted))

    def _spot_check(self, policy: Policy, epoch: int, rows: pa.RecordBatch, view: View) -> None:
        sample = random_rows(rows.num_rows)
        for token in policy.tokens:
            spot_check_column(
                self._column_keys[policy.supplier][token.name],
                form_of(policy, self._contract, token, epoch),
                rows.column(self._contract.person_key),
                [rows.column(name) for name in token.of],
                view.columns[token.name],
                sample,
            )

    def finish_bundle(self) -> Iterator[Any]:
        for supplier, spill_file in self._spills.items():
            spill = spill_file.close()
            if spill is not None:
                yield WindowedValue((supplier, spill), GlobalWindow().max_timestamp(), (GlobalWindow(),))


def _columns_read(contract: Contract, policy: Policy) -> list[str]:
    names = {contract.person_key}
    for column in policy.columns:
        if isinstance(column, TokenColumn):
            names.update(column.of)
        else:
            names.add(column.source)
    return [*sorted(names), ROW_REF]


def _photo_batch(
    batch: pa.RecordBatch, reference: str, box: tuple[str, ...], wanted: list[tuple[str, pa.Array[Any], pa.Array[Any]]]
) -> pa.RecordBatch:
    """One row a person whose photo anybody needs, read once for every supplier; with the face's box if there is one."""
    refs = pa.chunked_array([refs for _, refs, _ in wanted]).unique()
    rows = batch.filter(pc.is_in(batch.column(ROW_REF), value_set=refs))
    names = {
        supplier: tokens.take(pc.index_in(rows.column(ROW_REF), value_set=candidates)) for supplier, candidates, tokens in wanted
    }
    face = {part: rows.column(name) for part, name in zip(FACE_BOX, box, strict=False)}
    return pa.record_batch({ROW_REF: rows.column(ROW_REF), PHOTO_FILE: rows.column(reference), **face, **names})
