"""The table of a view, by whichever of the gate's two readers its policy asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from transforms.leaks.cells import column_names
from transforms.leaks.csv_table import CsvTable
from transforms.leaks.findings import Check
from transforms.leaks.listing import open_plain
from transforms.leaks.parquet_table import ParquetTable
from transforms.leaks.table import Chunk
from transforms.leaks.words import Words
from transforms.policy.model import Policy

FileDigest = tuple[str, int, str]
_CHUNK = 1 << 20


def table_name(policy: Policy) -> str:
    """Its file's name."""
    return f"people.{policy.delivery_format}"


def table_chunks(
    root: Path, policy: Policy, words: Words, checks: list[Check], digest: list[FileDigest] | None = None
) -> Iterator[Chunk]:
    """The rows of a view's table; adds the reader's checks, and after the last row the file's digest."""
    name, columns = table_name(policy), column_names(policy)
    sha256, size = hashlib.sha256(), 0

    def saw(data: bytes) -> None:
        nonlocal size
        sha256.update(data)
        size += len(data)

    with open_plain(root / name) as source:
        if policy.delivery_format == "csv":
            table = CsvTable(name, columns, words)
            checks += (table.structure, table.header)
            yield from table.chunks(source, saw)
        else:
            parquet = ParquetTable(name, columns, words)
            checks += (parquet.structure, parquet.header, parquet.dictionary, parquet.statistics, parquet.bloom, parquet.metadata)
            while data := source.read(_CHUNK):
                saw(data)
            yield from parquet.chunks(source)
    if digest is not None:
        digest.append((name, size, sha256.hexdigest()))
