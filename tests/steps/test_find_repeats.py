"""Rows that share a value which the contract calls unique are all found, wherever they stand."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transforms.contract.model import Classification, Column, Contract
from transforms.contract.places import ROW_REF
from transforms.steps.arrow_coder import register_arrow_coder
from transforms.steps.check_contract import WITHHELD_PLACE
from transforms.steps.find_repeats import FindRepeats, RepeatsAsBroken

CONTRACT = Contract(
    name="hr-export",
    version="1.0.0",
    columns=(
        Column("pay_number", Classification.IDENTIFIER, required=True, unique=True),
        Column("warrant_number", Classification.IDENTIFIER, unique=True),
        Column("surname", Classification.IDENTIFIER),
        Column("protected", Classification.RESTRICTED, required=True, vocabulary=("yes", "no")),
    ),
    person_key="pay_number",
    protected_column="protected",
)

Row = tuple[str, str | None, str]  # pay number, warrant number, protected


def _batches(rows: Sequence[Row], size: int) -> list[pa.RecordBatch]:
    whole = pa.record_batch(
        {
            "pay_number": pa.array([row[0] for row in rows], pa.string()),
            "warrant_number": pa.array([row[1] for row in rows], pa.string()),
            "surname": pa.array(["Smith"] * len(rows), pa.string()),
            "protected": pa.array([row[2] for row in rows], pa.string()),
            ROW_REF: pa.array(range(1, len(rows) + 1), pa.int64()),
        }
    )
    return [whole.slice(start, size) for start in range(0, len(rows), size)]


class _Finder:
    """Runs the step on rows and compares what it finds; the comparison fails the pipeline."""

    def __init__(self, keys: str, day: date, attempts: Path) -> None:
        self._step = FindRepeats(CONTRACT, keys, day, str(attempts))

    def expect(self, rows: Sequence[Row], expected: Counter[tuple[str, int, bool]], size: int = 3) -> None:
        register_arrow_coder()
        found: list[Any] = []

        def compare(actual: list[pa.RecordBatch]) -> None:
            found.extend(actual)
            listed = Counter((row["column"], row[ROW_REF], row["protected"]) for batch in actual for row in batch.to_pylist())
            assert listed == expected, f"{listed} is not {expected}"

        with beam.Pipeline(runner=FnApiRunner()) as pipeline:
            batches = pipeline | beam.Create(_batches(rows, size)).with_output_types(pa.RecordBatch)
            assert_that((batches | self._step).rows, compare)


@pytest.fixture(scope="module")
def finder(keys: str, day: date, tmp_path_factory: pytest.TempPathFactory) -> _Finder:
    return _Finder(keys, day, tmp_path_factory.mktemp("attempts"))


def test_rows_that_repeat_are_found_in_every_unique_column_and_across_batches(finder: _Finder) -> None:
    rows: list[Row] = [
        ("1", "A", "no"),
        ("2", None, "no"),
        ("3", "B", "no"),
        ("4", "A", "yes"),
        ("1", "C", "no"),
        ("5", None, "no"),
        ("1", "B", "no"),
    ]
    expected = Counter(
        [
            ("pay_number", 1, False),
            ("pay_number", 5, False),
            ("pay_number", 7, False),
            ("warrant_number", 1, False),
            ("warrant_number", 4, True),
            ("warrant_number", 3, False),
            ("warrant_number", 7, False),
        ]
    )
    finder.expect(rows, expected)
    finder.expect(rows, expected, size=100)


def test_nothing_is_found_where_nothing_repeats_nor_among_nulls(finder: _Finder) -> None:
    finder.expect([(str(number), None, "no") for number in range(50)], Counter())
    finder.expect([], Counter())


def test_values_are_compared_in_canonical_form(finder: _Finder) -> None:
    name = "Zoë"
    composed, decomposed = unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)
    assert composed != decomposed
    rows: list[Row] = [
        (composed, None, "no"),
        (decomposed, None, "no"),
        ("Zoe", None, "no"),
        ("0001", None, "no"),
        ("1", None, "no"),
    ]
    finder.expect(rows, Counter([("pay_number", 1, False), ("pay_number", 2, False)]))


def test_one_value_in_two_columns_is_no_repeat(finder: _Finder) -> None:
    finder.expect([("7", "8", "no"), ("8", "7", "no")], Counter())


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefghijkl"), st.none() | st.sampled_from("pqrst"), st.sampled_from(["yes", "no"])),
        max_size=14,
    ),
    st.integers(1, 6),
)
def test_what_is_found_is_what_counting_finds(finder: _Finder, rows: list[Row], size: int) -> None:
    expected: Counter[tuple[str, int, bool]] = Counter()
    for at, name in enumerate(("pay_number", "warrant_number")):
        counted = Counter(row[at] for row in rows)
        for ref, row in enumerate(rows, 1):
            if row[at] is not None and counted[row[at]] > 1:
                expected[name, ref, row[2] == "yes"] += 1
    finder.expect(rows, expected, size)


def test_fingerprints_wait_on_disk_without_a_value(keys: str, day: date, tmp_path: Path) -> None:
    rows: list[Row] = [(f"paynumber{number:06}", f"warrant{number:06}", "no") for number in range(40)]
    _Finder(keys, day, tmp_path).expect(rows, Counter())
    written = [path.read_bytes() for path in tmp_path.iterdir()]
    assert len(written) >= 2
    for value in (value for row in rows for value in row[:2]):
        assert not any(str(value).encode() in data for data in written)


def test_a_row_that_repeats_two_columns_is_listed_twice_and_counted_once() -> None:
    register_arrow_coder()
    repeats = pa.record_batch(
        {
            ROW_REF: pa.array([1, 1, 2, 9], pa.int64()),
            "column": pa.array(["pay_number", "warrant_number", "pay_number", "warrant_number"]),
            "protected": pa.array([False, False, False, True]),
        }
    )

    def listed(actual: list[pa.RecordBatch]) -> None:
        rows = sorted((row[ROW_REF], row["rule"], row["column"]) for batch in actual for row in batch.to_pylist())
        assert rows == [
            (WITHHELD_PLACE, "unique", "warrant_number"),
            (1, "unique", "pay_number"),
            (1, "unique", "warrant_number"),
            (2, "unique", "pay_number"),
        ]

    def counted(actual: list[dict[str, int]]) -> None:
        assert actual == [{"accepted": -3, "quarantined": 3}]

    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        found = pipeline | beam.Create([repeats]).with_output_types(pa.RecordBatch)
        broken = found | RepeatsAsBroken()
        assert_that(broken.broken, listed, label="listed")
        assert_that(broken.tallies, counted, label="counted")
