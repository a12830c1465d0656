"""`supplier-views report`: makes pages anew from their models, and shows them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.inputs import read_terms
from pipelines.reporting.gather import Beside, Told, gather
from pipelines.reporting.model import report_json
from pipelines.reporting.page import render_page
from pipelines.reporting.shelf import claim, keep
from pipelines.settings import Settings
from transforms.errors import Refused

if TYPE_CHECKING:
    from conftest import Call

ROOT = Path(__file__).resolve().parents[2]
DAYS = (date(2026, 11, 23), date(2026, 11, 24))


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """The records of two nights on which a run was refused."""
    examples = ROOT / "examples"
    for day in DAYS:
        settings = Settings(
            contract=examples / "hr-export.yaml", policies=examples / "suppliers", export="", photos=None, keys="", out=tmp_path,
            staging=tmp_path, records=tmp_path / "records", date=day,
        )  # fmt: skip
        told = Told(terms=read_terms(settings), during="checking", error=Refused("not clean", code="leak"))
        directory, number = claim(tmp_path / "records", day)
        report = gather(told, day, number, datetime(2026, 11, 25, tzinfo=UTC), Beside())
        keep(directory, report_json(report), render_page(report))
    return tmp_path / "records"


def test_the_page_of_a_date_and_the_index_are_made_anew_as_they_were(call: Call, records: Path) -> None:
    page = records / "reports" / "2026-11-23" / "1" / "report.html"
    before = page.read_bytes()
    page.write_text("spoilt")
    ended = call("report", "--records", records, "--date", "2026-11-23")
    assert ended.status == 0, ended.stderr
    assert (ended.summary["outcome"], ended.summary["date"], ended.summary["run"]) == ("written", "2026-11-23", 1)
    assert Path(ended.summary["report"]) == page
    assert page.read_bytes() == before
    index = Path(ended.summary["index"]).read_text(encoding="utf-8")
    assert index.count("/report.html") == 2


def test_without_a_date_it_is_the_last_run(call: Call, records: Path) -> None:
    assert call("report", "--records", records).summary["date"] == "2026-11-24"


def test_a_date_without_a_page_is_named(call: Call, records: Path) -> None:
    ended = call("report", "--records", records, "--date", "2026-01-01")
    assert (ended.status, ended.summary["code"]) == (30, "report-missing")


def test_a_model_that_was_edited_is_refused(call: Call, records: Path) -> None:
    model = records / "reports" / "2026-11-24" / "1" / "report.json"
    model.write_bytes(model.read_bytes().replace(b'"number":1', b'"number":2 '))
    ended = call("report", "--records", records)
    assert (ended.status, ended.summary["code"]) == (10, "report-malformed")


def test_a_full_drill_goes_onto_the_page(call: Call, records: Path, tmp_path: Path) -> None:
    drill = {
        "format": "supplier-views/drill/1", "mode": "full", "nights": ["2026-11-02"], "suppliers": ["uniform"], "people": 47000,
        "public_people": 46000, "confidence": 0.95, "interval": "Clopper-Pearson", "chance": 0.0001, "not_run": [],
        "attacks": [
            {
                "attack": "dictionary", "target": "raw-export", "careless": True, "by_photo": False, "holds": "", "asks": "",
                "people": 47000, "claims": 47000, "correct": 47000, "rate": 1.0, "guess_rate": 0.0, "low": 1.0, "high": 1.0,
                "chance": 0.0, "above_guess": 47000, "share": 1.0, "best": "", "variants": 1, "limit": None, "bound": None,
                "verdict": "won", "conditions": [],
            },
        ],
    }  # fmt: skip
    (tmp_path / "drill.json").write_text(json.dumps(drill))
    ended = call("report", "--records", records, "--drill", tmp_path / "drill.json")
    assert ended.status == 0, ended.stderr
    assert "the export sent as it is" in Path(ended.summary["report"]).read_text(encoding="utf-8")
    assert call("report", "--records", records).summary["outcome"] == "written"
    (tmp_path / "drill.json").write_text(json.dumps(drill | {"format": "another"}))
    assert call("report", "--records", records, "--drill", tmp_path / "drill.json").summary["code"] == "drill-malformed"
    assert call("report", "--records", records, "--drill", tmp_path / "nowhere.json").status == 2


def test_open_hands_the_page_to_the_browser(records: Path, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!{shutil.which("sh")}\nprintf %s "$1" >{tmp_path}/shown\n')
    browser.chmod(0o755)
    line = [sys.executable, "-m", "pipelines.cli", "report", "--records", str(records), "--open"]
    done = subprocess.run(line, env=os.environ | {"BROWSER": str(browser)}, capture_output=True, text=True, check=True)
    summary = json.loads(done.stdout.splitlines()[-1])
    assert summary["opened"] is True
    assert (tmp_path / "shown").read_text() == Path(summary["report"]).resolve().as_uri()
