"""How record batches travel between workers: as Arrow IPC, never as pickles."""

from __future__ import annotations

import apache_beam as beam
import pyarrow as pa
from apache_beam.coders import Coder


class ArrowBatchCoder(Coder):
    """Encodes a `pyarrow.RecordBatch` with its schema as one Arrow IPC stream.

    Beam falls back to pickle for types that it does not know; a batch of a sliced or filtered column would then drag its whole
    parent buffer along.
    """

    def encode(self, value: pa.RecordBatch) -> bytes:
        """One batch as the bytes of an IPC stream."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, value.schema) as writer:
            writer.write_batch(value)
        return sink.getvalue().to_pybytes()

    def decode(self, encoded: bytes) -> pa.RecordBatch:
        """The batch that `encode` wrote."""
        with pa.ipc.open_stream(encoded) as reader:
            return reader.read_next_batch()

    def estimate_size(self, value: pa.RecordBatch) -> int:
        """Bytes of the batch's own rows: Beam samples sizes on the way, and would otherwise encode a batch to learn its own."""
        return value.nbytes

    def is_deterministic(self) -> bool:
        """False: batches are never keys."""
        return False

    def to_type_hint(self) -> type[pa.RecordBatch]:
        """The type that this coder stands for."""
        return pa.RecordBatch


def register_arrow_coder() -> None:
    """Makes Arrow IPC the coder of record batches in pipelines that this process builds; workers receive it with the graph."""
    beam.coders.registry.register_coder(pa.RecordBatch, ArrowBatchCoder)
