"""Row checks: what is accepted, what is quarantined, and what is said about it."""

from __future__ import annotations

import pickle

import pyarrow as pa
import pytest
import unicodedata2
from hypothesis import given
from hypothesis import strategies as st

from transforms.contract.assigned import CHARACTER_RANGES
from transforms.contract.model import Classification, Column, Contract
from transforms.contract.places import BROKEN_SCHEMA
from transforms.contract.rows import NFC_GROWTH, Checked, RowChecker

SENTINEL = "Zzyzx-Quux"

COLUMNS = (
    Column("pay_number", Classification.IDENTIFIER, required=True, unique=True, pattern="[0-9]{8}"),
    Column("surname", Classification.IDENTIFIER, pattern=r"[\p{L} '-]{1,40}", max_bytes=20),
    Column("rank", Classification.QUASI, required=True, vocabulary=("Constable", "Sergeant")),
    Column("remark", Classification.OPERATIONAL, max_bytes=8),
)
CONTRACT = Contract("export", "1", COLUMNS, "pay_number", None)
GOOD = ("00012345", "O'Neill", "Sergeant", None)


def batch(*rows: tuple[str | None, ...]) -> pa.RecordBatch:
    columns = [pa.array([row[at] for row in rows], pa.string()) for at in range(len(COLUMNS))]
    refs = pa.array(range(101, 101 + len(rows)), pa.int64())
    return pa.RecordBatch.from_arrays([*columns, refs], names=[*CONTRACT.names, "row_ref"])


def check(*rows: tuple[str | None, ...]) -> Checked:
    return RowChecker(CONTRACT).check(batch(*rows))


def faults(checked: Checked) -> list[tuple[int, str, str]]:
    return [tuple(line.values()) for line in checked.broken.to_pylist()]  # type: ignore[misc]


def test_a_batch_that_keeps_the_contract_comes_back_without_a_copy() -> None:
    given_batch = batch(GOOD, GOOD)
    checked = RowChecker(CONTRACT).check(given_batch)
    assert checked.broken.num_rows == 0
    assert checked.broken.schema == BROKEN_SCHEMA
    assert checked.accepted.equals(given_batch)
    for before, after in zip(given_batch.columns, checked.accepted.columns, strict=True):
        assert [each and each.address for each in after.buffers()] == [each and each.address for each in before.buffers()]


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("pay_number", None, "required"),
        ("pay_number", "", "required"),
        ("pay_number", " \t\u00a0", "required"),
        ("pay_number", "1234567", "pattern"),
        ("pay_number", "12345678\n", "control-character"),
        ("pay_number", "１２３４５６７８", "pattern"),
        ("surname", "Smi\x00th", "control-character"),
        ("surname", "Smith\ue000", "control-character"),
        ("surname", "x" * 21, "too-long"),
        ("surname", "é" * 11, "too-long"),
        ("surname", "Smith2", "pattern"),
        ("rank", "sergeant", "vocabulary"),
        ("rank", " Sergeant", "vocabulary"),
        ("rank", " ", "required"),
        ("remark", "too long a remark", "too-long"),
        ("remark", "a\rb", "control-character"),
        ("remark", "\u0958" * 3, "too-long"),  # nine bytes, and eighteen in NFC
    ],
)
def test_a_cell_that_breaks_a_rule_is_told_by_place_rule_and_column(column: str, value: str | None, rule: str) -> None:
    bad = tuple(value if name == column else cell for name, cell in zip(CONTRACT.names, GOOD, strict=True))
    checked = check(GOOD, bad, GOOD)
    assert faults(checked) == [(102, rule, column)]
    assert checked.accepted.column("row_ref").to_pylist() == [101, 103]


@given(st.lists(st.none() | st.text(st.sampled_from("a\u0958\u0344\u1fef\U0001d160e\u0301"), max_size=12)))
def test_a_cell_is_too_long_exactly_if_it_is_as_it_stands_or_in_nfc(remarks: list[str | None]) -> None:
    checked = check(*(("00012345", "Smith", "Sergeant", remark) for remark in ["a", *remarks]))
    forms = [{remark or "", unicodedata2.normalize("NFC", remark or "")} for remark in ["a", *remarks]]
    assert [ref for ref, rule, _ in faults(checked) if rule == "too-long"] == [
        101 + place for place, both in enumerate(forms) if max(len(form.encode()) for form in both) > 8
    ]


