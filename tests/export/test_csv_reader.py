"""CSV exports as they should be, and as they come."""

from __future__ import annotations

import csv
import io
import json
import random
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.contract.model import Classification, Column, Contract
from transforms.contract.places import place_of
from transforms.errors import ExportError
from transforms.export.csv import check_csv_header, read_csv

SENTINEL = "Zzyzx-Quux"
SUITES = Path(__file__).resolve().parents[2] / ".." / "shared" / "suites"


def contract(*names: str, encoding: str = "utf-8") -> Contract:
    columns = tuple(Column(name, Classification.OPERATIONAL) for name in names)
    return Contract("export", "1", columns, names[0], None, encoding=encoding)


AB = contract("a", "b")


def read(
    data: bytes, promised: Contract = AB, chunk_bytes: int = 1 << 20
) -> tuple[dict[int, tuple[str | None, ...]], dict[int, str]]:
    """Rows by number, and rules by the number of the row that broke them."""
    rows: dict[int, tuple[str | None, ...]] = {}
    broken: dict[int, str] = {}
    for block in read_csv(io.BytesIO(data), promised, 3, "hr.csv", chunk_bytes=chunk_bytes):
        assert block.rows.schema.names == [*promised.names, "row_ref"]
        for row in block.rows.to_pylist():
            source, number = place_of(row.pop("row_ref"))
            assert source == 3
            assert number not in rows
            rows[number] = tuple(row.values())
        for place in block.broken.to_pylist():
            assert place["column"] is None
            number = place_of(place["row_ref"])[1]
            assert number not in broken
            broken[number] = place["rule"]
    assert sorted([*rows, *broken]) == list(range(1, len(rows) + len(broken) + 1))
    return rows, broken


def refusal(data: bytes, promised: Contract = AB) -> ExportError:
    with pytest.raises(ExportError) as caught:
        check_csv_header(io.BytesIO(data), promised, "hr.csv")
    error = caught.value
    assert "hr.csv" in error.place
    assert (
        SENTINEL
        not in f"{error!r}{error}{error.hint}{error.__cause__}{error.__context__ if not error.__suppress_context__ else ''}"
    )
    return error


def by_the_letter(data: bytes, width: int) -> tuple[dict[int, tuple[str | None, ...]], dict[int, str], bool]:
    """A reader that goes byte by byte: rows, rules, and whether a quote was never closed."""
    rows: dict[int, tuple[str | None, ...]] = {}
    broken: dict[int, str] = {}
    number, position = 0, 0
    if data and not data.endswith(b"\n"):
        data += b"\n"
    while position < len(data):
        number += 1
        start = position
        fields: list[bytes] = []
        field, state, stray, lone = b"", "start", False, False
        while True:
            if position == len(data):
                return rows, broken, True
            byte = data[position : position + 1]
            crlf = data[position : position + 2] == b"\r\n"
            position += 1
            if state == "quoted":
                if byte == b'"':
                    state = "closing"
                else:
                    field += byte
            elif state == "closing" and byte == b'"':
                field += byte
                state = "quoted"
            elif byte == b"," or byte == b"\n" or crlf:
                fields.append(field)
                field, state = b"", "start"
                if byte != b",":
                    position += crlf
                    break
            elif state == "start" and byte == b'"':
                state = "quoted"
            else:
                stray |= byte == b'"' or state == "closing"
                lone |= byte == b"\r"
                state = "plain"
                field += byte
        try:
            text = [each.decode() or None for each in fields]
            data[start:position].decode()
        except UnicodeDecodeError:
            broken[number] = "stray-quote" if stray else "encoding"
            continue
        if stray or lone:
            broken[number] = "stray-quote" if stray else "lone-carriage-return"
        elif len(text) != width:
            broken[number] = "ragged-row"
        else:
            rows[number] = tuple(text)
    return rows, broken, False


