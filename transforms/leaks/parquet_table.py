"""A Parquet view, with all that a reader of its values does not see: dictionary pages, statistics, metadata, gaps [R4, R5, R7].

The file must be plain pages of text, one column chunk after the other, and a footer that says no more than that. Structure is read
here from the bytes (Apache Parquet, `parquet.thrift`); only the decoding of values is left to pyarrow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from transforms.leaks.findings import Check
from transforms.leaks.table import Chunk, TableHeader, TableStructure, UnreadableTable
from transforms.leaks.thrift import ThriftError, ThriftReader, Value, texts
from transforms.leaks.words import MOST_WORDS, Words

_MAGIC = b"PAR1"
_BATCH_ROWS = 65_536
_LONGEST_HEADER = 1 << 16
_LONGEST_FOOTER = 1 << 26
_Codec = Literal["snappy", "gzip", "brotli", "zstd", "lz4_raw"]
_CODECS: dict[int, _Codec | None] = {0: None, 1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd", 7: "lz4_raw"}
_DATA_PAGE, _DICTIONARY_PAGE, _DATA_PAGE_V2 = 0, 2, 3
_WRITER = re.compile(rb"parquet-cpp-arrow version [0-9]{1,3}(\.[0-9]{1,3}){1,2}")
# Field numbers of parquet.thrift.
_SCHEMA, _ROW_GROUPS, _KEY_VALUES, _CREATED_BY, _NAME = 2, 4, 5, 6, 4
_COLUMNS, _COLUMN_METADATA = 1, 3
_CODEC, _PATH, _CHUNK_SIZE, _DATA_OFFSET, _DICTIONARY_OFFSET, _STATISTICS = 4, 3, 7, 9, 11, 12
_BLOOM_FILTER = (14, 15)  # offset and length
_PAGE_TYPE, _PLAIN_SIZE, _PAGE_SIZE, _V1, _V2 = 1, 2, 3, 5, 8
_PAGE_STATISTICS = {_V1: 5, _V2: 8}


class ParquetDictionary(Check):
    """A column has a dictionary page, which keeps values that no row uses [R4]."""

    rule = "parquet-dictionary"


class ParquetStatistics(Check):
    """A column chunk or page carries statistics: least and greatest values in clear [R7]."""

    rule = "parquet-statistics"


class ParquetBloomFilter(Check):
    """A column chunk has a Bloom filter, which tells of any guessed value whether it is there [R7]."""

    rule = "parquet-bloom-filter"


class ParquetMetadata(Check):
    """The footer or a page header holds text other than column names and the writer's version [R7]."""

    rule = "parquet-metadata"


