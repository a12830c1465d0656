"""The page that a run leaves: after it published, after it was refused, and when the page cannot be kept."""

from __future__ import annotations

import json
import re
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.release.offline import verify_release
from pipelines.reporting.model import Report, read_report
from pipelines.reporting.shelf import reports_directory
from transforms.errors import Refused

if TYPE_CHECKING:
    from conftest import Ended, Site

WITHOUT_PHOTOS = ("shift-rostering", "uniform")
Call = Callable[[list[str]], "Ended"]


def _model(page: Path) -> Report:
    return read_report(page.with_suffix(".json").read_bytes(), str(page))


@pytest.fixture(scope="module")
def page(first_run: tuple[Site, Ended]) -> Path:
    return Path(first_run[1].summary["report"])


def test_a_run_that_published_names_its_page_and_an_index_lists_it(first_run: tuple[Site, Ended], page: Path) -> None:
    site, _ = first_run
    assert page == site.records / "reports" / site.date.isoformat() / "1" / "report.html"
    index = (site.records / "reports" / "index.html").read_text(encoding="utf-8")
    assert f'href="{site.date.isoformat()}/1/report.html"' in index


def test_the_page_says_of_each_release_what_its_manifest_says(first_run: tuple[Site, Ended], page: Path) -> None:
    site, _ = first_run
    report = _model(page)
    assert report.outcome == "published"
    for part in report.suppliers:
        terms = verify_release(site.release(part.supplier), site.public_key).terms
        assert (part.release_id, part.rows, part.delete_by) == (terms.release_id, terms.rows, terms.delete_by)
        assert part.epoch == terms.tokens.epoch
        assert {"raw-value", "token-shape"} <= set(part.checks)
        assert part.crowds is not None
        assert sum(size.people for size in part.crowds.sizes) == terms.rows
    assert {key.name for key in report.keys} == {"card-printer", "shift-rostering", "uniform", "internal", "signing"}


def test_no_value_of_anybody_in_the_export_is_on_the_page(first_run: tuple[Site, Ended], page: Path) -> None:
    site, _ = first_run
    text = page.read_text(encoding="utf-8") + page.with_suffix(".json").read_text(encoding="utf-8")
    text = re.sub(r"base64,[^\"]+|\"jpeg\":\"[^\"]+", "", text)
    words = set(re.findall(r"[^\s<>\"',;:()]+", text))
    columns = ("pay_number", "warrant_number", "collar_number", "email", "phone", "photo_file")
    identifiers = {row[column] for row in site.rows() for column in columns} - {""}
    assert len(identifiers) > 1_000
    assert not identifiers & words


def test_a_rerun_has_a_page_of_its_own_and_says_that_nothing_was_published_twice(site: Site) -> None:
    site.run(suppliers=WITHOUT_PHOTOS)
    again = site.run(suppliers=WITHOUT_PHOTOS)
    assert _model(Path(again["report"])).outcome == "already-published"
    assert Path(again["report"]).parent.name == "2"
    assert (site.records / "reports" / site.date.isoformat() / "1" / "report.html").is_file()


def test_a_refused_run_leaves_a_page_that_says_what_refused_it(site: Site, call: Call) -> None:
    rows = site.rows()
    for row in rows[:9]:
        row["rank"] = "Zzyzx"
    ended = call(site.with_rows(rows).arguments("run", "--supplier", *WITHOUT_PHOTOS))
    assert ended.status == 10
    page = site.records / "reports" / site.date.isoformat() / "1" / "report.html"
    report = _model(page)
    assert report.refusal is not None
    assert (report.outcome, report.refusal.code, report.refusal.during) == ("held-back", "quarantine-over-limit", "staging")
    assert [(part.supplier, part.outcome) for part in report.suppliers] == [(name, "held-back") for name in WITHOUT_PHOTOS]
    html = page.read_text(encoding="utf-8")
    assert ended.summary["rule"] in html
    assert "Zzyzx" not in html


