"""A CSV view read as bytes: RFC 4180 with CRLF, UTF-8, no byte order mark, quotes where they are needed and nowhere else [R2].

Cells have no line breaks or other control characters, so a line is a record. Every byte of the file is a cell's, a separator's or a
needed quote's: there is no place for anything else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from transforms.leaks.strings import Positions, Strings, contains, keep, matches, pick, replace, without_empty
from transforms.leaks.table import Chunk, TableHeader, TableStructure, UnreadableTable
from transforms.leaks.words import Words

_CHUNK = 1 << 20
_LONGEST_LINE = 1 << 24
_COMMA, _LF, _CR, _QUOTE, _FIRST_PRINTABLE, _DEL = 44, 10, 13, 34, 32, 127
_QUOTED = r'\A"(?:[^"]|"")*"\z'
_BOM = b"\xef\xbb\xbf"

Bytes = npt.NDArray[np.uint8]


class CsvTable:
    """Reads one CSV file once, in chunks of about a mebibyte."""

    def __init__(self, name: str, columns: Sequence[str], words: Words) -> None:
        self._name = name
        self._columns = tuple(columns)
        self._words = words
        self._rows = 0
        self.structure = TableStructure()
        self.header = TableHeader()

    def chunks(self, source: BinaryIO, saw: Callable[[bytes], None]) -> Iterator[Chunk]:
        """The rows; `saw` is given every byte of the file in order, also of what cannot be read as a table.

        Raises:
            UnreadableTable: after a finding of `structure` or `header`.
        """
        blocks = self._lines(source, saw)
        first = next(blocks, b"")
        end = first.find(b"\r\n")
        if first and end < 0:
            self._unreadable("header, a line end other than CRLF", first)
        self._check_header(first[: max(end, 0)])
        for block in _chain(first[end + 2 :], blocks):
            if block:
                chunk = self._parse(block)
                self._rows += chunk.num_rows
                yield chunk

    def _lines(self, source: BinaryIO, saw: Callable[[bytes], None]) -> Iterator[bytes]:
        """The file in blocks that end at line ends."""
        rest = b""
        while data := source.read(_CHUNK):
            saw(data)
            data = rest + data
            end = data.rfind(b"\n") + 1
            if end:
                yield data[:end]
            rest = data[end:]
            if len(rest) > _LONGEST_LINE:
                break
        if rest:
            self._unreadable("after the last line end", rest)

    def _check_header(self, line: bytes) -> None:
        self.header.examine(len(self._columns))
        if line.startswith(_BOM):
            self._unreadable("byte order mark", b"")
        if line != ",".join(self._columns).encode():
            self.header.found(f"{self._name} header")
            self._words.add_bytes(line, f"{self._name} header")
            raise UnreadableTable

    def _parse(self, block: bytes) -> Chunk:
        data = np.frombuffer(block, np.uint8)
        width = len(self._columns)
        ends = np.flatnonzero(data == _LF)
        self.structure.examine(ends.size)
        controls = np.count_nonzero((data < _FIRST_PRINTABLE) | (data == _DEL))
        if controls != 2 * ends.size or not np.all(data[ends - 1] == _CR):
            self._unreadable_row("a control character or a line end other than CRLF", data, ends)
        if data.max() >= 128 and not _is_utf8(block):
            self._unreadable("bytes that are not UTF-8", b"")
        separators = np.flatnonzero((data == _COMMA) | (data == _LF))
        quotes = np.flatnonzero(data == _QUOTE)
        if quotes.size:
            outside = np.searchsorted(quotes, separators) % 2 == 0
            separators = separators[outside]
        if separators.size != ends.size * width or not np.array_equal(separators[width - 1 :: width], ends):
            self._unreadable(f"between rows {self._rows + 1} and {self._rows + ends.size}, another number of columns", b"")
        return Chunk(self._rows + 1, self._cells(block, separators, width, quoted=bool(quotes.size)))

    def _cells(self, block: bytes, separators: Positions, width: int, *, quoted: bool) -> tuple[Strings, ...]:
        """Each column's cells, gathered from the block."""
        # Strings 0, 2, 4 … of this array are the cells and the others the separators between them, without a copy.
        bounds = np.zeros(2 * separators.size + 1, np.int32)
        bounds[1::2] = separators
        bounds[2::2] = separators + 1
        bounds[2 * width - 1 :: 2 * width] -= 1  # the line end has two bytes
        strings: Strings = pa.StringArray.from_buffers(2 * separators.size, pa.py_buffer(bounds.data), pa.py_buffer(block))
        columns = []
        for index, name in enumerate(self._columns):
            cells = pick(strings, np.arange(2 * index, 2 * separators.size, 2 * width))
            if quoted:
                cells = self._unquoted(cells, name)
            columns.append(without_empty(cells))
        return tuple(columns)

    def _unquoted(self, cells: Strings, column: str) -> Strings:
        with_quotes = contains(cells, '"')
        if not with_quotes.any():
            return cells
        some = keep(cells, with_quotes)
        bare = replace(pc.utf8_slice_codeunits(some, 1, -1), '""', '"')
        if not np.all(matches(some, _QUOTED) & matches(bare, '[,"]')):
            self._unreadable(f"column {column}, quotes that are not needed or do not match", b"")
        unquoted: Strings = pc.replace_with_mask(cells, pa.array(with_quotes), bare)
        return unquoted

    def _unreadable_row(self, what: str, data: Bytes, ends: Positions) -> None:
        odd = ends[data[ends - 1] != _CR]
        if not odd.size:
            line_end = np.zeros(data.size, np.bool_)
            line_end[ends] = line_end[ends - 1] = True
            odd = np.flatnonzero(((data < _FIRST_PRINTABLE) | (data == _DEL)) & ~line_end)
        line = int(np.searchsorted(ends, odd[0]))
        start = int(ends[line - 1]) + 1 if line else 0
        self._unreadable(f"row {self._rows + line + 1}, {what}", data[start : int(ends[line])].tobytes())

    def _unreadable(self, what: str, text: bytes) -> None:
        place = f"{self._name} {what}"
        self.structure.found(place)
        if text:
            self._words.add_bytes(text[:_CHUNK], place)
        raise UnreadableTable


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _is_utf8(block: bytes) -> bool:
    try:
        block.decode("utf-8", "strict")
    except UnicodeDecodeError:
        return False
    return True
