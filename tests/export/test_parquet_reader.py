"""Parquet exports: text in, text out, and clear refusals of everything else."""

from __future__ import annotations

import datetime
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.contract.model import Classification, Column, Contract
from transforms.contract.places import place_of
from transforms.errors import ExportError
from transforms.export.parquet import check_parquet_header, read_parquet

SENTINEL = "Zzyzx-Quux"
AB = Contract("export", "1", tuple(Column(name, Classification.OPERATIONAL) for name in "ab"), "a", None)


def parquet(table: pa.Table, **options: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)  # type: ignore[arg-type]
    return file.getvalue()


def text_table(**columns: list[str | None]) -> pa.Table:
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def read(data: bytes) -> tuple[list[tuple[int, str | None, str | None]], list[tuple[int, str]]]:
    rows, broken = [], []
    for block in read_parquet(io.BytesIO(data), AB, 3, "hr.parquet"):
        assert block.rows.schema == pa.schema({"a": pa.string(), "b": pa.string(), "row_ref": pa.int64()})
        assert block.rows.num_rows <= 65_536
        rows += [(place_of(row["row_ref"])[1], row["a"], row["b"]) for row in block.rows.to_pylist()]
        broken += [(place_of(place["row_ref"])[1], place["rule"]) for place in block.broken.to_pylist()]
    return rows, broken


def refusal(data: bytes) -> ExportError:
    with pytest.raises(ExportError) as caught:
        check_parquet_header(io.BytesIO(data), AB, "hr.parquet")
    assert SENTINEL not in f"{caught.value!r}{caught.value.hint}"
    return caught.value


texts = st.lists(st.tuples(*[st.none() | st.text(st.characters(codec="utf-8"), max_size=8)] * 2), max_size=20)


@given(texts, st.integers(1, 7), st.sampled_from([pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())]))
def test_text_is_read_back_whatever_kind_of_text_it_is(
    rows: list[tuple[str | None, str | None]], group: int, kind: pa.DataType
) -> None:
    columns = {name: pa.array([row[at] for row in rows], pa.string()).cast(kind) for at, name in ((1, "b"), (0, "a"))}
    got, broken = read(parquet(pa.table(columns), row_group_size=group))
    assert broken == []
    assert got == [(number, a or None, b or None) for number, (a, b) in enumerate(rows, 1)]


def test_rows_are_numbered_across_batches_and_row_groups() -> None:
    values = [f"{number:06d}" for number in range(150_000)]
    got, _ = read(parquet(text_table(a=values, b=values), row_group_size=70_000))
    assert got == [(number, value, value) for number, value in enumerate(values, 1)]


def test_a_date_is_read_as_iso_and_a_column_of_nulls_as_nulls() -> None:
    table = pa.table({"a": pa.array([datetime.date(2026, 11, 23), None]), "b": pa.nulls(2)})
    assert read(parquet(table)) == ([(1, "2026-11-23", None), (2, None, None)], [])


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.bool_(), pa.binary(), pa.timestamp("us"), pa.list_(pa.string())])
def test_a_column_that_is_not_text_is_refused_and_the_hint_says_why(kind: pa.DataType) -> None:
    table = pa.table({"a": pa.array([None], kind), "b": pa.array([SENTINEL])})
    error = refusal(parquet(table))
    assert error.code == "column-type"
    assert "leading zeros" in error.hint
    assert "a" in error.rule


@pytest.mark.parametrize(
    ("names", "code"),
    [(["a", "b", SENTINEL], "unknown-column"), (["a"], "missing-column"), (["a", "b", "a"], "repeated-column")],
)
def test_columns_that_are_not_the_contracts_are_refused(names: list[str], code: str) -> None:
    table = pa.Table.from_arrays([pa.array([SENTINEL])] * len(names), names=names)
    assert refusal(parquet(table)).code == code


def test_an_empty_file_is_refused_and_a_table_without_rows_is_not() -> None:
    assert refusal(b"").code == "empty-file"
    assert read(parquet(text_table(a=[], b=[]))) == ([], [])


def test_damage_anywhere_is_refused_or_read_without_a_trace_of_any_value() -> None:
    whole = parquet(text_table(a=[SENTINEL + str(number) for number in range(300)], b=["x"] * 300), use_dictionary=False)
    errors: list[ExportError] = []
    for at in range(0, len(whole), 37):
        for damaged in (whole[:at], whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]):
            try:
                read(damaged)
            except ExportError as error:
                errors.append(error)
    assert len(errors) > 100
    assert {error.code for error in errors} <= {"empty-file", "parquet-unreadable", "unknown-column", "column-type"}
    assert SENTINEL not in "".join(f"{error!r}{error.hint}{error.__cause__}" for error in errors)
    assert all(error.__suppress_context__ for error in errors if error.code == "parquet-unreadable")


def test_text_that_is_not_utf_8_spoils_its_row_only() -> None:
    octets = pa.array([b"x", b"\xff", "é".encode()], pa.binary())
    lying = pa.StringArray.from_buffers(3, octets.buffers()[1], octets.buffers()[2])
    got, broken = read(parquet(pa.table({"a": lying, "b": pa.array(["1", "2", "3"])})))
    assert got == [(1, "x", "1"), (3, "é", "3")]
    assert broken == [(2, "encoding")]


class Failing(io.BytesIO):
    """A store whose disk gives up behind the footer."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() < 1000:
            raise OSError(5, "Input/output error")
        return super().read(size)


def test_an_error_of_the_store_is_not_taken_for_damage() -> None:
    data = parquet(text_table(a=[str(number) for number in range(5000)], b=[None] * 5000))
    with pytest.raises(OSError, match="Input/output error"):
        list(read_parquet(Failing(data), AB, 0, "hr.parquet"))
