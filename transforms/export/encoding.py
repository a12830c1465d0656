"""Whether bytes are text in the encoding that the contract declares; never a guess [H5]."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from transforms.errors import ExportError

UTF8_BOM = b"\xef\xbb\xbf"
_FOREIGN_BOMS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
# The five bytes that Windows-1252 leaves undefined; WHATWG's decoder would make C1 controls of them.
_CP1252_UNDEFINED = np.zeros(256, dtype=bool)
_CP1252_UNDEFINED[[0x81, 0x8D, 0x8F, 0x90, 0x9D]] = True


def skip_byte_order_mark(start: bytes, encoding: str, place: str) -> bytes:
    """`start` (at least the first four bytes of a file, or all of it) without the byte order mark of UTF-8.

    Raises:
        ExportError: `encoding`: the mark of UTF-16 or UTF-32, or of UTF-8 where the contract declares `cp1252`; `empty-file`.
    """
    if start.startswith(UTF8_BOM) and encoding == "utf-8":
        start = start[len(UTF8_BOM) :]
    elif start.startswith((UTF8_BOM, *_FOREIGN_BOMS)):
        raise ExportError(
            f"the file's byte order mark is not that of the declared encoding, {encoding}",
            place=place,
            hint=f"have the export saved as {encoding}; the encoding is declared in the contract and never guessed",
            code="encoding",
        )
    if not start:
        raise ExportError("the file is empty", place=place, hint="ask HR for the export again", code="empty-file")
    return start


def is_utf8(data: bytes | memoryview) -> bool:
    """Whether all of `data` is UTF-8 (RFC 3629: no surrogates, no overlong forms). About 0.1 ns a byte."""
    offsets = pa.py_buffer(struct.pack("=2q", 0, len(data)))
    whole = pa.LargeStringArray.from_buffers(1, offsets, pa.py_buffer(data))
    try:
        whole.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def undecodable_rows(data: memoryview, ends: npt.NDArray[np.intp], encoding: str) -> npt.NDArray[np.intp]:
    """Indexes of the rows that are not text in `encoding`, in order.

    Args:
        data: whole rows.
        ends: index of the last byte of each row.
        encoding: `utf-8` or `cp1252`.
    """
    if encoding == "utf-8" and is_utf8(data):
        return np.empty(0, dtype=np.intp)
    octets = np.frombuffer(data, dtype=np.uint8)
    if encoding == "cp1252":
        return np.unique(np.searchsorted(ends, np.flatnonzero(_CP1252_UNDEFINED[octets])))
    suspects = np.unique(np.searchsorted(ends, np.flatnonzero(octets >= 0x80)))
    starts = np.concatenate(([0], ends[:-1] + 1))
    bad = [row for row in suspects.tolist() if not is_utf8(data[starts[row] : ends[row] + 1])]
    return np.array(bad, dtype=np.intp)
