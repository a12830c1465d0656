"""What must pass: a gate that cries wolf is switched off."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from transforms.errors import InternalError
from transforms.leaks import CheckedRelease

Nights = Callable[..., Any]


@pytest.mark.parametrize("supplier", ["card-printer", "shift-rostering", "uniform", "lockers", "parquet"])
def test_a_view_made_by_the_product_passes_with_people_called_constable_london_and_read(night: Nights, supplier: str) -> None:
    assert isinstance(night(supplier).judge(), CheckedRelease)


@pytest.mark.parametrize("supplier", ["card-printer", "shift-rostering", "parquet"])
@pytest.mark.parametrize("people", [0, 1, 29])
def test_a_view_of_few_or_no_rows_passes(night: Nights, supplier: str, people: int) -> None:
    assert night(supplier, people=people).judge().supplier == supplier


def test_the_proof_lists_every_file_with_its_size_and_digest(night: Nights) -> None:
    staged = night("card-printer")
    files = staged.judge().files
    found = sorted(path for path in staged.release.rglob("*") if path.is_file())
    expected = {path.relative_to(staged.release).as_posix(): path.read_bytes() for path in found}
    assert files == tuple((name, len(data), hashlib.sha256(data).hexdigest()) for name, data in sorted(expected.items()))


def test_the_proof_names_every_check_and_what_it_looked_at(night: Nights) -> None:
    staged = night("card-printer")
    examined = {outcome.rule: outcome.examined for outcome in staged.judge().checks}
    assert examined["raw-value"] == staged.export.num_rows
    assert examined["row-order"] == len(staged.lines()) - 1
    assert {"counts", "jpeg-segment", "order-correlation", "protected-person", "token-repeated", "vetting-term"} <= set(examined)


def test_nobody_but_the_gate_can_make_a_proof(night: Nights) -> None:
    proof = night("shift-rostering").judge()
    with pytest.raises(InternalError):
        CheckedRelease(proof.supplier, proof.date, proof.checks, proof.files, proof.overlaps, proof.measures, object())


def test_a_clean_view_without_pattern_columns_leaves_no_word_to_search_for(night: Nights) -> None:
    assert night("card-printer").scan().words == {}


def test_a_kept_value_that_needs_quotes_passes(night: Nights) -> None:
    staged = night("lockers", cells={"locker": ['Row 3, "upper"', "plain"]})
    assert b'"Row 3, ""upper"""' in staged.table.read_bytes()
    assert staged.judge().supplier == "lockers"


def test_rows_that_could_not_be_read_count_as_rows_of_the_export(night: Nights) -> None:
    staged = night("uniform")
    staged.claim(**{"in": staged.export.num_rows + 3, "quarantined": 3})
    staged.unreadable = 3
    assert staged.judge().supplier == "uniform"
