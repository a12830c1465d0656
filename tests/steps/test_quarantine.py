"""The quarantine lists places up to a bound, in the order of the export, and counts all of them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to

from transforms.contract.places import BROKEN_SCHEMA, row_ref
from transforms.export.sources import Format, Source
from transforms.steps.arrow_coder import register_arrow_coder
from transforms.steps.quarantine import MOST_PLACES, WriteQuarantine

SOURCES = (Source(0, "first.csv", 1, Format.CSV), Source(1, "second.csv", 1, Format.CSV))


def _broken(refs: list[int], rule: str, column: str | None) -> pa.RecordBatch:
    columns = [pa.array(refs, pa.int64()), pa.array([rule] * len(refs)), pa.array([column] * len(refs), pa.string())]
    return pa.record_batch(columns, schema=BROKEN_SCHEMA)


def _write(path: Path, batches: list[pa.RecordBatch], counts: dict[str, int]) -> list[dict[str, object]]:
    register_arrow_coder()
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        broken = pipeline | beam.Create(batches).with_output_types(pa.RecordBatch)
        assert_that(broken | WriteQuarantine(str(path), SOURCES), equal_to([counts]))
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_places_are_listed_in_the_order_of_the_export_with_their_file(tmp_path: Path) -> None:
    batches = [
        _broken([row_ref(1, 2)], "ragged-row", None),
        _broken([row_ref(0, 9), row_ref(1, 1)], "vocabulary", "rank"),
        _broken([row_ref(0, 9), -1], "pattern", "email"),
    ]
    counts = {"ragged-row row": 1, "vocabulary rank": 2, "pattern email": 2}
    listed = _write(tmp_path / "quarantine.jsonl", batches, counts)
    assert [(entry["source"], entry["row"], entry["rule"]) for entry in listed] == [
        (None, None, "pattern"),
        ("first.csv", 9, "pattern"),
        ("first.csv", 9, "vocabulary"),
        ("second.csv", 1, "vocabulary"),
        ("second.csv", 2, "ragged-row"),
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["quarantine.jsonl"]


def test_nothing_broken_makes_an_empty_list(tmp_path: Path) -> None:
    assert _write(tmp_path / "quarantine.jsonl", [], {}) == []


def test_the_list_ends_at_its_bound_and_the_counts_do_not(tmp_path: Path) -> None:
    too_many = MOST_PLACES + 10
    refs = np.random.default_rng(1).permutation(np.arange(1, too_many + 1)).tolist()
    half = too_many // 2
    batches = [_broken(refs[:half], "pattern", "email"), _broken(refs[half:], "pattern", "email")]
    listed = _write(tmp_path / "quarantine.jsonl", batches, {"pattern email": too_many})
    assert [entry["row"] for entry in listed] == list(range(1, MOST_PLACES + 1))
    assert Counter(entry["source"] for entry in listed) == {"first.csv": MOST_PLACES}
