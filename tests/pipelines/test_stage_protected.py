"""Protected people leave no trace in what a supplier gets, nor on the way to it [P17]."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.watch import Watch

if TYPE_CHECKING:
    from conftest import Site

TABLES = ("card-printer", "shift-rostering", "uniform")


class LastLook(Watch):
    """Reads every file of the staging root when the pipeline has ended, before its attempts are swept."""

    def __init__(self, root: Path) -> None:
        super().__init__(lambda what, done, total: None)
        self._root = root
        self.seen: dict[str, bytes] = {}

    @contextmanager
    def staging(self, attempts: Path) -> Iterator[None]:
        with super().staging(attempts):
            yield
        self.seen = {str(path): path.read_bytes() for path in self._root.rglob("*") if path.is_file()}


@pytest.fixture
def hidden(site: Site) -> set[str]:
    """The pay numbers of twenty people, ten of whom are due a card."""
    rows = [row for row in site.rows() if row["protected"] == "no"]
    due = [row["pay_number"] for row in rows if row["card_due"] == "yes"]
    other = [row["pay_number"] for row in rows if row["card_due"] == "no"]
    return {*due[:10], *other[:10]}


def test_a_release_with_protected_people_is_that_of_an_export_without_them(site: Site, staged_site: Site, hidden: set[str]) -> None:
    protected = [row | {"protected": "yes"} if row["pay_number"] in hidden else row for row in site.rows()]
    with_them = site.with_rows(protected, name="with").named("with")
    look = LastLook(with_them.out)
    with_them.stage(watch=look)
    without_them = site.with_rows([row for row in protected if row["pay_number"] not in hidden], name="without").named("without")
    without_them.stage()
    assert with_them.staged() == without_them.staged()

    # Their tokens and photos, from a run in which nobody had protected them yet, are in no file, not even in a transient one.
    theirs = [_tokens(staged_site, supplier) - _tokens(with_them, supplier) for supplier in TABLES]
    assert [len(tokens) for tokens in theirs] == [20, 20, 20]
    assert any(".attempts" in name for name in look.seen)
    for token in set().union(*theirs):
        assert not any(token in name or token.encode() in data for name, data in look.seen.items())


def _tokens(site: Site, supplier: str) -> set[str]:
    return {value for row in site.view(supplier) for name, value in row.items() if name.endswith("_token")}


def test_a_broken_row_of_a_protected_person_is_counted_and_has_no_place(site: Site, hidden: set[str]) -> None:
    rows = [row | {"protected": "yes", "rank": "Constabel"} if row["pay_number"] in hidden else row for row in site.rows()]
    broken = site.with_rows(rows).with_contract(quarantineLimit=0.1)
    run = broken.stage_without_photos()
    assert run.broken == {"vocabulary rank": 20}
    assert broken.quarantined() == [{"source": None, "row": None, "rule": "vocabulary", "column": "rank"}] * 20


def test_a_row_whose_protected_flag_is_broken_has_no_place_either(site: Site) -> None:
    rows = site.rows()
    for row, flag in zip(rows, ("", "maybe", "Yes"), strict=False):
        row["protected"] = flag
    broken = site.with_rows(rows).with_contract(quarantineLimit=0.01)
    broken.stage_without_photos()
    places = {(entry["source"], entry["row"], entry["column"]) for entry in broken.quarantined()}
    assert places == {(None, None, "protected")}
    assert len(broken.quarantined()) == 3


def test_a_protected_person_who_repeats_a_pay_number_has_no_place(site: Site, hidden: set[str]) -> None:
    rows = site.rows()
    shown = next(number for number, row in enumerate(rows, 1) if row["protected"] == "no" and row["pay_number"] not in hidden)
    twin = rows[shown - 1] | {"protected": "yes", "warrant_number": ""}
    doubled = site.with_rows([*rows, twin]).with_contract(quarantineLimit=0.01)
    run = doubled.stage_without_photos()
    assert run.broken == {"unique pay_number": 2}
    assert [(entry["source"], entry["row"]) for entry in doubled.quarantined()] == [(None, None), (doubled.export, shown)]
    protected_before = sum(row["protected"] == "yes" for row in rows)
    assert all(report.counts["protected"] == protected_before for report in run.reports.values())


def test_a_photo_of_a_protected_person_is_never_asked_for(site: Site, hidden: set[str]) -> None:
    rows = [row | {"protected": "yes"} if row["pay_number"] in hidden else row for row in site.rows()]
    copied = site.copied_photos()
    for row in rows:
        if row["protected"] == "yes":
            (copied.photos / row["photo_file"]).unlink(missing_ok=True)
    bare = copied.with_rows(rows)
    run = bare.stage()
    assert run.broken == {}
    assert run.reports["card-printer"].counts["photos_withheld"] == 0
