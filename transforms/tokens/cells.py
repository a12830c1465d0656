"""The cells of a column as places in one byte buffer, so that a changed cell is patched without rebuilding the column."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.contract.buffers import Bytes, byte_views, validity

Places = npt.NDArray[np.int64]
SLACK = 16  # bytes before the first cell and after the last, so that any 16-byte window that touches a cell is in the buffer


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Cells:
    """n cells: cell `i` is `data[starts[i] : starts[i] + lengths[i]]`, with at least SLACK bytes of buffer on either side.

    A null cell has length 0. There is no repr of the contents: they are personal data.
    """

    starts: Places
    lengths: Places
    data: Bytes

    def __len__(self) -> int:
        return len(self.starts)

    def rows(self, begin: int, end: int) -> Cells:
        """Cells `begin` to `end`, over the same bytes."""
        return Cells(self.starts[begin:end], self.lengths[begin:end], self.data)


def cells_of(values: pa.Array[Any]) -> Cells:
    """The cells of a string, large_string, binary or large_binary array; its bytes are copied once, for the slack.

    Raises:
        TypeError: the array is of another type.
    """
    offsets, data = byte_views(values)
    first, last = int(offsets[0]), int(offsets[-1])
    buffer = np.empty(last - first + 2 * SLACK, np.uint8)
    buffer[:SLACK] = buffer[SLACK + last - first :] = 0
    buffer[SLACK : SLACK + last - first] = data[first:last]
    starts = offsets[:-1].astype(np.int64)
    starts += SLACK - first
    lengths = np.diff(offsets).astype(np.int64, copy=False)
    if values.null_count:
        lengths *= validity(values)
    return Cells(starts, lengths, buffer)
