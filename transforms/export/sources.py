"""The files of an export: their formats, and the reader of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import BinaryIO

from transforms.contract.model import Contract
from transforms.errors import ExportError
from transforms.export.block import Block
from transforms.export.csv import check_csv_header, read_csv
from transforms.export.jsonl import check_jsonl_header, read_jsonl
from transforms.export.parquet import check_parquet_header, read_parquet


class Format(StrEnum):
    """How a source is written; the value is its file name extension."""

    CSV = "csv"
    PARQUET = "parquet"
    JSONL = "jsonl"


_SPREADSHEETS = {".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"}


@dataclass(frozen=True, slots=True)
class Source:
    """One file of an export. `index` is its number in the run's list of sources and part of every `row_ref`; `size` is in bytes."""

    index: int
    path: str
    size: int
    format: Format


def format_of(path: str) -> Format:
    """The format that a path's extension names, in any case.

    Raises:
        ExportError: `spreadsheet` or `unknown-format`.
    """
    extension = PurePosixPath(path).suffix.lower()
    for each in Format:
        if extension == f".{each}":
            return each
    if extension in _SPREADSHEETS:
        raise ExportError(
            "spreadsheets are not read",
            place=path,
            hint="a spreadsheet has lost leading zeros and may hide sheets and columns; have HR export CSV",
            code="spreadsheet",
        )
    raise ExportError(
        "the extension names no format that is read",
        place=path,
        hint="exports end in .csv, .parquet or .jsonl",
        code="unknown-format",
    )


def check_header(source: Source, stream: BinaryIO, contract: Contract) -> None:
    """Passes if a source has exactly the contract's columns; to be asked of every source before anything is staged [P13].

    Args:
        source: what `stream` is.
        stream: the open file, seekable; read from its start.
        contract: the columns that HR promises.

    Raises:
        ExportError: what is wrong, without any cell value.
    """
    match source.format:
        case Format.CSV:
            check_csv_header(stream, contract, source.path)
        case Format.PARQUET:
            check_parquet_header(stream, contract, source.path)
        case Format.JSONL:
            check_jsonl_header(stream, contract, source.path)


def open_reader(source: Source, stream: BinaryIO, contract: Contract) -> Iterator[Block]:
    """Reads a source from its start in blocks of at most 65,536 rows; arguments and errors as `check_header`.

    The errors of the file as a whole (its header, an unclosed quote) come while iterating.
    """
    match source.format:
        case Format.CSV:
            return read_csv(stream, contract, source.index, source.path)
        case Format.PARQUET:
            return read_parquet(stream, contract, source.index, source.path)
        case Format.JSONL:
            return read_jsonl(stream, contract, source.index, source.path)
