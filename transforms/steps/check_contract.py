"""Rows that keep the contract, and places of those that broke it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput

from transforms.columns.select import protected_rows
from transforms.contract.model import Contract
from transforms.contract.places import ROW_REF
from transforms.contract.rows import RowChecker
from transforms.steps.step import Step
from transforms.steps.tally import Tally

# The place of a broken row of a protected person is not written down anywhere [P17].
WITHHELD_PLACE = -1


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """What `CheckContract` gives: every input row is in exactly one of `accepted` and `broken`; `tallies` proves it."""

    accepted: beam.PCollection[pa.RecordBatch]
    broken: beam.PCollection[pa.RecordBatch]
    tallies: beam.PCollection[Tally]


class CheckContract(beam.PTransform):
    """Splits batches into rows that keep the contract and places that broke it, with the rule and never the value [R15]."""

    def __init__(self, contract: Contract) -> None:
        super().__init__()
        self._contract = contract

    def expand(self, rows: beam.PCollection[pa.RecordBatch]) -> CheckedRows:
        """Batches in, accepted batches and broken places out."""
        out = rows | "Check rows" >> (
            beam.ParDo(_CheckFn(self._contract))
            .with_output_types(pa.RecordBatch, broken=pa.RecordBatch, tallies=Tally)
            .with_outputs("broken", "tallies", main="accepted")
        )
        return CheckedRows(accepted=out.accepted, broken=out.broken, tallies=out.tallies)


class _CheckFn(Step):
    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._rows_accepted = Metrics.counter("supplier-views", "rows-accepted")
        self._rows_quarantined = Metrics.counter("supplier-views", "rows-quarantined")

    def setup(self) -> None:
        self._checker = RowChecker(self._contract)

    def process(self, batch: pa.RecordBatch) -> Iterator[Any]:
        checked = self._checker.check(batch)
        quarantined = batch.num_rows - checked.accepted.num_rows
        self._rows_accepted.inc(checked.accepted.num_rows)
        self._rows_quarantined.inc(quarantined)
        if checked.accepted.num_rows:
            yield checked.accepted
        if quarantined:
            yield TaggedOutput("broken", self._withhold(batch, checked.broken))
        yield TaggedOutput("tallies", {"accepted": checked.accepted.num_rows, "quarantined": quarantined})

    def _withhold(self, batch: pa.RecordBatch, broken: pa.RecordBatch) -> pa.RecordBatch:
        hidden = batch.column(ROW_REF).to_numpy()[protected_rows(batch, self._contract)]
        refs = broken.column(ROW_REF).to_numpy()
        shown = np.where(np.isin(refs, hidden), WITHHELD_PLACE, refs)
        return broken.set_column(0, ROW_REF, pa.array(shown))
