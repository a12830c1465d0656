"""Rows that wait on disk between the step that makes them and the step that sorts them.

An in-process runner keeps everything that it groups in memory, so rows are not grouped by Beam: a bundle writes its rows to one
file of its own under the staging custody and only the file's name is grouped. Memory then does not grow with the export. Spilled
rows hold tokens and released values, or keyed fingerprints; never a raw identifier.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from transforms.columns.order import SHARDS, shard_slices

# A spill's path, and for each shard the numbers of its record batches in that file.
Spill = tuple[str, dict[int, list[int]]]


class SpillFile:
    """One bundle's rows, cut into shards batch by batch.

    Attempts write under names of their own; what a failed attempt leaves is swept with the attempts directory.
    """

    def __init__(self, attempts: str) -> None:
        self._path = Path(attempts) / f"{uuid.uuid4().hex}.arrow"
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self._shards: dict[int, list[int]] = {}
        self._written = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Appends a batch, shard by shard of its `ORDER` column."""
        for shard, rows in shard_slices(batch):
            if self._writer is None:
                self._sink = os.fdopen(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
                self._writer = pa.ipc.new_file(self._sink, batch.schema)
            self._writer.write_batch(rows)
            self._shards.setdefault(shard, []).append(self._written)
            self._written += 1

    def close(self) -> Spill | None:
        """Finishes the file; None if nothing was added."""
        if self._writer is None:
            return None
        self._writer.close()
        self._sink.close()
        self._writer = None
        return str(self._path), self._shards


def read_shards(spills: Iterable[Spill]) -> Iterator[pa.Table | None]:
    """Reads spills shard by shard, in the order of shards; None for a shard without rows.

    Only one shard is in memory at a time; files are mapped, not read whole.
    """
    listed = list(spills)
    for shard in range(SHARDS):
        batches: list[pa.RecordBatch] = []
        for path, shards in listed:
            if shard in shards:
                with pa.memory_map(path) as source:
                    reader = pa.ipc.open_file(source)
                    batches.extend(reader.get_batch(index) for index in shards[shard])
        yield pa.Table.from_batches(batches) if batches else None
