"""Arrow string columns, asked a whole column at a time and answered in numpy's terms; null answers no."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Strings: TypeAlias = "pa.Array[Any]"  # of type string, valid UTF-8
Mask = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.int64]


def present(cells: Strings) -> Mask:
    """Where there is a value."""
    return _mask(cells.is_valid())


def lengths(cells: Strings) -> npt.NDArray[np.int32]:
    """UTF-8 bytes of each cell; 0 for null."""
    found: npt.NDArray[np.int32] = pc.binary_length(cells).fill_null(0).to_numpy(zero_copy_only=False)  # type: ignore[call-overload]
    return found


def begins(cells: Strings, text: str) -> Mask:
    """Where a cell starts with a text."""
    return _mask(pc.starts_with(cells, text))


def contains(cells: Strings, text: str) -> Mask:
    """Where a cell contains a text."""
    return _mask(pc.match_substring(cells, text))


def matches(cells: Strings, pattern: str) -> Mask:
    """Where an RE2 pattern matches a part of a cell."""
    return _mask(pc.match_substring_regex(cells, pattern))


def among(cells: Strings, values: Strings) -> Mask:
    """Where a cell is one of some values."""
    return present(cells) & _mask(pc.is_in(cells, value_set=values))


def equals(cells: Strings, others: Strings) -> Mask:
    """Where two columns have the same value."""
    return _mask(pc.equal(cells, others))


def replace(cells: Strings, text: str, by: str) -> Strings:
    """Every occurrence of a text replaced."""
    replaced: Strings = pc.replace_substring(cells, text, by)
    return replaced


def keep(cells: Strings, mask: Mask) -> Strings:
    """The cells where a mask is True."""
    return cells if mask.all() else cells.filter(pa.array(mask))


def pick(cells: Strings, positions: Positions) -> Strings:
    """The cells at some positions."""
    picked: Strings = cells.take(pa.array(positions))  # type: ignore[arg-type]
    return picked


def without_empty(cells: Strings) -> Strings:
    """Null where a cell is the empty string."""
    empty = lengths(cells) == 0
    return pc.if_else(pa.array(empty), pa.scalar(None, pa.string()), cells) if empty.any() else cells


def fixed_width(cells: Strings, width: int) -> npt.NDArray[np.uint8]:
    """(n, width) bytes of cells that all have this many bytes and none of which is null, without a copy."""
    _, offsets, data = cells.buffers()
    if not len(cells) or offsets is None or data is None:
        return np.zeros((0, width), np.uint8)
    first = int(np.frombuffer(memoryview(offsets), np.int32)[cells.offset])
    return np.frombuffer(memoryview(data), np.uint8)[first : first + len(cells) * width].reshape(len(cells), width)


def sort_keys(cells: Strings) -> npt.NDArray[np.uint64]:
    """The first eight bytes of each cell as a number, which sorts as the cell does; 0 for null and empty cells."""
    _, offset_buffer, data_buffer = cells.buffers()
    if not len(cells) or offset_buffer is None or data_buffer is None or not data_buffer.size:
        return np.zeros(len(cells), np.uint64)
    starts = np.frombuffer(memoryview(offset_buffer), np.int32)[cells.offset : cells.offset + len(cells), np.newaxis]
    data = np.frombuffer(memoryview(data_buffer), np.uint8)
    place = np.arange(8)
    octets = data[np.minimum(starts + place, data.size - 1)] * (place < lengths(cells)[:, np.newaxis])
    keys: npt.NDArray[np.uint64] = octets.astype(np.uint8).view(">u8").ravel().astype(np.uint64)
    return keys


def _mask(found: Any) -> Mask:
    return np.asarray(found.fill_null(False).to_numpy(zero_copy_only=False), np.bool_)
