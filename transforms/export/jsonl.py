"""JSON Lines exports: one flat object a line, every value text or null, in UTF-8 (RFC 8259).

Lines that Arrow's parser can be trusted with go through it, many at once; all others are read one by one, strictly. What no line
may be is quarantined as `json-syntax`, `json-keys` (a key is missing, unknown or repeated), `json-type` (a value or the line is of
the wrong type) or `encoding`. An empty text is null, as an empty CSV cell is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.json

from transforms.contract.model import Contract
from transforms.contract.places import row_ref
from transforms.errors import ExportError
from transforms.export.block import Block, empty_to_null, to_blocks
from transforms.export.encoding import skip_byte_order_mark
from transforms.export.header import check_columns
from transforms.export.json_lines import (
    BrokenLine,
    Indexes,
    Lines,
    cells,
    is_plain,
    lay_out_lines,
    members,
    names_every_column,
)
from transforms.export.pieces import CHUNK_BYTES, Piece, read_start, whole_rows

_HEADER_CHUNK_BYTES = 64 * 1024
_FEWEST_LINES = 64


def check_jsonl_header(stream: BinaryIO, contract: Contract, place: str) -> None:
    """Passes if the first line that is an object has exactly the contract's columns as keys, in any order.

    Raises:
        ExportError: `empty-file`, `encoding`, `json-syntax` (none of the first lines is an object), `row-too-long`,
            `unknown-column`, `missing-column`, `repeated-column`.
    """
    stream.seek(0)
    start = skip_byte_order_mark(read_start(stream), "utf-8", place)
    for piece in whole_rows(stream, start, lay_out_lines, place=place, chunk_bytes=_HEADER_CHUNK_BYTES):
        for line in bytes(piece.data).split(b"\n"):
            try:
                keys = [key for key, _ in members(line)]
            except BrokenLine:
                continue
            return check_columns(keys, contract, place)
        break
    raise ExportError(
        "none of the first lines is a JSON object", place=place, hint="JSON Lines has one object on each line", code="json-syntax"
    )


def read_jsonl(
    stream: BinaryIO, contract: Contract, source_index: int, place: str, *, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[Block]:
    """Reads a JSON Lines file from its start; arguments as `transforms.export.csv.read_csv`.

    Raises:
        ExportError: as `check_jsonl_header`.
    """
    check_jsonl_header(stream, contract, place)
    stream.seek(0)
    start = skip_byte_order_mark(read_start(stream), "utf-8", place)
    for piece in whole_rows(stream, start, lay_out_lines, place=place, chunk_bytes=chunk_bytes):
        yield from _blocks(piece, contract, source_index)


def _blocks(piece: Piece[Lines], contract: Contract, source_index: int) -> Iterator[Block]:
    data, ends = piece.data, piece.layout.ends
    refs = np.arange(ends.size, dtype=np.int64) + row_ref(source_index, piece.first_row)
    plain = np.flatnonzero(is_plain(data, piece.layout))
    parsed = list(_parsed(*_chosen(data, ends, plain), plain, contract))
    broken: list[tuple[int, str]] = []
    strict: list[list[str | None]] = []
    kept: list[int] = []
    for row in np.setdiff1d(np.arange(ends.size), np.concatenate([plain[:0], *(rows for rows, _ in parsed)])).tolist():
        try:
            strict.append(cells(bytes(data[_start(ends, row) : int(ends[row])]), contract.names))
            kept.append(row)
        except BrokenLine as error:
            broken.append((int(refs[row]), error.rule))
    one_by_one = {name: pa.array([values[at] for values in strict], pa.string()) for at, name in enumerate(contract.names)}
    table = pa.concat_tables([*(table for _, table in parsed), pa.table(one_by_one)])
    order = np.concatenate([*(rows for rows, _ in parsed), np.array(kept, dtype=np.intp)])
    if (np.diff(order) < 0).any():
        table, order = table.take(np.argsort(order)), np.sort(order)
    yield from to_blocks(table, refs[order], broken)


def _start(ends: Indexes, line: int) -> int:
    return int(ends[line - 1]) + 1 if line else 0


def _chosen(data: memoryview, ends: Indexes, chosen: Indexes) -> tuple[memoryview, Indexes]:
    """Some of the lines as bytes of their own, and where they end there."""
    if chosen.size == ends.size:
        return data, ends
    lines = [data[_start(ends, line) : int(ends[line]) + 1] for line in chosen.tolist()]
    return memoryview(b"".join(lines)), np.cumsum([len(line) for line in lines], dtype=np.intp) - 1


def _parsed(data: memoryview, ends: Indexes, numbers: Indexes, contract: Contract) -> Iterator[tuple[Indexes, pa.Table]]:
    """Tables of the plain lines that Arrow's parser read in full, with the numbers of their lines.

    Arrow refuses a whole buffer for one bad line, so a refused buffer is halved until few lines are left to be read one by one.
    """
    table = _by_arrow(data, contract) if numbers.size else None
    if table is not None and table.num_rows == numbers.size:
        complete = names_every_column(data, Lines(ends), table)
        if not complete.all():
            table, numbers = table.filter(pa.array(complete)), numbers[complete]
        texts = (cast(pa.StringArray, table[name].combine_chunks()) for name in contract.names)
        yield numbers, pa.table(dict(zip(contract.names, map(empty_to_null, texts), strict=True)))
    elif numbers.size > _FEWEST_LINES:
        half = numbers.size // 2
        cut = _start(ends, half)
        yield from _parsed(data[:cut], ends[:half], numbers[:half], contract)
        yield from _parsed(data[cut:], ends[half:] - cut, numbers[half:], contract)


def _by_arrow(data: memoryview, contract: Contract) -> pa.Table | None:
    """The lines as text columns; None where Arrow refuses them (its message quotes values)."""
    fields: dict[str, pa.DataType] = dict.fromkeys(contract.names, pa.string())
    try:
        return pyarrow.json.read_json(
            pa.BufferReader(data),  # type: ignore[arg-type]
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(data) + 1),
            parse_options=pyarrow.json.ParseOptions(
                explicit_schema=pa.schema(fields), newlines_in_values=False, unexpected_field_behavior="error"
            ),
        ).select(list(contract.names))
    except pa.ArrowInvalid:
        return None