def test_the_columns_come_in_the_contracts_order_whatever_the_files_is() -> None:
    rows, broken = read(b"b,a\r\n1,2\r\n")
    assert rows == {1: ("2", "1")}
    assert broken == {}


def test_leading_zeros_and_words_for_null_stay_text() -> None:
    rows, _ = read(b"a,b\n000123,NULL\n1e5,nan\n-0,N/A\n2024-01-01,true\n")
    assert list(rows.values()) == [("000123", "NULL"), ("1e5", "nan"), ("-0", "N/A"), ("2024-01-01", "true")]


def test_an_empty_cell_is_null_quoted_or_not() -> None:
    assert read(b'a,b\n"",\nx,""\n')[0] == {1: (None, None), 2: ("x", None)}


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_the_last_row_may_lack_its_line_end(end: bytes) -> None:
    assert read(end.join([b"a,b", b"1,2", b"3,4"])) == read(end.join([b"a,b", b"1,2", b"3,4", b""]))


def test_a_file_of_a_header_alone_has_no_rows() -> None:
    assert read(b"a,b") == ({}, {})
    assert read(b"a,b\r\n") == ({}, {})


def test_one_row_is_one_row() -> None:
    assert read(b"a,b\nx,y\n") == ({1: ("x", "y")}, {})


def test_ragged_rows_are_quarantined_at_their_own_number_and_nothing_shifts() -> None:
    rows, broken = read(b"a,b\n1,2\nshort\n3,4\nlong,er,row\n\n5,6\n")
    assert rows == {1: ("1", "2"), 3: ("3", "4"), 6: ("5", "6")}
    assert broken == dict.fromkeys((2, 4, 5), "ragged-row")


def test_a_blank_line_in_a_file_of_one_column_is_an_empty_cell() -> None:
    assert read(b"a\nx\n\r\ny\n", contract("a")) == ({1: ("x",), 2: (None,), 3: ("y",)}, {})


def test_stray_quotes_are_quarantined_and_what_follows_is_read() -> None:
    rows, broken = read(b'a,b\n1,2\n5" pipe,x\n"Jack" Smith,y\nz,"a "b" c"\n3,"4,\n4"\n')
    assert rows == {1: ("1", "2"), 5: ("3", "4,\n4")}
    assert broken == dict.fromkeys((2, 3, 4), "stray-quote")


def test_latin_1_bytes_in_utf_8_spoil_their_rows_only() -> None:
    rows, broken = read("a,b\n1,é\n2,".encode() + b"\xe9" + "\n3,ü\n".encode())
    assert rows == {1: ("1", "é"), 3: ("3", "ü")}
    assert broken == {2: "encoding"}


def test_halves_of_one_character_in_two_rows_are_not_text() -> None:
    assert read(b"a,b\nx,\xc3\n\xa9,x\n")[1] == {1: "encoding", 2: "encoding"}


def test_cp1252_is_read_as_declared_and_its_undefined_bytes_are_quarantined() -> None:
    rows, broken = read(b"a,b\n1,\x80uro\n2,\x81\n3,Andr\xe9\n", contract("a", "b", encoding="cp1252"))
    assert rows == {1: ("1", "€uro"), 3: ("3", "André")}
    assert broken == {2: "encoding"}


def test_nul_bytes_reach_the_row_check_whole() -> None:
    assert read(b"a,b\nx\x00y,1\n\x00,2\n")[0] == {1: ("x\x00y", "1"), 2: ("\x00", "2")}


def test_a_lone_carriage_return_outside_quotes_breaks_its_row_and_inside_is_kept() -> None:
    rows, broken = read(b'a,b\n1,x\ry\n2,"x\ry"\n')
    assert rows == {2: ("2", "x\ry")}
    assert broken == {1: "lone-carriage-return"}


