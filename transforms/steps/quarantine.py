"""The list of places that broke a rule, and how often each rule was broken; never a value [R15]."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import apache_beam as beam
import pyarrow as pa

from transforms.contract.places import BROKEN_SCHEMA, ROW_REF, place_of
from transforms.export.sources import Source
from transforms.steps.private_file import private
from transforms.steps.step import Step

MOST_PLACES = 100_000


class WriteQuarantine(beam.PTransform):
    """Writes one JSON line a broken rule and place, in the order of the export, and counts every rule.

    The file lists at most `MOST_PLACES` places, so that an export that is broken throughout cannot fill the memory; the counts are
    complete. Gives one dict of counts, keyed `rule column`.
    """

    def __init__(self, path: str, sources: tuple[Source, ...]) -> None:
        super().__init__()
        self._path = path
        self._sources = sources

    def expand(self, broken: beam.PCollection[pa.RecordBatch]) -> beam.PCollection[dict[str, int]]:
        """Batches of broken places in, the counts by rule and column out."""
        return (
            broken.pipeline
            | "Start quarantine" >> beam.Create([None])
            | "Write quarantine" >> beam.ParDo(_WriteFn(self._path, self._sources), beam.pvalue.AsIter(broken))
        )


class _WriteFn(Step):
    def __init__(self, path: str, sources: tuple[Source, ...]) -> None:
        self._path = path
        self._sources = {source.index: source.path for source in sources}

    def process(self, _: None, broken: Iterable[pa.RecordBatch]) -> Iterator[dict[str, int]]:
        table = pa.Table.from_batches(broken, schema=BROKEN_SCHEMA)
        by_rule: list[tuple[str, Literal["ascending", "descending"]]] = [("rule", "ascending"), ("column", "ascending")]
        counted = table.group_by(["rule", "column"]).aggregate([([], "count_all")]).sort_by(by_rule)
        listed = table.sort_by([(ROW_REF, "ascending"), *by_rule]).slice(0, MOST_PLACES)
        attempt = Path(f"{self._path}.{uuid.uuid4().hex}")
        try:
            with open(attempt, "w", encoding="utf-8", opener=private) as out:
                for row in listed.to_pylist():
                    out.write(json.dumps(self._entry(row)) + "\n")
            attempt.replace(self._path)
        finally:
            attempt.unlink(missing_ok=True)
        yield {f"{row['rule']} {row['column'] or 'row'}": row["count_all"] for row in counted.to_pylist()}

    def _entry(self, row: dict[str, Any]) -> dict[str, Any]:
        entry: dict[str, Any] = {"rule": row["rule"], "column": row["column"]}
        if row[ROW_REF] < 0:
            return {"source": None, "row": None, **entry}
        index, number = place_of(row[ROW_REF])
        return {"source": self._sources[index], "row": number, **entry}
