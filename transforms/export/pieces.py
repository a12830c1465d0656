"""Whole rows of a stream, a piece at a time: memory is bounded by the piece and the longest row, whatever the file's size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from transforms.errors import ExportError

CHUNK_BYTES = 4 * 1024 * 1024  # at 8 MiB the allocator hands pages back and forth, and a quarter is lost
MAX_ROW_BYTES = 32 * 1024 * 1024


class RowEnds(Protocol):
    """What is known about the complete rows at the start of some bytes."""

    @property
    def ends(self) -> npt.NDArray[np.intp]:
        """Index of the last byte of each complete row."""


LayoutT = TypeVar("LayoutT", bound=RowEnds)


@dataclass(frozen=True, slots=True)
class Piece(Generic[LayoutT]):
    """Some whole rows: their bytes, where they end, and the number of the first (rows count from 1)."""

    data: memoryview
    layout: LayoutT
    first_row: int


def read_start(stream: BinaryIO) -> bytes:
    """The next four bytes, enough for any byte order mark; fewer only at the end of the file."""
    start = b""
    while len(start) < 4 and (more := stream.read(4 - len(start))):
        start += more
    return start


def whole_rows(
    stream: BinaryIO, start: bytes, lay_out: Callable[[bytes], LayoutT], *, place: str, chunk_bytes: int = CHUNK_BYTES
) -> Iterator[Piece[LayoutT]]:
    """Reads `stream` in chunks and cuts at the ends of rows; a last row may lack its newline.

    Args:
        stream: read from where it stands.
        start: bytes that were read before, from the start of a row.
        lay_out: finds the rows in bytes that begin at the start of a row.
        place: file name for messages.
        chunk_bytes: how much to read at once.

    Raises:
        ExportError: `row-too-long` (over 32 MiB with its line end), `unclosed-quote` (the last row has no end).
    """
    rest, row = start, 1
    while True:
        # A row longer than a chunk is laid out again with every chunk; doubling keeps that work linear.
        chunk = stream.read(max(chunk_bytes, len(rest)))
        data = rest + chunk
        if not chunk and data and not data.endswith(b"\n"):
            data += b"\n"
        layout = lay_out(data)
        lengths = np.diff(layout.ends, prepend=-1)
        end = int(layout.ends[-1]) + 1 if layout.ends.size else 0
        if lengths.size and lengths.max() > MAX_ROW_BYTES:
            raise _too_long(place, row + int(np.argmax(lengths > MAX_ROW_BYTES)))
        if end:
            yield Piece(memoryview(data)[:end], layout, row)
        row += layout.ends.size
        rest = data[end:]
        if len(rest) >= MAX_ROW_BYTES:
            raise _too_long(place, row)
        if not chunk:
            break
    if rest:
        raise ExportError(
            "a quoted value is never closed",
            place=f"{place}: row {row}",
            hint="the file is truncated, or a quote inside a value is not doubled",
            code="unclosed-quote",
        )


def _too_long(place: str, row: int) -> ExportError:
    return ExportError(
        f"a row is longer than {MAX_ROW_BYTES // 1024**2} MiB",
        place=f"{place}: row {row}",
        hint="a quote that is never closed makes one row of all that follows it",
        code="row-too-long",
    )