def test_a_byte_order_mark_is_skipped_once_and_kept_inside_values() -> None:
    mark = "\ufeff".encode()
    body = b"x,y\n" + mark + b"x,y\n" + mark + b"z,y\n"
    for chunk_bytes in range(1, 24):
        rows, _ = read(mark + b'"a",b\n' + body, chunk_bytes=chunk_bytes)
        assert list(rows.values()) == [("x", "y"), ("\ufeffx", "y"), ("\ufeffz", "y")]


def test_a_cell_of_ten_megabytes_is_read_whole() -> None:
    cell = b"x" * 10_000_000
    rows, _ = read(b"a,b\n1," + cell + b"\n2,y\n", chunk_bytes=1 << 16)
    assert rows == {1: ("1", cell.decode()), 2: ("2", "y")}


def test_a_row_over_32_mebibytes_stops_the_run() -> None:
    with pytest.raises(ExportError) as caught:
        read(b"a,b\n1,2\n3," + b"x" * (32 << 20) + b"\n")
    assert (caught.value.code, caught.value.place) == ("row-too-long", "hr.csv: row 2")


@pytest.mark.parametrize("chunk_bytes", [1, 7, 1 << 20])
def test_an_unclosed_quote_stops_the_run_and_names_the_row_it_opened_in(chunk_bytes: int) -> None:
    with pytest.raises(ExportError) as caught:
        read(f'a,b\n1,2\n3,"{SENTINEL}\n5,6\n7,8\n'.encode(), chunk_bytes=chunk_bytes)
    assert (caught.value.code, caught.value.place) == ("unclosed-quote", "hr.csv: row 2")
    assert SENTINEL not in repr(caught.value)


@pytest.mark.parametrize("data", [b"", "\ufeff".encode()])
def test_an_empty_file_is_refused(data: bytes) -> None:
    assert refusal(data).code == "empty-file"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le", "utf-32"])
def test_utf_16_and_utf_32_are_refused_by_name_of_the_declared_encoding(encoding: str) -> None:
    error = refusal(f"a,b\n{SENTINEL},2\n".encode(encoding))
    assert error.code == "encoding"
    assert "utf-8" in error.hint


def test_a_utf_8_mark_contradicts_a_declared_cp1252() -> None:
    assert refusal("\ufeffa,b\n1,2\n".encode(), contract("a", "b", encoding="cp1252")).code == "encoding"


def test_a_header_that_is_not_in_the_declared_encoding_is_refused() -> None:
    assert refusal(b"a,b\xe9\n").code == "encoding"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (b"a,b,c", "unknown-column"),
        (b"a,B", "unknown-column"),
        (b"a, b", "unknown-column"),
        (b"a", "missing-column"),
        (b"\r\n", "missing-column"),
        (b"a,b,a", "repeated-column"),
        (b"a,b,", "unknown-column"),
        (b'a,b"', "header-unreadable"),
        (b'"a"x,b', "header-unreadable"),
        (b'a,"b', "header-unreadable"),
        (b"a,b\r1,2\r", "line-ends"),
    ],
)
def test_a_header_that_is_not_the_contracts_is_refused(header: bytes, code: str) -> None:
    assert refusal(header).code == code
    with pytest.raises(ExportError):
        read(header + b"\n1,2\n")


def test_a_file_without_header_does_not_show_its_first_row() -> None:
    error = refusal(f"{SENTINEL},x\n1,2\n".encode())
    assert error.code == "unknown-column"
    assert "position 1, 2" in error.rule
    assert "header" in error.hint


