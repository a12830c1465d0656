"""What a pipeline tells the process that started it: one JSON file of counts in staging."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from pathlib import Path

import apache_beam as beam

from transforms.steps.assemble_views import Assembled
from transforms.steps.step import Step
from transforms.steps.tally import AddTallies, Tally


class WriteResult(beam.PTransform):
    """Writes `{"export": counts, "suppliers": {name: counts}, "views": {name: directory}, "broken": {rule: count}}` at the end.

    Takes three PCollections: counts of the export, assembled views keyed by supplier, and counts of broken rules. Of several
    attempts to assemble a view, `views` names the one whose counts these are.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path

    def expand(
        self, counted: tuple[beam.PCollection[Tally], beam.PCollection[tuple[str, Assembled]], beam.PCollection[Tally]]
    ) -> beam.PCollection[str]:
        """Counts in; the file's path out."""
        export, suppliers, broken = counted
        total = export | "Add tallies" >> beam.CombineGlobally(AddTallies())
        return total | "Write result" >> beam.ParDo(
            _WriteFn(self._path), beam.pvalue.AsDict(suppliers), beam.pvalue.AsSingleton(broken)
        )


class _WriteFn(Step):
    def __init__(self, path: str) -> None:
        self._path = path

    def process(self, export: Tally, suppliers: Mapping[str, Assembled], broken: Tally) -> list[str]:
        counts = {"in": 0, "accepted": 0, "quarantined": 0, **export}
        attempt = Path(f"{self._path}.{uuid.uuid4().hex}")
        views = {supplier: view.directory for supplier, view in suppliers.items()}
        tallies = {supplier: view.counts for supplier, view in suppliers.items()}
        attempt.write_text(json.dumps({"export": counts, "suppliers": tallies, "views": views, "broken": broken}))
        attempt.replace(self._path)
        return [self._path]
