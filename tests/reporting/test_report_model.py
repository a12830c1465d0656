"""The model of a page: what it holds, what it must not, and that its JSON is exactly it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from pipelines.inputs import Terms
from pipelines.reporting.model import Report, read_report, report_json
from pipelines.reporting.page import render_page
from pipelines.reporting.search import search_page
from transforms.errors import Refused

if TYPE_CHECKING:
    from conftest import Gather

PROTECTED, NOT_DUE = 60_613, 30_307


def test_a_report_is_read_back_as_it_was_written(report: Report, refused: Report) -> None:
    for page in (report, refused):
        assert read_report(report_json(page), "here") == page


@pytest.mark.parametrize("change", [{"more": 1}, {"format": "supplier-views/report/0"}, {"date": "tomorrow"}, {"number": "1"}])
def test_a_report_that_was_edited_is_refused(report: Report, change: dict[str, Any]) -> None:
    data = json.dumps(json.loads(report_json(report)) | change, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    with pytest.raises(Refused) as refusal:
        read_report(data.encode(), "here")
    assert refusal.value.code == "report-malformed"


def test_how_many_people_are_protected_is_nowhere(report: Report) -> None:
    for text in (report_json(report).decode(), render_page(report)):
        for count in (PROTECTED, NOT_DUE, PROTECTED + NOT_DUE):
            assert str(count) not in text
            assert f"{count:,}" not in text


def test_every_column_of_the_export_leaves_or_stays_and_never_both_unseen(report: Report, terms: Terms) -> None:
    for part, policy in zip(report.suppliers, terms.policies, strict=True):
        stays = [name for kept in part.stays for name in kept.columns]
        readable = {line.of[0] for line in part.columns if line.action in ("keep", "generalise")}
        photo = {policy.photo.of} if policy.photo else set()
        assert set(stays) | readable | photo == set(report.export_columns)
        assert not set(stays) & (readable | photo)


def test_a_run_that_ended_early_left_nothing_for_anybody(refused: Report) -> None:
    assert refused.outcome == "held-back"
    assert refused.refusal is not None
    assert (refused.refusal.code, refused.refusal.during) == ("leak", "checking")
    assert all(part.tonight is None and part.release_id is None for part in refused.suppliers)


def test_changes_name_counts_columns_and_keys_that_differ(gathered: Gather) -> None:
    before = gathered(day=date(2026, 11, 23), rows=70)
    assert gathered(before=(before,)).changes == tuple(
        f"{name}: people who left: 84, before 70." for name in ("card-printer", "shift-rostering", "uniform")
    )
    assert gathered(before=(before,), rows=70).changes == ()
    rotated = replace(before, suppliers=tuple(replace(part, epoch=3, columns=part.columns[1:]) for part in before.suppliers[:1]))
    changes = gathered(before=(rotated,), rows=70).changes
    assert "card-printer receives for the first time: person_token." in changes
    assert "card-printer: new keys (epoch 1), so every token is a new one." in changes
    assert "uniform is new." in changes


def test_a_refused_run_is_never_what_tonight_is_compared_with(gathered: Gather, refused: Report) -> None:
    page = gathered(before=(replace(refused, date=date(2026, 11, 23)),))
    assert (page.compared_with, page.changes) == (None, ())


def test_releases_whose_time_is_not_over_are_counted_once_a_date(gathered: Gather) -> None:
    days = (date(2026, 11, 23), date(2026, 11, 23), date(2026, 11, 9), date(2026, 10, 20))
    page = gathered(before=tuple(gathered(day=day, rows=70) for day in days))
    held = {part.supplier: (part.earlier, part.earlier_rows) for part in page.suppliers}
    assert held == {"card-printer": (2, 140), "uniform": (2, 140), "shift-rostering": (1, 70)}


def test_without_terms_a_page_still_says_why_the_run_ended(gathered: Gather) -> None:
    before = gathered(day=date(2026, 11, 23))
    page = gathered(before=(before,), told_terms=None, error=Refused("a reason", code="leak"))
    assert page.suppliers == ()
    assert "a reason" in render_page(page)
    search_page(render_page(page), report_json(page), page, None, (), (), "")  # nothing on it needs a policy to explain it