def test_no_character_grows_in_nfc_by_more_than_is_looked_for() -> None:
    # Taken apart, a character is as long as it can get; behind another one NFC may leave it so.
    ranges = [[int(end, 16) for end in text.split("-")] for text in CHARACTER_RANGES.split()]
    characters = [chr(code) for ends in ranges for code in range(ends[0], ends[-1] + 1)]
    assert max(len(unicodedata2.normalize("NFD", one).encode()) / len(one.encode()) for one in characters) == NFC_GROWTH


@pytest.mark.parametrize("value", [None, "", " ", "\t", "\u2003"])
def test_a_blank_cell_becomes_null(value: str | None) -> None:
    checked = check(("00012345", value, "Sergeant", value))
    assert checked.broken.num_rows == 0
    assert checked.accepted.to_pylist() == [
        {"pay_number": "00012345", "surname": None, "rank": "Sergeant", "remark": None, "row_ref": 101}
    ]


def test_every_broken_column_of_a_row_is_listed_and_the_row_is_lost_once() -> None:
    checked = check(("x", "y2", "z", "t\x00"), GOOD)
    assert faults(checked) == [
        (101, "pattern", "pay_number"),
        (101, "pattern", "surname"),
        (101, "vocabulary", "rank"),
        (101, "control-character", "remark"),
    ]
    assert checked.accepted.num_rows == 1


def test_no_broken_row_shows_its_value() -> None:
    checked = check(*[tuple(SENTINEL * 3 if at == place else cell for at, cell in enumerate(GOOD)) for place in range(4)])
    assert checked.broken.num_rows == 4
    assert SENTINEL not in str(checked.broken.to_pylist())
    assert all(
        SENTINEL.encode() not in buffer.to_pybytes() for each in checked.broken.columns for buffer in each.buffers() if buffer
    )


def test_an_empty_batch_stays_empty() -> None:
    checked = check()
    assert (checked.accepted.num_rows, checked.broken.num_rows) == (0, 0)


cells = st.none() | st.text(max_size=12) | st.sampled_from(["12345678", "Sergeant", "Constable", "Smith", " ", ""])


@given(st.lists(st.tuples(cells, cells, cells, cells), max_size=20), st.integers(0, 20))
def test_every_row_is_accepted_or_broken_and_never_both(rows: list[tuple[str | None, ...]], cut: int) -> None:
    whole = batch(*rows)
    checked = RowChecker(CONTRACT).check(whole.slice(min(cut, len(rows))))
    accepted = checked.accepted.column("row_ref").to_pylist()
    broken = set(checked.broken.column("row_ref").to_pylist())
    assert broken.isdisjoint(accepted)
    assert sorted([*accepted, *broken]) == whole.slice(min(cut, len(rows))).column("row_ref").to_pylist()
    given_cells = {row["row_ref"]: row for row in whole.to_pylist()}
    for row in checked.accepted.to_pylist():
        assert row == {
            key: None if isinstance(cell, str) and (not cell or cell.isspace()) else cell
            for key, cell in given_cells[row["row_ref"]].items()
        }


def test_a_checker_survives_pickling() -> None:
    again = pickle.loads(pickle.dumps(RowChecker(CONTRACT)))  # noqa: S301
    assert faults(again.check(batch(("x", None, "Sergeant", None)))) == [(101, "pattern", "pay_number")]


def test_a_blank_of_the_vocabulary_is_blank_all_the_same() -> None:
    column = Column("flag", Classification.OPERATIONAL, vocabulary=("yes", " "))
    checked = RowChecker(Contract("export", "1", (column,), "flag", None)).check(
        pa.record_batch({"flag": ["yes", " "], "row_ref": [1, 2]})
    )
    assert checked.accepted.column("flag").to_pylist() == ["yes", None]


def test_a_vocabulary_does_not_excuse_a_value_from_the_other_rules() -> None:
    vocabulary = ("yes", "n\x00o", "far too long", " ")
    column = Column("flag", Classification.OPERATIONAL, required=True, vocabulary=vocabulary, max_bytes=8)
    checker = RowChecker(Contract("export", "1", (column,), "flag", None))
    checked = checker.check(pa.record_batch({"flag": list(vocabulary), "row_ref": [1, 2, 3, 4]}))
    assert faults(checked) == [(2, "control-character", "flag"), (3, "too-long", "flag"), (4, "required", "flag")]