def test_a_run_whose_keys_are_missing_leaves_a_page_too(site: Site, call: Call) -> None:
    arguments = site.arguments("run")
    arguments[arguments.index("--keys") + 1] = f"file:{site.root / 'nowhere'}"
    assert call(arguments).status == 30
    report = _model(site.records / "reports" / site.date.isoformat() / "1" / "report.html")
    assert report.refusal is not None
    assert report.refusal.during == "preparing"
    assert stat.S_IMODE(site.out.stat().st_mode) == 0o750


def test_wrong_arguments_leave_no_page(site: Site, call: Call) -> None:
    assert call(site.arguments("run", "--supplier", "nobody")).status == 2
    assert not reports_directory(site.records).exists()


def test_a_page_that_cannot_be_written_never_makes_a_published_run_fail(site: Site, call: Call) -> None:
    site.records.mkdir(parents=True, mode=0o700)
    reports_directory(site.records).write_text("a file where the directory must be")
    ended = call(site.arguments("run", "--supplier", *WITHOUT_PHOTOS))
    assert (ended.status, ended.summary["outcome"], ended.summary["report"]) == (0, "published", None)
    assert any(notice.startswith("report: not written: ") for notice in ended.summary["notices"])
    assert verify_release(site.release("uniform"), site.public_key).terms.rows > 0


def test_a_notice_that_holds_a_raw_value_is_not_kept_on_the_page(site: Site) -> None:
    number = next(row["pay_number"] for row in site.rows())
    renamed = site.root / f"policies-of-{number}"
    shutil.copytree(site.policies, renamed)
    text = (renamed / "uniform.yaml").read_text(encoding="utf-8")
    extra = "  second_token: {action: token, of: [surname], why: shows a new name}\n"
    (renamed / "uniform.yaml").write_text(text.replace("  rank:", f"{extra}  rank:"), encoding="utf-8")
    summary = site.run(policies=renamed, suppliers=WITHOUT_PHOTOS)
    assert summary["outcome"] == "published"
    assert any(number in notice for notice in summary["notices"])
    assert any("could not be shown to hold no value of the export (report-leak)" in notice for notice in summary["notices"])
    page = Path(summary["report"])
    assert number not in page.read_text(encoding="utf-8") + page.with_suffix(".json").read_text(encoding="utf-8")


def test_three_phases_leave_one_page_with_what_publish_did(site: Site, call: Call) -> None:
    ended = [call(site.arguments(phase, "--supplier", *WITHOUT_PHOTOS)) for phase in ("stage", "verify", "publish")]
    assert [each.status for each in ended] == [0, 0, 0]
    report = _model(Path(ended[-1].summary["report"]))
    assert (report.outcome, report.number) == ("published", 1)
    assert report.counts is not None
    assert report.counts.rows == len(site.rows())


def test_the_second_night_is_compared_with_the_first(site: Site) -> None:
    site.run(suppliers=WITHOUT_PHOTOS)
    rows = site.rows()
    gone = next(row for row in rows if row["protected"] == "no")
    later = site.with_rows([row for row in rows if row is not gone])
    report = _model(Path(later.run(date=site.date.replace(day=24), suppliers=WITHOUT_PHOTOS)["report"]))
    assert report.compared_with == site.date
    assert f"Rows in HR's export: {len(rows) - 1:,}, before {len(rows):,}." in report.changes
    assert {name for name, _ in report.last_night} == set(WITHOUT_PHOTOS)
    assert all(part.earlier == 1 for part in report.suppliers)


def test_a_model_is_json_that_anybody_can_read(page: Path) -> None:
    model = json.loads(page.with_suffix(".json").read_bytes())
    assert model["format"] == "supplier-views/report/1"
    with pytest.raises(Refused):
        read_report(json.dumps(model | {"number": 9}).encode(), "here")
