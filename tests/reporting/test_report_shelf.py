"""Where pages are kept, and how they are found again."""

from __future__ import annotations

import stat
from datetime import date
from pathlib import Path

import pytest

from pipelines.reporting.model import Report, report_json
from pipelines.reporting.shelf import claim, find, give_up, keep, load, load_all, write_index
from pipelines.reporting.write import rebuild_index
from transforms.errors import StoreUnavailable, Unavailable

DAY = date(2026, 11, 24)


@pytest.fixture
def records(tmp_path: Path) -> Path:
    path = tmp_path / "records"
    path.mkdir(mode=0o700)
    return path


def _keep(records: Path, day: date, report: Report) -> Path:
    directory, _ = claim(records, day)
    keep(directory, report_json(report), "<p>a page</p>")
    return directory


def test_each_run_of_a_date_has_a_page_of_its_own(records: Path, report: Report) -> None:
    paths = [_keep(records, DAY, report) for _ in range(3)]
    assert [path.relative_to(records).as_posix() for path in paths] == [f"reports/2026-11-24/{n}" for n in (1, 2, 3)]


def test_nobody_else_can_enter_or_read(records: Path, report: Report) -> None:
    _keep(records, DAY, report)
    write_index(records, "<p>an index</p>")
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in records.rglob("*")} == {0}


def test_the_last_run_of_a_date_and_of_all_dates_is_found(records: Path, report: Report) -> None:
    for day in (DAY, date(2026, 11, 23), DAY, date(2026, 11, 22)):
        _keep(records, day, report)
    assert find(records, DAY).relative_to(records).as_posix() == "reports/2026-11-24/2"
    assert find(records, date(2026, 11, 22)).parent.name == "2026-11-22"
    assert find(records, None) == find(records, DAY)
    with pytest.raises(Unavailable) as missing:
        find(records, date(2026, 1, 1))
    assert missing.value.code == "report-missing"


def test_ten_runs_of_a_date_are_in_the_order_of_numbers(records: Path, report: Report) -> None:
    for _ in range(10):
        _keep(records, DAY, report)
    assert find(records, DAY).name == "10"


def test_a_page_that_was_given_up_leaves_nothing(records: Path) -> None:
    directory, _ = claim(records, DAY)
    give_up(directory)
    assert not directory.exists()


def test_a_model_that_was_edited_is_passed_over_and_the_others_are_listed(records: Path, report: Report) -> None:
    whole, edited = _keep(records, date(2026, 11, 23), report), _keep(records, DAY, report)
    (edited / "report.json").write_bytes(report_json(report) + b" ")
    assert load_all(records) == [(whole, report)]
    assert load(whole) == report
    index = rebuild_index(records).read_text(encoding="utf-8")
    assert "2026-11-23/1/report.html" in index
    assert "2026-11-24/1/report.html" not in index


def test_records_that_others_can_enter_get_no_page(records: Path) -> None:
    records.chmod(0o755)
    with pytest.raises(StoreUnavailable):
        claim(records, DAY)
