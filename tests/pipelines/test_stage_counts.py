"""Every row of the export is counted once, and what broke a rule is listed by place and never by value [P17, R15, P13]."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.demo import DemoSummary, make_demo
from pipelines.stage import StagedRun
from transforms.errors import Refused

if TYPE_CHECKING:
    from conftest import Site

# What becomes of each way in which the demo breaks a row or a photo: the key of the count, `rule column`.
RULE_OF_BREAK = {
    "unknown-rank": "vocabulary rank",
    "bad-pay-number": "pattern pay_number",
    "duplicate-pay-number": "unique pay_number",
    "control-character": "control-character forenames",
    "missing-value": "required unit_code",
    "over-long-cell": "too-long surname",
    "wrong-vocabulary": "vocabulary card_type",
    "ragged-row": "ragged-row row",
    "missing-photo": "photo-missing row",
    "truncated-photo": "photo-truncated row",
    "not-an-image": "photo-unsupported-format row",
}


@pytest.fixture(scope="module")
def broken_demo(tmp_path_factory: pytest.TempPathFactory) -> DemoSummary:
    """An export of which one row in eight, and one photo in eight, is broken in every way that there is."""
    return make_demo(300, 11, tmp_path_factory.mktemp("broken"), "csv", 0.125, 0.05, lambda what, done, total: None)


@pytest.fixture
def broken_site(site: Site, broken_demo: DemoSummary) -> Site:
    lenient = site.with_contract(quarantineLimit=0.5, photoQuarantineLimit=0.9)
    return replace(lenient, export=str(broken_demo.export), photos=broken_demo.export.parent / "photos")


@pytest.fixture
def staged(broken_site: Site) -> StagedRun:
    return broken_site.stage()


def test_the_counts_are_those_of_what_was_broken(staged: StagedRun, broken_site: Site, broken_demo: DemoSummary) -> None:
    expected = broken_demo.broken_rows | broken_demo.broken_photos_due
    assert all(broken_demo.broken_rows.values())
    assert sum(broken_demo.broken_photos_due.values()) > 0
    counted = {RULE_OF_BREAK[name]: count for name, count in expected.items() if count}
    assert staged.broken == counted

    quarantined = sum(broken_demo.broken_rows.values())
    assert staged.counts == {"in": 300, "accepted": 300 - quarantined, "quarantined": quarantined}
    withheld = sum(broken_demo.broken_photos_due.values())
    printed = staged.reports["card-printer"].counts
    assert printed["released"] == broken_demo.due - withheld == len(broken_site.view("card-printer"))
    assert printed["photos_withheld"] == withheld
    for report in staged.reports.values():
        counts = report.counts
        assert counts["in"] == counts["accepted"] + counts["quarantined"]
        parts = ("released", "not_due", "protected", "photos_withheld")
        assert counts["accepted"] == sum(counts[name] for name in parts)
        assert counts["protected"] == broken_demo.protected
        assert report.rows == counts["released"]

    entries = broken_site.quarantined()
    listed = Counter(f"{entry['rule']} {entry['column'] or 'row'}" for entry in entries)
    # A small photo is listed, and leaves: what is flagged is not broken.
    assert set(staged.flagged) == {"flagged-photo-small row"}
    assert listed == {**counted, **staged.flagged}
    assert {frozenset(entry) for entry in entries} == {frozenset(("source", "row", "rule", "column"))}
    # Places in the order of the export; a row that is not a protected person's has one.
    placed = [entry["row"] for entry in entries if entry["row"] is not None]
    assert placed == sorted(placed)
    assert {entry["source"] for entry in entries} <= {broken_site.export, None}
    assert broken_site.quarantine.stat().st_mode & 0o777 == 0o600


def test_an_entry_names_the_row_that_was_broken(site: Site) -> None:
    rows = site.rows()
    shown = next(number for number, row in enumerate(rows, 1) if number > 100 and row["protected"] == "no")
    rows[shown - 1]["rank"] = "Constabel"
    broken = site.with_rows(rows)
    broken.stage_without_photos()
    entry = {"source": broken.export, "row": shown, "rule": "vocabulary", "column": "rank"}
    assert broken.quarantined() == [entry]


def test_both_rows_of_a_repeated_pay_number_go_and_are_counted_once(site: Site) -> None:
    rows = site.rows()
    first, second = 40, 200
    assert rows[first]["protected"] == rows[second]["protected"] == "no"
    # Both unique columns repeat, so each row breaks the rule twice.
    rows[second] |= {"pay_number": rows[first]["pay_number"], "warrant_number": "123456"}
    rows[first]["warrant_number"] = "123456"
    doubled = site.with_rows(rows).with_contract(quarantineLimit=0.01)
    run = doubled.stage_without_photos()
    assert run.counts == {"in": 300, "accepted": 298, "quarantined": 2}
    assert run.broken == {"unique pay_number": 2, "unique warrant_number": 2}
    assert {entry["row"] for entry in doubled.quarantined()} == {first + 1, second + 1}
    without = site.with_rows([row for number, row in enumerate(rows) if number not in (first, second)], name="without")
    without = without.named("without")
    without.stage_without_photos()
    assert doubled.staged() == without.staged()


def test_rows_over_the_limit_refuse_the_run_and_stage_nothing(site: Site) -> None:
    rows = site.rows()
    for row in rows[:2]:
        row["rank"] = "Constabel"
    over = site.with_rows(rows)
    with pytest.raises(Refused) as refusal:
        over.stage_without_photos()
    assert (refusal.value.code, refusal.value.exit_status) == ("quarantine-over-limit", 10)
    assert over.left_in_staging() == []
    assert len(over.quarantined()) == 2


def test_photos_over_the_limit_refuse_the_run_and_stage_nothing(site: Site, tmp_path: Path) -> None:
    empty = tmp_path / "no-photos"
    empty.mkdir()
    with pytest.raises(Refused) as refusal:
        replace(site, photos=empty).stage()
    assert (refusal.value.code, refusal.value.exit_status) == ("photos-over-limit", 10)
    assert refusal.value.place == "card-printer"
    assert site.left_in_staging() == []
