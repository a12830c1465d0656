"""The gate's readers against the product's writers, and against bytes that nobody wrote."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transforms.columns.render import csv_header, csv_lines, text_bytes
from transforms.errors import InvalidInput, Refused
from transforms.leaks.csv_table import CsvTable
from transforms.leaks.findings import Finding
from transforms.leaks.jpeg import PhotoReader
from transforms.leaks.matcher import Match, add_matches
from transforms.leaks.shapes import Shape
from transforms.leaks.thrift import ThriftError, ThriftReader
from transforms.leaks.tokens import is_token
from transforms.leaks.words import Words
from transforms.policy.model import PhotoSpec, Policy
from transforms.tokens.format import format_tokens, parse_token

Nights = Callable[..., Any]


@pytest.fixture
def roster(night: Nights) -> Any:
    return night("shift-rostering", people=60)


@pytest.fixture
def parquet(night: Nights) -> Any:
    return night("parquet", people=60)


@pytest.fixture
def table(roster: Any) -> bytes:
    data: bytes = roster.table.read_bytes()
    return data


CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=40))
def test_the_csv_reader_reads_what_the_csv_writer_writes(rows: list[tuple[str, str, str]]) -> None:
    columns = [pa.array([row[index] or None for row in rows], pa.string()) for index in range(3)]
    data = csv_header(["a", "b", "c"]) + bytes(text_bytes(csv_lines(columns, [False] * 3)))
    seen: list[bytes] = []
    chunks = list(CsvTable("people.csv", ["a", "b", "c"], Words()).chunks(io.BytesIO(data), seen.append))
    read = [tuple(column[row].as_py() for column in chunk.columns) for chunk in chunks for row in range(chunk.num_rows)]
    assert read == [tuple(cell or None for cell in row) for row in rows]
    assert b"".join(seen) == data


@given(st.lists(st.binary(min_size=16, max_size=16), min_size=1, max_size=20), st.integers(1, 999))
def test_the_token_reader_accepts_what_the_token_writer_writes(macs: list[bytes], epoch: int) -> None:
    head = f"WC{epoch}-"
    rows = np.frombuffer(b"".join(macs), np.uint8).reshape(-1, 16)
    tokens = format_tokens(head, rows, np.ones(len(macs), np.bool_)).to_pylist()
    assert all(is_token(token, Shape("one-way", head, 16)) for token in tokens)


@given(st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=17, max_size=17))
def test_the_token_reader_and_the_products_parser_agree_on_every_text(symbols: str) -> None:
    try:
        parse_token(f"WC1-{symbols}")
        accepted = True
    except InvalidInput:
        accepted = False
    assert is_token(f"WC1-{symbols}", Shape("one-way", "WC1-", 16)) == accepted


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(st.data())
def test_any_one_byte_that_changes_in_a_table_without_free_columns_is_found(roster: Any, table: bytes, data: Any) -> None:
    position = data.draw(st.integers(0, len(table) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != table[position]))
    roster.write("people.csv", table[:position] + bytes([byte]) + table[position + 1 :])
    assert roster.scan().findings


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4))
def test_bytes_that_change_in_a_parquet_file_never_break_the_gate(parquet: Any, flips: list[tuple[float, int]]) -> None:
    original = parquet.table.read_bytes()
    changed = bytearray(original)
    for share, byte in flips:
        changed[int(share * len(changed))] = byte
    parquet.write("people.parquet", bytes(changed))
    try:
        parquet.judge()
        code = "clean"
    except Refused as refused:
        code = refused.code
    parquet.write("people.parquet", original)
    assert code in ("clean", "leak")


@given(st.binary(max_size=200))
def test_bytes_that_are_no_thrift_struct_raise_one_kind_of_error(data: bytes) -> None:
    try:
        ThriftReader(data).struct()
    except ThriftError:
        return


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(data=st.binary(max_size=300), keep=st.integers(0, 700))
def test_bytes_that_are_no_picture_are_found_and_never_break_the_gate(
    data: bytes, keep: int, portrait: bytes, policies: dict[str, Policy]
) -> None:
    spec = policies["card-printer"].photo
    assert isinstance(spec, PhotoSpec)
    reader = PhotoReader(spec, Words())
    reader.read(portrait[:keep] + data, "photos/x")
    assert any(check.findings() for check in reader.checks)


def test_an_export_full_of_this_suppliers_tokens_is_a_finding_and_not_a_memory_leak() -> None:
    matches = [Match(1, lookalikes=frozenset(f"token {part}-{number}" for number in range(5_001))) for part in range(4)]
    total = add_matches(matches)
    assert total.rows == 4
    assert total.lookalikes == frozenset()
    assert [found.rule for found in total.findings] == ["raw-value"]


def test_matches_add_up_in_whatever_order_they_come() -> None:
    parts = [Match(3, (Finding("raw-value", "a", 2),)), Match(4, (Finding("raw-value", "b"), Finding("raw-value", "a", 5)))]
    assert add_matches(parts) == add_matches(reversed(parts)) == Match(7, (Finding("raw-value", "a", 7), Finding("raw-value", "b")))