@pytest.mark.parametrize(("delimiter", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
def test_another_delimiter_is_named_in_the_hint(delimiter: str, word: str) -> None:
    assert word in refusal(f"a{delimiter}b\n1{delimiter}2\n".encode()).hint


def test_reading_starts_at_the_start_of_the_file_wherever_the_stream_stands() -> None:
    stream = io.BytesIO(b"a,b\n1,2\n")
    check_csv_header(stream, AB, "hr.csv")
    assert [block.rows.num_rows for block in read_csv(stream, AB, 0, "hr.csv")] == [1]


cells = st.text(st.characters(codec="utf-8"), max_size=12) | st.text('a",\r\n', max_size=8)


@given(st.lists(st.tuples(cells, cells), max_size=12), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]), st.integers(1, 80))
def test_whatever_pythons_writer_writes_is_read_back(rows: list[tuple[str, str]], quoting: int, chunk_bytes: int) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(["a", "b"])
    writer.writerows(rows)
    got, broken = read(file.getvalue().encode(), chunk_bytes=chunk_bytes)
    assert broken == {}
    assert list(got.values()) == [(a or None, b or None) for a, b in rows]


@settings(max_examples=1000)
@given(
    st.lists(
        st.sampled_from([b"a", b'"', b'""', b",", b"\n", b"\r\n", b"\r", b"\xc3", b"\xa9", b'"\n', b',"', b'","', b"a,b\n"])
    ).map(b"".join),
    st.integers(1, 40),
    st.integers(1, 3),
)
def test_any_bytes_are_read_as_a_reader_by_the_letter_reads_them(body: bytes, chunk_bytes: int, width: int) -> None:
    names = "abc"[:width]
    data = ",".join(names).encode() + b"\n" + body
    rows, broken, unclosed = by_the_letter(body, width)
    if unclosed:
        with pytest.raises(ExportError) as caught:
            read(data, contract(*names), chunk_bytes)
        assert caught.value.code == "unclosed-quote"
        assert caught.value.place == f"hr.csv: row {len(rows) + len(broken) + 1}"
    else:
        assert read(data, contract(*names), chunk_bytes) == (rows, broken)


def test_many_rows_come_in_blocks_of_at_most_65536() -> None:
    data = b"a,b\n" + b"".join(b"%d,x\n" % number for number in range(150_000))
    sizes = [block.rows.num_rows for block in read_csv(io.BytesIO(data), AB, 0, "hr.csv")]
    assert sum(sizes) == 150_000
    assert max(sizes) <= 65_536


class Endless(io.RawIOBase):
    """A CSV of a given size that exists nowhere: the same thousand rows again and again."""

    def __init__(self, size: int) -> None:
        row = random.Random(1)  # noqa: S311
        self._rows = b"".join(b'%d,"%s"\n' % (row.randrange(10**9), b"x" * row.randrange(200)) for _ in range(1000))
        self._left = b"a,b\n"
        self._size = size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return offset

    def read(self, size: int = -1) -> bytes:
        while len(self._left) < size and self._size > 0:
            self._left += self._rows
            self._size -= len(self._rows)
        data, self._left = self._left[:size], self._left[size:]
        return data


def test_memory_does_not_grow_with_the_file() -> None:
    most_in_arrow = before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        for block in read_csv(Endless(200_000_000), AB, 0, "hr.csv", chunk_bytes=1 << 20):  # type: ignore[arg-type]
            assert block.broken.num_rows == 0
            most_in_arrow = max(most_in_arrow, pa.total_allocated_bytes())
        most_elsewhere = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most_in_arrow - before < 8 << 20
    assert most_elsewhere < 16 << 20


@pytest.mark.suites
@pytest.mark.skipif(not SUITES.exists(), reason="the public corpora are not beside the checkout")
def test_csv_spectrum_is_read_as_its_answers_say() -> None:
    files = sorted((SUITES / "tab-csv/csv-spectrum/csvs").glob("*.csv"))
    assert len(files) > 10
    for file in files:
        answers = json.loads((SUITES / "tab-csv/csv-spectrum/json" / f"{file.stem}.json").read_text())
        promised = contract(*answers[0])
        rows, broken = read(file.read_bytes(), promised)
        assert broken == {}
        expected = [tuple(answer[name].replace("\r\n", "\n") or None for name in promised.names) for answer in answers]
        assert [tuple(cell and cell.replace("\r\n", "\n") for cell in row) for row in rows.values()] == expected
