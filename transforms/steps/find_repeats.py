"""Rows that repeat a value which the contract says is unique."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from transforms.columns.order import ORDER
from transforms.columns.select import protected_rows
from transforms.contract.model import Contract
from transforms.contract.places import BROKEN_SCHEMA, ROW_REF
from transforms.keyring.open import open_fingerprint_key
from transforms.steps.check_contract import WITHHELD_PLACE
from transforms.steps.repeated import PROTECTED, REPEATED_SCHEMA, repeated_refs
from transforms.steps.spill import Spill, SpillFile, read_shards
from transforms.steps.step import Step
from transforms.steps.tally import Tally
from transforms.tokens.fingerprint import fingerprint

_LOW = "low"


@dataclass(frozen=True, slots=True)
class Repeats:
    """Batches of REPEATED_SCHEMA: every row of the export whose value of a unique column another row has too."""

    rows: beam.PCollection[pa.RecordBatch]


class FindRepeats(beam.PTransform):
    """Finds the rows that share a value of a column which the contract calls unique.

    All of the rows that share a value are named, since nobody can tell which is right. Values are compared as 128-bit keyed
    fingerprints of their canonical form, under a key that no supplier's token is made with.
    """

    def __init__(self, contract: Contract, keys: str, day: date, attempts: str) -> None:
        super().__init__()
        self._fn = _FingerprintFn(contract, keys, day, attempts)

    def expand(self, accepted: beam.PCollection[pa.RecordBatch]) -> Repeats:
        """Accepted batches in, repeated rows out."""
        found = (
            accepted
            | "Fingerprint unique columns" >> beam.ParDo(self._fn).with_output_types(tuple[str, Spill])
            | "Gather fingerprints" >> beam.GroupByKey()
            | "Compare fingerprints" >> beam.ParDo(_CompareFn()).with_output_types(pa.RecordBatch)
        )
        return Repeats(rows=found)


class _FingerprintFn(Step):
    def __init__(self, contract: Contract, keys: str, day: date, attempts: str) -> None:
        self._contract = contract
        self._columns = tuple(column.name for column in contract.columns if column.unique)
        self._keys = keys
        self._day = day
        self._attempts = attempts

    def setup(self) -> None:
        self._key = open_fingerprint_key(self._keys, self._day)

    def start_bundle(self) -> None:
        self._spills = {name: SpillFile(self._attempts) for name in self._columns}

    def process(self, batch: pa.RecordBatch) -> Iterator[Any]:
        protected = pa.array(protected_rows(batch, self._contract))
        for name in self._columns:
            values = batch.column(name)
            rows = pa.record_batch({ROW_REF: batch.column(ROW_REF), PROTECTED: protected, "value": values})
            if values.null_count:
                rows = rows.filter(pc.is_valid(values))
            high, low = fingerprint(self._key.reveal(), name, rows.column("value"))
            self._spills[name].add(
                pa.record_batch(
                    {
                        ORDER: pa.array(high),
                        _LOW: pa.array(low),
                        ROW_REF: rows.column(ROW_REF),
                        PROTECTED: rows.column(PROTECTED),
                    }
                )
            )
        yield from ()

    def finish_bundle(self) -> Iterator[Any]:
        for name, spill_file in self._spills.items():
            spill = spill_file.close()
            if spill is not None:
                yield WindowedValue((name, spill), GlobalWindow().max_timestamp(), (GlobalWindow(),))


class _CompareFn(Step):
    def process(self, keyed: tuple[str, Iterable[Spill]]) -> Iterator[pa.RecordBatch]:
        name, spills = keyed
        for table in read_shards(spills):
            if table is None:
                continue
            high = table.column(ORDER).to_numpy()
            ascending = np.sort(high)
            candidates = np.unique(ascending[1:][ascending[1:] == ascending[:-1]])
            if not candidates.size:  # as nearly always: half a fingerprint is enough to tell that nothing repeats
                continue
            table = table.filter(pa.array(np.isin(high, candidates)))
            repeated = _repeated(table.column(ORDER).to_numpy(), table.column(_LOW).to_numpy())
            if not repeated.any():
                continue
            rows = table.filter(pa.array(repeated))
            yield pa.record_batch(
                [
                    rows.column(ROW_REF).combine_chunks(),
                    pa.array([name] * rows.num_rows, pa.string()),
                    rows.column(PROTECTED).combine_chunks(),
                ],
                schema=REPEATED_SCHEMA,
            )


def _repeated(high: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Which fingerprints occur more than once, as a mask."""
    index = np.lexsort((low, high))
    same = (high[index][1:] == high[index][:-1]) & (low[index][1:] == low[index][:-1])
    repeated = np.zeros(len(index), dtype=bool)
    repeated[index[1:][same]] = True
    repeated[index[:-1][same]] = True
    return repeated


@dataclass(frozen=True, slots=True)
class BrokenRepeats:
    """Repeated rows as the quarantine sees them, and the tallies that move them from accepted to quarantined."""

    broken: beam.PCollection[pa.RecordBatch]
    tallies: beam.PCollection[Tally]


class RepeatsAsBroken(beam.PTransform):
    """Turns repeated rows into places that broke the rule `unique`.

    A row that repeats two columns is listed under both and counted once.
    """

    def expand(self, repeats: beam.PCollection[pa.RecordBatch]) -> BrokenRepeats:
        """Batches of REPEATED_SCHEMA in, broken places and tallies out."""
        tallies = (
            repeats.pipeline
            | "Start repeats" >> beam.Create([None])
            | "Count repeats" >> beam.Map(_count, beam.pvalue.AsList(repeats)).with_output_types(Tally)
        )
        return BrokenRepeats(
            broken=repeats | "Name the rule" >> beam.Map(_as_broken).with_output_types(pa.RecordBatch), tallies=tallies
        )


def _count(_: None, repeats: list[pa.RecordBatch]) -> Tally:
    rows = int(repeated_refs(repeats).size)
    return {"accepted": -rows, "quarantined": rows}


def _as_broken(batch: pa.RecordBatch) -> pa.RecordBatch:
    refs = pc.if_else(batch.column(PROTECTED), pa.scalar(WITHHELD_PLACE, pa.int64()), batch.column(ROW_REF))
    rules = pa.array(["unique"] * batch.num_rows, pa.string())
    return pa.record_batch([refs, rules, batch.column("column")], schema=BROKEN_SCHEMA)
