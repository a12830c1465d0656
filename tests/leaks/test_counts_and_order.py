"""What does not add up, and what the order of rows gives away."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from transforms.errors import Refused

Nights = Callable[..., Any]
COUNTS = ("in", "accepted", "quarantined", "released", "not_due", "protected", "photos_withheld", "rows")


@pytest.mark.parametrize("name", COUNTS)
def test_a_count_that_is_off_by_one_is_found(night: Nights, name: str) -> None:
    staged = night("uniform")
    counts = json.loads((staged.area / "stage.json").read_bytes())
    staged.claim(**{name: counts["counts"].get(name, counts["rows"]) + 1})
    assert "counts: " in staged.refusal().rule


def test_an_export_of_which_a_batch_was_not_searched_is_refused(night: Nights) -> None:
    staged = night("uniform")
    staged.export = staged.export.slice(0, staged.export.num_rows - 1)
    assert "counts: stage.json, rows in the export" in staged.refusal().rule


def test_a_row_that_vanished_from_the_table_is_found(night: Nights) -> None:
    staged = night("uniform")
    staged.write("people.csv", b"".join(staged.lines()[:-1]))
    assert "counts: stage.json, rows of the view as read" in staged.refusal().rule


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"supplier": "uniform"}', b"\xff"])
def test_a_report_that_is_none_is_refused(night: Nights, content: bytes) -> None:
    staged = night("uniform")
    (staged.area / "stage.json").write_bytes(content)
    with pytest.raises(Refused) as caught:
        staged.judge()
    assert caught.value.code == "stage-malformed"


@pytest.mark.parametrize("column", ["pay_number", "surname", "hire_date", "row_ref", "email"])
@pytest.mark.parametrize("descending", [False, True])
def test_rows_in_the_order_of_a_column_of_the_export_are_found(night: Nights, column: str, descending: bool) -> None:
    staged = night("shift-rostering")
    refs = np.load(staged.area / "order.npy")
    cells = [str(cell).rjust(20) for cell in staged.export.column(column).to_pylist()]
    by_ref = dict(zip(staged.export.column("row_ref").to_pylist(), cells, strict=True))
    ordered = sorted(refs.tolist(), key=lambda ref: by_ref[ref], reverse=descending)
    np.save(staged.area / "order.npy", np.array(ordered, np.int64))
    assert f"order-correlation: row order against {column} " in staged.refusal().rule


def test_a_weak_but_telling_order_is_found_in_a_large_view(night: Nights) -> None:
    staged = night("shift-rostering", people=30_000)
    refs = np.load(staged.area / "order.npy")
    noise = np.random.default_rng(3).normal(scale=10, size=refs.size)
    position = np.argsort(refs.argsort().argsort() / refs.size + noise)
    np.save(staged.area / "order.npy", refs[position])
    assert "order-correlation: " in staged.refusal().rule


def test_an_order_that_goes_with_nothing_is_no_finding_in_a_large_view(night: Nights) -> None:
    assert night("shift-rostering", people=30_000).judge().supplier == "shift-rostering"


def test_a_place_that_the_export_does_not_have_is_found(night: Nights) -> None:
    staged = night("shift-rostering")
    refs = np.load(staged.area / "order.npy")
    refs[0] = 1 << 41
    np.save(staged.area / "order.npy", refs)
    assert "order-file: order.npy, places that the export does not have (1)" in staged.refusal().rule


def test_a_place_twice_is_found(night: Nights) -> None:
    staged = night("shift-rostering")
    refs = np.load(staged.area / "order.npy")
    refs[0] = refs[1]
    np.save(staged.area / "order.npy", refs)
    assert "order-file: order.npy, places that repeat (1)" in staged.refusal().rule


def test_a_list_of_places_of_another_length_is_found(night: Nights) -> None:
    staged = night("shift-rostering")
    np.save(staged.area / "order.npy", np.load(staged.area / "order.npy")[:-1])
    assert "order-file: order.npy, another number of rows than the view (1)" in staged.refusal().rule


@pytest.mark.parametrize("content", [np.zeros(3), np.zeros((2, 2), np.int64), np.array([{"a": 1}], dtype=object)])
def test_a_file_that_is_no_list_of_places_is_refused_and_never_unpickled(night: Nights, content: Any) -> None:
    staged = night("shift-rostering")
    np.save(staged.area / "order.npy", content, allow_pickle=True)
    with pytest.raises(Refused) as caught:
        staged.judge()
    assert caught.value.code == "stage-malformed"


@pytest.mark.parametrize("flag", ["yes", "", "Yes", None])
def test_a_protected_person_in_the_view_is_found(night: Nights, flag: str | None) -> None:
    staged = night("shift-rostering")
    released = int(np.load(staged.area / "order.npy")[11])
    flags = staged.export.column("protected").to_pylist()
    flags[staged.export.column("row_ref").to_pylist().index(released)] = flag
    index = staged.export.schema.get_field_index("protected")
    staged.export = staged.export.set_column(index, "protected", pa.array(flags))
    assert "protected-person: order.npy, all rows (1)" in staged.refusal().rule


def test_a_row_that_the_policy_leaves_out_is_found(night: Nights) -> None:
    staged = night("card-printer")
    staged.policy = replace(staged.policy, where={"card_due": ("no",)})
    assert "row-not-due: " in staged.refusal().rule
