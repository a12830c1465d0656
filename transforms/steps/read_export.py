"""From the names of export files to batches of rows with the place of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput

from transforms.contract.model import Contract
from transforms.contract.places import ROW_REF
from transforms.export.block import gather
from transforms.export.sources import Source, open_reader
from transforms.steps.step import Step
from transforms.steps.tally import Tally


@dataclass(frozen=True, slots=True)
class ReadRows:
    """What `ReadExport` gives: `rows` and `broken` are batches, `tallies` counts."""

    rows: beam.PCollection[pa.RecordBatch]
    broken: beam.PCollection[pa.RecordBatch]
    tallies: beam.PCollection[Tally]


class ReadExport(beam.PTransform):
    """Reads export files in streamed batches; what cannot be read as a row goes to `broken` with its place and rule.

    Files are read side by side where the runner has workers for them; one file is read from start to end by one worker, since
    quoted line ends make a CSV file unsafe to enter in the middle.
    """

    def __init__(self, contract: Contract) -> None:
        super().__init__()
        self._contract = contract

    def expand(self, sources: beam.PCollection[Source]) -> ReadRows:
        """Sources in, rows out."""
        read = (
            sources
            | "Spread files" >> beam.Reshuffle()
            | "Read files"
            >> beam.ParDo(_ReadFn(self._contract))
            .with_output_types(pa.RecordBatch, broken=pa.RecordBatch, tallies=Tally)
            .with_outputs("broken", "tallies", main="rows")
        )
        return ReadRows(rows=read.rows, broken=read.broken, tallies=read.tallies)


class _ReadFn(Step):
    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._rows_read = Metrics.counter("supplier-views", "rows-read")

    def process(self, source: Source) -> Iterator[Any]:
        with FileSystems.open(source.path, compression_type=CompressionTypes.UNCOMPRESSED) as stream:
            for block in gather(open_reader(source, stream, self._contract)):
                rows, broken = block.rows, block.broken
                if rows.num_rows:
                    yield rows
                quarantined = 0
                if broken.num_rows:
                    quarantined = len(broken.column(ROW_REF).unique())
                    yield TaggedOutput("broken", broken)
                self._rows_read.inc(rows.num_rows + quarantined)
                yield TaggedOutput("tallies", {"in": rows.num_rows + quarantined, "quarantined": quarantined})
