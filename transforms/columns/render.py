"""From view columns to what is written: one line a row for CSV, the columns themselves for Parquet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from transforms.errors import Refused
from transforms.policy.disclosure import FORMULA_STARTS

LINE = "line"

_NEEDS_QUOTES = '[",\r\n]'
_FORMULA_START = "^[" + "".join(rf"\x{{{ord(start):x}}}" for start in FORMULA_STARTS) + "]"


def csv_header(names: Sequence[str]) -> bytes:
    """The header record of RFC 4180, with its line end."""
    return (",".join(names) + "\r\n").encode()


def csv_lines(columns: Sequence[pa.Array[Any]], plain: Sequence[bool]) -> pa.Array[Any]:
    """Renders rows as RFC 4180 records, each ending in CRLF; the data buffer of the result is the file's text.

    Args:
        columns: at least one array of n strings each.
        plain: for each column, whether its values are known never to need quotes (`needs_no_quotes`).

    Returns:
        n strings; a null cell is empty.
    """
    cells = [_filled(column) if is_plain else _quoted(column) for column, is_plain in zip(columns, plain, strict=True)]
    cells[-1] = join(cells[-1], "", separator="\r\n")
    return cells[0] if len(cells) == 1 else join(*cells, separator=",")


def join(*parts: pa.Array[Any] | str, separator: str) -> pa.Array[Any]:
    """Joins strings row by row; null where any part is null."""
    joined: pa.Array[Any] = pc.binary_join_element_wise(*parts, separator)  # type: ignore[call-overload]
    return joined


def needs_no_quotes(values: Sequence[str]) -> bool:
    """Whether none of these values needs quotes in a CSV file."""
    return not any(re.search(_NEEDS_QUOTES, value) for value in values)


def refuse_formulas(name: str, column: pa.Array[Any]) -> None:
    """Refuses a column in which a cell starts like a spreadsheet formula [R2].

    Nothing is quoted away: such a value has no place in a view.

    Raises:
        Refused: the error names the column only.
    """
    if pc.any(pc.match_substring_regex(column, _FORMULA_START)).as_py():
        raise Refused(
            "a value starts like a spreadsheet formula",
            place=f"column {name}",
            hint="tighten the column's pattern or vocabulary in the contract, so that such rows are quarantined",
            code="formula-cell",
        )


def text_bytes(lines: pa.Array[Any]) -> memoryview:
    """The bytes that the strings of an array hold, in order, without a copy; the array must have no nulls."""
    if len(lines) == 0:
        return memoryview(b"")
    _, offsets_buffer, data = lines.buffers()
    if offsets_buffer is None or data is None:
        return memoryview(b"")
    offsets = np.frombuffer(memoryview(offsets_buffer), dtype=np.int64 if pa.types.is_large_string(lines.type) else np.int32)
    first, last = int(offsets[lines.offset]), int(offsets[lines.offset + len(lines)])
    return memoryview(data)[first:last]


def _filled(column: pa.Array[Any]) -> pa.Array[Any]:
    return column.fill_null("") if column.null_count else column


def _quoted(column: pa.Array[Any]) -> pa.Array[Any]:
    filled = _filled(column)
    quotes = pc.match_substring_regex(filled, _NEEDS_QUOTES)
    if not pc.any(quotes).as_py():
        return filled
    escaped = join("", pc.replace_substring(filled, '"', '""'), "", separator='"')
    chosen: pa.Array[Any] = pc.if_else(quotes, escaped, filled)
    return chosen