class ParquetTable:
    """Reads one Parquet file: first its structure, then its rows."""

    def __init__(self, name: str, columns: Sequence[str], words: Words) -> None:
        self._name = name
        self._columns = tuple(columns)
        self._words = words
        self.structure = TableStructure()
        self.header = TableHeader()
        self.dictionary = ParquetDictionary()
        self.statistics = ParquetStatistics()
        self.bloom = ParquetBloomFilter()
        self.metadata = ParquetMetadata()

    def chunks(self, source: BinaryIO) -> Iterator[Chunk]:
        """The rows.

        Raises:
            UnreadableTable: after a finding.
        """
        try:
            self._check_structure(source)
            source.seek(0)
            yield from self._rows(source)
        except (ThriftError, pa.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError):
            # pyarrow's errors may quote values, and there is nothing to learn from them that the place does not say
            self.structure.found(f"{self._name} as a whole")
            raise UnreadableTable from None

    def _rows(self, source: BinaryIO) -> Iterator[Chunk]:
        file = pq.ParquetFile(source)
        self.header.examine(len(self._columns))
        schema = file.schema_arrow
        if schema.names != list(self._columns) or any(field.type != pa.string() for field in schema):
            self.header.found(f"{self._name} schema")
            for name in schema.names:
                self._words.add(name, f"{self._name} schema")
            raise UnreadableTable
        row = 1
        for batch in file.iter_batches(_BATCH_ROWS):
            batch.validate(full=True)  # a reader of Parquet takes any bytes for UTF-8
            self.structure.examine(batch.num_rows)
            yield Chunk(row, tuple(batch.columns))
            row += batch.num_rows

    def _check_structure(self, source: BinaryIO) -> None:
        size = source.seek(0, 2)
        source.seek(max(size - 8, 0))
        tail = source.read(8)
        footer_size = int.from_bytes(tail[:4], "little")
        if size < 12 or tail[4:] != _MAGIC or not 0 < footer_size <= min(size - 12, _LONGEST_FOOTER):
            raise ThriftError
        footer_start = size - 8 - footer_size
        source.seek(footer_start)
        reader = ThriftReader(source.read(footer_size))
        footer = reader.struct()
        if reader.position != footer_size:
            raise ThriftError
        self._check_footer(footer)
        source.seek(0)
        if source.read(4) != _MAGIC:
            raise ThriftError
        position = 4
        for group in _list(footer[_ROW_GROUPS]):
            for index, column in enumerate(_list(_struct(group)[_COLUMNS])):
                position = self._check_chunk(source, _struct(_struct(column)[_COLUMN_METADATA]), position, index)
        if position != footer_start:
            place = f"{self._name} between the columns and the footer"
            self.structure.found(place)
            self._search_gap(source, position, footer_start, place)

    def _check_footer(self, footer: dict[int, Value]) -> None:
        self.metadata.examine()
        place = f"{self._name} footer"
        names = [_struct(element).get(_NAME) for element in _list(footer[_SCHEMA])]
        known = {b"schema", *(column.encode() for column in self._columns)}
        writer = footer.get(_CREATED_BY)
        if isinstance(writer, bytes) and _WRITER.fullmatch(writer):
            known.add(writer)
        elif writer is not None:
            self._hidden(writer, f"{place}, created_by", self.metadata)
        if _KEY_VALUES in footer:
            self._hidden(footer[_KEY_VALUES], f"{place}, key-value metadata", self.metadata)
        if any(name not in known for name in names):
            self._hidden([name for name in names if isinstance(name, bytes) and name not in known], f"{place}, schema", self.header)
        rest = [text for text in texts({**footer, _KEY_VALUES: [], _CREATED_BY: b"", _SCHEMA: []}) if text and text not in known]
        statistics = self._column_statistics(footer)
        if unknown := [text for text in rest if text not in statistics]:
            self._hidden(list(unknown), place, self.metadata)
        for element in _list(footer[_SCHEMA]):
            other = [text for field, value in _struct(element).items() if field != _NAME for text in texts(value)]
            if other:
                self._hidden(list(other), f"{place}, schema", self.metadata)

    def _column_statistics(self, footer: dict[int, Value]) -> set[bytes]:
        """Texts in the statistics of column chunks; a finding for each chunk that has any."""
        found: set[bytes] = set()
        for group in _list(footer[_ROW_GROUPS]):
            for index, column in enumerate(_list(_struct(group)[_COLUMNS])):
                self.statistics.examine()
                statistics = _struct(_struct(column)[_COLUMN_METADATA]).get(_STATISTICS)
                if statistics:
                    self._hidden(statistics, self._column(index), self.statistics)
                    found.update(texts(statistics))
        return found

    def _check_chunk(self, source: BinaryIO, chunk: dict[int, Value], position: int, index: int) -> int:
        """Checks the pages of a column chunk, which must start at `position`; returns where it ends."""
        self.dictionary.examine()
        offset = _int(chunk[_DATA_OFFSET])
        start = min(offset, _int(chunk.get(_DICTIONARY_OFFSET, 0)) or offset)
        end = start + _int(chunk[_CHUNK_SIZE])
        if start != position:
            self.structure.found(f"bytes before {self._column(index)}")
            self._search_gap(source, position, start, f"bytes before {self._column(index)}")
        self.bloom.examine()
        if any(field in chunk for field in _BLOOM_FILTER):
            self.bloom.found(self._column(index))
        codec = _CODECS[_int(chunk[_CODEC])]
        while start < end:
            source.seek(start)
            reader = ThriftReader(source.read(min(_LONGEST_HEADER, end - start)))
            page = reader.struct()
            start += reader.position
            page_size = _int(page[_PAGE_SIZE])
            if not 0 <= page_size <= end - start:
                raise ThriftError
            self._check_page(page, index)
            if page[_PAGE_TYPE] == _DICTIONARY_PAGE:
                source.seek(start)
                self._read_dictionary(source.read(page_size), codec, _int(page[_PLAIN_SIZE]), index)
            start += page_size
        return end

    def _check_page(self, page: dict[int, Value], index: int) -> None:
        self.statistics.examine()
        if page[_PAGE_TYPE] not in (_DATA_PAGE, _DATA_PAGE_V2, _DICTIONARY_PAGE):
            self.structure.found(f"{self._column(index)}, a page of another kind")
        for kind, field in _PAGE_STATISTICS.items():
            if statistics := _struct(page.get(kind, {})).get(field):
                self._hidden(statistics, f"{self._column(index)}, a page", self.statistics)
                return
        if hidden := [text for text in texts(page) if text]:
            self._hidden(list(hidden), f"{self._column(index)}, a page header", self.metadata)

    def _read_dictionary(self, data: bytes, codec: _Codec | None, plain_size: int, index: int) -> None:
        """Every entry of a dictionary page (PLAIN byte arrays: four bytes of length, then the text), used by a row or not."""
        place = self._column(index)
        self.dictionary.found(place)
        if codec is not None:
            data = pa.Codec(codec).decompress(data, plain_size, asbytes=True)
        position = 0
        for _ in range(MOST_WORDS):
            if position >= len(data):
                return
            size = int.from_bytes(data[position : position + 4], "little")
            self._words.add_bytes(data[position + 4 : position + 4 + size], f"{place}, dictionary page")
            position += 4 + size
        self._words.full.found(f"{place}, dictionary page")

    def _search_gap(self, source: BinaryIO, start: int, end: int, place: str) -> None:
        """What lies where no page does: a page index with its values, a filter, or anything else."""
        source.seek(start)
        self._words.add_bytes(source.read(min(max(end - start, 0), _LONGEST_HEADER)), place)

    def _hidden(self, value: Value, place: str, check: Check) -> None:
        check.found(place)
        for text in texts(value):
            self._words.add_bytes(text, place)

    def _column(self, index: int) -> str:
        return f"{self._name} column {self._columns[index] if index < len(self._columns) else index + 1}"


def _list(value: Value) -> list[Value]:
    if not isinstance(value, list):
        raise ThriftError
    return value


def _struct(value: Value) -> dict[int, Value]:
    if not isinstance(value, dict):
        raise ThriftError
    return value


def _int(value: Value) -> int:
    if not isinstance(value, int):
        raise ThriftError
    return value
