"""Arrow text and binary columns as numpy views, so that bytes are tested and gathered a column at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Offsets = npt.NDArray[np.int32] | npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


def byte_views(values: pa.Array[Any]) -> tuple[Offsets, Bytes]:
    """The offsets and the bytes of a string, large_string, binary or large_binary array, without a copy.

    Row `i` is `data[offsets[i] : offsets[i + 1]]`; `offsets` has one entry more than there are rows and starts where the
    slice starts. A null row may cover any bytes: read the validity beside it.

    Raises:
        TypeError: the array is of another type.
    """
    wide = pa.types.is_large_string(values.type) or pa.types.is_large_binary(values.type)
    if not (wide or pa.types.is_string(values.type) or pa.types.is_binary(values.type)):
        raise TypeError(f"needs a string or binary array, not {values.type}")
    _, offset_buffer, data_buffer = values.buffers()
    data: Bytes = np.empty(0, np.uint8) if data_buffer is None else np.frombuffer(memoryview(data_buffer), np.uint8)
    if offset_buffer is None or offset_buffer.size == 0:  # Arrow allows an empty array without offsets
        return np.zeros(1, np.int32), data
    rows = slice(values.offset, values.offset + len(values) + 1)
    memory = memoryview(offset_buffer)
    return (np.frombuffer(memory, np.int64)[rows] if wide else np.frombuffer(memory, np.int32)[rows]), data


def validity(values: pa.Array[Any]) -> npt.NDArray[np.bool_]:
    """One boolean a row: False where the value is null."""
    if values.null_count == 0:
        return np.ones(len(values), np.bool_)
    return np.asarray(values.is_valid().to_numpy(zero_copy_only=False), np.bool_)
