"""The command: limits that trip, and what it prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.cli import main

if TYPE_CHECKING:
    from conftest import Force

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
Ended = tuple[int, dict[str, object], str]
Drill = Callable[..., Ended]


@pytest.fixture
def drill(force: Force, capfd: pytest.CaptureFixture[str]) -> Drill:
    """Runs the command on the second night; its status, summary and messages."""

    def run_line(policies: Path, out: Path, *more: str) -> Ended:
        capfd.readouterr()
        line = ["drill", "--contract", str(EXAMPLES / "hr-export.yaml"), "--policies", str(policies), "--out", str(out)]
        line += ["--export", str(force.export(2)), "--keys", force.keys, "--date", "2026-11-24", *more]
        with pytest.raises(SystemExit) as exit:
            main(line)
        printed = capfd.readouterr()
        return int(exit.value.code or 0), json.loads(printed.out.splitlines()[-1]), printed.err

    return run_line


def test_releases_within_their_limits_end_with_success(drill: Drill, force: Force, tmp_path: Path) -> None:
    report = tmp_path / "drill.json"
    status, summary, _ = drill(EXAMPLES / "suppliers", force.out, "--report", str(report))
    assert (status, summary["outcome"], summary["people"]) == (0, "within-limits", json.loads(report.read_text())["people"])
    assert summary["proves_nothing"] == []


def test_two_suppliers_who_keep_the_same_telling_columns_are_refused_with_rule_and_place(
    drill: Drill, careless: tuple[Path, Path], tmp_path: Path
) -> None:
    policies, out = careless
    report = tmp_path / "drill.json"
    status, summary, said = drill(policies, out, "--report", str(report))
    assert (status, summary["code"]) == (10, "drill-over-limit")
    assert str(summary["place"]).startswith(str(policies / "caterer.yaml"))
    assert "caterer+laundry" in str(summary["rule"])
    assert "re-links" in said
    assert any(result["verdict"] == "over" for result in json.loads(report.read_text())["attacks"])


def test_a_limit_of_the_policy_that_is_looser_lets_them_through(drill: Drill, careless: tuple[Path, Path], tmp_path: Path) -> None:
    policies, out = careless
    for path in policies.glob("*.yaml"):
        text = path.read_text(encoding="utf-8") + "risk: {relinkable_without_photos: 1}\n"
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    status, summary, _ = drill(tmp_path, out)
    assert (status, summary["outcome"]) == (0, "within-limits")


def test_a_limit_names_its_line(drill: Drill, careless: tuple[Path, Path], tmp_path: Path) -> None:
    policies, out = careless
    for path in policies.glob("*.yaml"):
        text = path.read_text(encoding="utf-8") + "risk: {relinkable_without_photos: 0.01}\n"
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    status, summary, _ = drill(tmp_path, out)
    assert (status, summary["place"]) == (10, f"{tmp_path / 'caterer.yaml'}:{len(text.splitlines())}")


def test_a_release_of_another_export_is_refused(drill: Drill, force: Force) -> None:
    status, summary, _ = drill(EXAMPLES / "suppliers", force.out, "--export", str(force.export(1)))
    assert (status, summary["code"]) == (10, "drill-other-export")


def test_a_date_without_a_release_is_not_attacked(drill: Drill, force: Force) -> None:
    status, summary, _ = drill(EXAMPLES / "suppliers", force.out, "--date", "2026-11-25")
    assert (status, summary["code"]) == (30, "release-missing")
