"""Leaks planted in the table of a view; each is found by the rule that is there for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.release.supplier_files import readme_text, schema_bytes
from transforms.contract.model import Classification, Column
from transforms.leaks.cells import MOST_VALUES, FreeCells, LabelCells
from transforms.leaks.words import MOST_WORDS, Words

Nights = Callable[..., Any]
DAY = date(2026, 11, 23)


def assert_found(refused: Any, rule: str, value: str = "\0") -> None:
    assert f"{rule}: " in refused.rule
    for shown in (str(refused), repr(refused), refused.hint):
        assert value not in shown


KINDS = {
    "surname": "Featherstonehaugh",
    "surname in capitals": "FEATHERSTONEHAUGH",
    "surname in another form": "Ngu\u0303gi\u0303",
    "name among other words": "see Featherstonehaugh, Ada",
    "one forename of two": "with Bronwen",
    "known as": "Bee",
    "pay number": "00120034",
    "pay number without zeros": "120034",
    "pay number inside text": "no. 00120034 here",
    "warrant number": "115713",
    "collar number": "CW3034",
    "email": "p00120034@force.example",
    "email in capitals": "P00120034@FORCE.EXAMPLE",
    "local part of the email": "p00120034",
    "phone": "07900120034",
    "photo file": "CW/00120034_portrait.jpg",
    "vetting date": "2019-03-04",
}


@pytest.mark.parametrize("value", KINDS.values(), ids=KINDS.keys())
@pytest.mark.parametrize("supplier", ["lockers", "parquet"])
def test_a_raw_value_in_a_kept_column_is_found(night: Nights, supplier: str, value: str) -> None:
    refused = night(supplier, cells={"locker": ["A 1"] * 399 + [value], "known_as": ["Bee", "Bronwen Max"]}).refusal()
    assert_found(refused, "raw-value", value)
    assert f"people.{'csv' if supplier == 'lockers' else 'parquet'} column locker row" in refused.rule


@pytest.mark.parametrize("surname", ["Constable", "London", "Read"])
def test_a_surname_that_is_an_ordinary_word_is_found_outside_its_own_vocabulary(night: Nights, surname: str) -> None:
    assert_found(night("lockers", cells={"locker": ["A 1", surname]}).refusal(), "raw-value", f" {surname}")


def test_a_one_letter_surname_is_found_as_a_whole_cell(night: Nights) -> None:
    assert_found(night("lockers", cells={"locker": ["A 1", "E"]}).refusal(), "raw-value")


def test_a_quarantined_persons_value_is_found_too(night: Nights) -> None:
    staged = night("lockers", cells={"locker": ["A 1", "Zzyzx"]})
    surnames = staged.export.column("surname").to_pylist()
    surnames[5] = "Zzyzx"
    index = staged.export.schema.get_field_index("surname")
    staged.export = staged.export.set_column(index, "surname", pa.array(surnames))
    assert_found(staged.refusal(), "raw-value", "Zzyzx")


def test_a_surname_in_a_vocabulary_column_is_found_twice_over(night: Nights) -> None:
    staged = night("shift-rostering")
    staged.edit(b",Abbey Road\r\n", b",Featherstonehaugh\r\n")
    refused = staged.refusal()
    assert_found(refused, "cell-outside-vocabulary", "Feather")
    assert_found(refused, "raw-value", "Feather")


def test_a_source_value_in_place_of_its_label_is_outside_the_vocabulary(night: Nights) -> None:
    staged = night("uniform")
    staged.edit(b",Officer,", b",Detective Constable,")
    assert_found(staged.refusal(), "cell-outside-vocabulary", "Detective")


def test_a_value_that_breaks_the_contracts_pattern_is_found(night: Nights) -> None:
    staged = night("lockers")
    staged.edit(b",A 1\r\n", b"," + b"x" * 61 + b"\r\n")
    assert_found(staged.refusal(), "cell-outside-pattern", "xxx")


def test_an_empty_cell_of_a_required_column_is_found(night: Nights) -> None:
    staged = night("shift-rostering")
    staged.edit(b",Abbey Road\r\n", b",\r\n")
    assert_found(staged.refusal(), "cell-missing")


def test_a_column_of_more_values_than_a_vocabulary_could_have_is_found() -> None:
    column = Column("locker", Classification.OPERATIONAL, pattern="[0-9]+")
    free = FreeCells(column, "people.csv column locker", Words())
    some = [str(number) for number in range(MOST_VALUES)]
    free.see(pa.array(some), 1)
    assert [found for check in free.checks for found in check.findings()] == []
    free.see(pa.array([*some[:100], "100000"]), len(some) + 1)
    assert [found.rule for check in free.checks for found in check.findings()] == ["column-too-free"]


def with_vocabulary(night: Any, *labels: str) -> Any:
    columns = [
        replace(column, vocabulary=labels, pattern=None) if column.name == "locker" else column for column in night.contract.columns
    ]
    night.contract = replace(night.contract, columns=tuple(columns))
    night.write("people.schema.json", schema_bytes(night.policy, night.contract))
    night.write("README.txt", readme_text(night.policy, night.contract, DAY).encode())
    return night


@pytest.mark.parametrize("closed", [True, False], ids=["vocabulary", "pattern"])
@pytest.mark.parametrize("supplier", ["lockers", "parquet"])
def test_a_kept_column_that_tells_nearly_everybody_apart_is_found(night: Nights, supplier: str, closed: bool) -> None:
    lockers = [f"L{row}" for row in range(400)]
    staged = night(supplier, cells={"locker": lockers})
    if closed:
        with_vocabulary(staged, *lockers)
    place = f"{staged.table.name} column locker"
    assert f"column-predicts-person: {place} (1)" in staged.refusal().rule


def test_a_column_predicts_people_from_fifty_cells_and_nineteen_different_in_twenty() -> None:
    def rules(values: list[str | None]) -> set[str]:
        named = sorted({value for value in values if value is not None})
        column = Column("locker", Classification.OPERATIONAL, pattern="[A-Z0-9]+")
        found = []
        for cells in (FreeCells(column, "place", Words()), LabelCells(named, "place", required=False, words=Words())):
            for start in range(0, len(values), 30):
                cells.see(pa.array(values[start : start + 30], pa.string()), start + 1)
            cells.close()
            found.append({finding.rule for check in cells.checks for finding in check.findings()})
        assert found[0] == found[1]
        return found[0]

    different = [f"L{row}" for row in range(200)]
    assert rules([*different[:49], None, None]) == set()
    assert rules(different[:50]) == {"column-predicts-person"}
    assert rules([*different[:95], *different[:5]]) == {"column-predicts-person"}
    assert rules([*different[:94], *different[:6]]) == set()
    assert rules([*different[:60], *[None] * 140]) == {"column-predicts-person"}


@pytest.mark.parametrize("label", ["00120034", "120034", "no. 00120034", "p00120034", "p00120034@force.example", "07900120034"])
def test_a_label_of_the_contract_that_is_somebodys_number_or_address_is_found(night: Nights, label: str) -> None:
    staged = with_vocabulary(night("lockers"), "A 1", "B 2", label)
    assert_found(staged.refusal(), "raw-value", label)


def test_a_label_with_a_number_is_searched_for_in_the_table_as_well() -> None:
    words = Words()
    LabelCells(["A 1", "Smith 2026", "Smith 00120034", "smith@force.example"], "place", required=False, words=words)
    assert set(words.places) == {"smith 00120034", "00120034", "120034", "smith@force.example"}


def test_a_label_with_a_number_that_is_nobodys_passes(night: Nights) -> None:
    staged = with_vocabulary(night("lockers"), "A 1", "B 2", "London Road 9912345", "desk@force.example")
    assert staged.judge().supplier == "lockers"


def test_more_unexplained_text_than_can_be_searched_is_found() -> None:
    words = Words()
    for number in range(MOST_WORDS):
        words.add(f"{number:05}", "people.csv")
    assert words.full.findings() == ()
    words.add("one more", "people.csv")
    assert [found.rule for found in words.full.findings()] == ["text-too-free"]


@pytest.mark.parametrize("payload", ["=cmd|'/C calc'!A0", "@SUM(1)", "+44", "-1", "\uff1d1", "\uff20x"])
def test_a_cell_that_starts_like_a_formula_is_found(night: Nights, payload: str) -> None:
    staged = night("lockers")
    staged.edit(b",A 1\r\n", f",{payload}\r\n".encode())
    assert_found(staged.refusal(), "formula-cell")


def test_a_label_that_starts_like_a_formula_is_found(night: Nights) -> None:
    staged = night("shift-rostering")
    columns = [
        replace(column, vocabulary=(*column.vocabulary, "-1")) if column.name == "site" else column
        for column in staged.contract.columns
    ]
    staged.contract = replace(staged.contract, columns=tuple(columns))
    assert "formula-cell: people.csv column site, a label (1)" in staged.refusal().rule


@pytest.mark.parametrize("term", ["DV", "eDV", "NPPV 2A", "NPPV3", "STRAP", "bpss", "MV", "SCe", "Level 1B", "AC", "vetting due"])
def test_a_vetting_term_in_a_kept_column_is_found(night: Nights, term: str) -> None:
    refused = night("lockers", cells={"locker": ["A 1", f"box {term}"], "vetting_level": ["RV"]}).refusal()
    assert_found(refused, "vetting-term", term)


def test_a_vetting_term_in_a_released_vocabulary_is_found(night: Nights) -> None:
    staged = night("shift-rostering")
    columns = [
        replace(column, vocabulary=("AC", "SC", "CTC")) if column.name == "site" else column for column in staged.contract.columns
    ]
    staged.contract = replace(staged.contract, columns=tuple(columns))
    assert_found(staged.refusal(), "vetting-term")


def test_a_rank_that_is_also_a_clearance_is_no_vetting_term_in_its_vocabulary(night: Nights) -> None:
    staged = night("shift-rostering")
    columns = [
        replace(column, vocabulary=(*column.vocabulary, "AC", "SC")) if column.name == "site" else column
        for column in staged.contract.columns
    ]
    staged.contract = replace(staged.contract, columns=tuple(columns))
    assert "vetting-term" not in {found.rule for found in staged.scan().findings}


def test_a_token_that_occurs_twice_in_a_second_token_column_is_found(night: Nights) -> None:
    staged = night("card-printer")
    _, one, other, *_ = staged.lines()
    staged.edit(other.split(b",")[1], one.split(b",")[1])
    assert_found(staged.refusal(), "token-repeated", "WC1")


def test_a_row_that_occurs_twice_is_found(night: Nights) -> None:
    staged = night("shift-rostering")
    lines = staged.lines()
    staged.write("people.csv", b"".join([*lines[:5], lines[4], *lines[5:]]))
    refused = staged.refusal()
    assert_found(refused, "token-repeated")
    assert_found(refused, "row-order")
    assert "people.csv column person_token row 5" in refused.rule


def test_rows_out_of_the_order_of_their_tokens_are_found(night: Nights) -> None:
    staged = night("shift-rostering")
    lines = staged.lines()
    staged.write("people.csv", b"".join([*lines[:8], lines[9], lines[8], *lines[10:]]))
    assert_found(staged.refusal(), "row-order")


def test_rows_out_of_order_across_two_chunks_of_reading_are_found(night: Nights) -> None:
    staged = night("lockers", people=16_000, cells={"locker": ["box " + "x" * 50]})
    lines = staged.lines()
    at = next(index for index, _ in enumerate(lines) if sum(map(len, lines[: index + 1])) > 1 << 20)
    clean = {found.rule for found in staged.scan().findings}
    staged.write("people.csv", b"".join([*lines[: at - 1], lines[at], lines[at - 1], *lines[at + 1 :]]))
    assert {found.rule for found in staged.scan().findings} - clean == {"row-order"}


@pytest.mark.parametrize("place", range(17))
def test_a_wrong_symbol_at_any_place_of_a_token_is_found(night: Nights, place: int) -> None:
    staged = night("card-printer", people=16)
    token = staged.lines()[1].split(b",")[1]
    at = len("WC1-") + place
    wrong = b"7" if token[at : at + 1] != b"7" else b"8"
    staged.edit(token, token[:at] + wrong + token[at + 1 :])
    assert_found(staged.refusal(), "token-check-symbol")


@pytest.mark.parametrize("text", [b"00120034", b"WC1-00120034", b"U", b"WC1-7K3M9X2PQRTV8HJEDD"])
def test_a_cell_that_is_no_token_is_found(night: Nights, text: bytes) -> None:
    staged = night("card-printer")
    token = staged.lines()[1].split(b",")[1]
    staged.edit(token, text)
    assert_found(staged.refusal(), "token-shape", "00120034")


def test_a_symbol_outside_the_alphabet_is_found(night: Nights) -> None:
    staged = night("card-printer")
    token = staged.lines()[1].split(b",")[1]
    staged.edit(token, token[:-3] + b"U" + token[-2:])
    assert_found(staged.refusal(), "token-shape")


def test_a_pay_number_in_a_token_column_is_found_as_a_raw_value(night: Nights) -> None:
    staged = night("card-printer")
    staged.edit(staged.lines()[1].split(b",")[1], b"00120034")
    assert_found(staged.refusal(), "raw-value", "00120034")


@pytest.mark.parametrize("prefix", [b"SR1-", b"WC2-"])
def test_a_token_of_another_supplier_or_epoch_is_found(night: Nights, prefix: bytes) -> None:
    staged = night("card-printer")
    token = staged.lines()[1].split(b",")[1]
    staged.edit(token, prefix + token[4:])
    assert_found(staged.refusal(), "token-prefix")


def test_a_view_whose_tokens_are_all_of_another_epoch_than_was_staged_is_found(night: Nights) -> None:
    staged = night("shift-rostering")
    report = json.loads((staged.area / "stage.json").read_bytes())
    (staged.area / "stage.json").write_text(json.dumps({**report, "tokens": {"epoch": 2}}))
    assert_found(staged.refusal(), "token-prefix")


def test_tokens_that_are_numbers_in_disguise_are_found(night: Nights) -> None:
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

    def token(number: int) -> str:
        body = f"{number:016}"
        remainder = 0
        for symbol in body:
            remainder ^= alphabet.index(symbol)
            remainder = remainder << 1 ^ (0b100101 if remainder & 16 else 0)
        return f"SR1-{body}{alphabet[remainder]}"

    staged = night("shift-rostering")
    header, *rows = staged.lines()
    staged.write("people.csv", b"".join([header, *(token(n).encode() + row[21:] for n, row in enumerate(rows))]))
    assert_found(staged.refusal(), "token-symbols")


def test_an_identifier_that_looks_like_a_token_of_the_view_is_found_among_them(night: Nights) -> None:
    staged = night("shift-rostering")
    token = staged.lines()[7].split(b",")[0].decode()
    numbers = staged.export.column("collar_number").to_pylist()
    numbers[3] = token
    index = staged.export.schema.get_field_index("collar_number")
    staged.export = staged.export.set_column(index, "collar_number", pa.array(numbers))
    assert_found(staged.refusal(), "raw-value", token)


def test_tokens_made_with_another_suppliers_key_are_found(night: Nights) -> None:
    one, other = night("shift-rostering", key=40), night("uniform", key=40)
    clean = other.judge(night("card-printer").scan())
    assert clean.supplier == "uniform"
    header, *rows = other.lines()
    bodies = sorted(row.split(b",")[0][4:] for row in one.lines()[1:])
    swapped = [b"UN1-" + body + row[21:] for body, row in zip(bodies, rows, strict=False)]
    other.write("people.csv", b"".join([header, *swapped]))
    assert_found(other.refusal(one.scan()), "token-shared")


def test_a_photo_cell_that_names_another_rows_photo_is_found(night: Nights) -> None:
    staged = night("card-printer")
    _, one, other, *_ = staged.lines()
    mine, theirs = one.split(b",")[-1], other.split(b",")[-1]
    staged.edit(mine, theirs)
    assert_found(staged.refusal(), "photo-cell", "WC1")


def test_a_column_that_the_policy_does_not_have_is_found(night: Nights) -> None:
    staged = night("shift-rostering")
    lines = [line.replace(b"\r\n", b",surname\r\n" if index == 0 else b",Smith\r\n") for index, line in enumerate(staged.lines())]
    staged.write("people.csv", b"".join(lines))
    assert_found(staged.refusal(), "table-columns", "Smith")


@pytest.mark.parametrize("supplier", ["lockers", "parquet"])
def test_columns_in_another_order_are_found(night: Nights, supplier: str) -> None:
    staged = night(supplier)
    if supplier == "lockers":
        staged.edit(b"site,locker", b"locker,site")
    else:
        table = pq.read_table(staged.table)
        write_parquet(staged, table.select(table.schema.names[::-1]))
    assert_found(staged.refusal(), "table-columns")


BYTES = {
    "line feeds alone": lambda data: data.replace(b"\r\n", b"\n"),
    "one line feed alone": lambda data: data[:-2] + b"\n",
    "a byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "a carriage return in a cell": lambda data: data.replace(b"A 1", b"A\r1", 1),
    "a line break in a cell": lambda data: data.replace(b"A 1", b'"A\r\n1"', 1),
    "a null byte": lambda data: data.replace(b"A 1", b"A\x001", 1),
    "latin-1": lambda data: data.replace(b"A 1", b"A\xe91", 1),
    "a cell too many": lambda data: data.replace(b"A 1", b"A 1,Smith", 1),
    "a cell too few": lambda data: data.replace(b",A 1", b"", 1),
    "cells that even out": lambda data: data.replace(b",A 1\r\n", b"\r\n", 1).replace(b",A 1\r\n", b",A 1,x\r\n", 1),
    "quotes that are not needed": lambda data: data.replace(b"A 1", b'"A 1"', 1),
    "quotes inside a cell": lambda data: data.replace(b"A 1", b'A "1"', 1),
    "quotes that do not close": lambda data: data.replace(b"A 1", b'"A 1', 1),
    "a blank line": lambda data: data + b"\r\n",
    "no line end": lambda data: data[:-2],
    "text after the last line": lambda data: data + b"Smith",
}


@pytest.mark.parametrize("change", BYTES.values(), ids=BYTES.keys())
def test_a_csv_file_that_is_not_exactly_as_agreed_is_found(night: Nights, change: Callable[[bytes], bytes]) -> None:
    staged = night("lockers")
    staged.write("people.csv", change(staged.table.read_bytes()))
    refused = staged.refusal()
    assert_found(refused, "table-structure", "Smith")


def test_an_email_after_the_last_line_of_a_csv_file_is_found_as_a_raw_value(night: Nights) -> None:
    staged = night("lockers")
    staged.write("people.csv", staged.table.read_bytes() + b"p00120034@force.example")
    assert_found(staged.refusal(), "raw-value", "p00120034")


def test_an_empty_table_file_is_found(night: Nights) -> None:
    staged = night("lockers")
    staged.write("people.csv", b"")
    assert_found(staged.refusal(), "table-columns")


def write_parquet(staged: Any, table: pa.Table, **options: Any) -> None:
    plain = {"use_dictionary": False, "write_statistics": False, "store_schema": False, "compression": "zstd"}
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, **{**plain, **options})
    staged.write("people.parquet", sink.getvalue().to_pybytes())


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip", "brotli", "lz4"])
def test_a_warrant_number_that_no_row_uses_is_found_in_a_dictionary_page(night: Nights, compression: str) -> None:
    staged = night("parquet")
    table = pq.read_table(staged.table)
    codes = pa.array([0] * table.num_rows, pa.int32())
    leaky = pa.DictionaryArray.from_arrays(codes, pa.array(["A 1", "115713"]))
    columns = table.set_column(table.schema.get_field_index("locker"), "locker", leaky)
    write_parquet(staged, columns, use_dictionary=["locker"], compression=compression)
    assert "115713" not in pq.read_table(staged.table).column("locker").to_pylist()
    refused = staged.refusal()
    assert_found(refused, "parquet-dictionary", "115713")
    assert_found(refused, "raw-value", "115713")
    assert "people.parquet column locker, dictionary page" in refused.rule


def test_statistics_of_a_column_are_found(night: Nights) -> None:
    staged = night("parquet", cells={"locker": ["A 1", "B 2"]})
    write_parquet(staged, pq.read_table(staged.table), write_statistics=["site"])
    assert_found(staged.refusal(), "parquet-statistics", "Abbey")


def test_a_pay_number_in_the_key_value_metadata_is_found(night: Nights) -> None:
    staged = night("parquet")
    table = pq.read_table(staged.table)
    write_parquet(staged, table.replace_schema_metadata({"source": "export of 00120034"}), store_schema=True)
    refused = staged.refusal()
    assert_found(refused, "parquet-metadata", "00120034")
    assert_found(refused, "raw-value", "00120034")


def test_a_surname_as_the_name_of_the_schemas_root_is_found(night: Nights) -> None:
    staged = night("parquet")
    data = staged.table.read_bytes()
    assert data.count(b"schema") == 1
    staged.write("people.parquet", data.replace(b"schema", b"Taylor"))
    assert_found(staged.refusal(), "raw-value", "Taylor")


def test_a_name_as_the_writer_of_a_parquet_file_is_found(night: Nights) -> None:
    staged = night("parquet")
    data = staged.table.read_bytes()
    assert data.count(b"parquet-cpp-arrow") == 1
    staged.write("people.parquet", data.replace(b"parquet-cpp-arrow", b"Featherstonehaugh"))
    refused = staged.refusal()
    assert_found(refused, "parquet-metadata", "Feather")
    assert_found(refused, "raw-value", "Feather")


def test_bytes_that_no_page_of_a_parquet_file_covers_are_found(night: Nights) -> None:
    staged = night("parquet")
    data = staged.table.read_bytes()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    staged.write("people.parquet", data[:footer] + b"p00120034@force.example" + data[footer:])
    assert_found(staged.refusal(), "table-structure", "p00120034")


@pytest.mark.parametrize("keep", [0, 4, 11, 300, -1])
def test_a_parquet_file_that_is_cut_off_is_found(night: Nights, keep: int) -> None:
    staged = night("parquet")
    staged.write("people.parquet", staged.table.read_bytes()[:keep])
    assert_found(staged.refusal(), "table-structure")
