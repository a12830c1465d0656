"""The drill inside a run: what is over its limits does not leave, and what was found stands in the records."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.drill.run import LimitExceeded

if TYPE_CHECKING:
    from conftest import Force


NIGHTLY = {"dictionary", "frequency", "side-channels", "singling-out", "collusion"}


@pytest.fixture(scope="module")
def refused(force: Force, telling: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LimitExceeded]:
    """A run of two suppliers whose views can be joined, and how it ended."""
    out = tmp_path_factory.mktemp("refused") / "out"
    with pytest.raises(LimitExceeded) as ended:
        force.publish(2, telling, out)
    return out, ended.value


def test_a_run_over_a_limit_is_refused_with_rule_and_place(refused: tuple[Path, LimitExceeded], telling: Path) -> None:
    _, error = refused
    assert (error.exit_status, error.code) == (10, "drill-over-limit")
    assert error.place.startswith(str(telling / "caterer.yaml"))


def test_nothing_of_a_refused_run_leaves_or_waits(refused: tuple[Path, LimitExceeded]) -> None:
    out, _ = refused
    assert [path.name for path in out.iterdir() if not path.name.startswith(".")] == []
    assert list((out / ".staging").rglob("people.csv")) == []


def test_a_refused_run_leaves_its_counts_in_the_records(refused: tuple[Path, LimitExceeded]) -> None:
    out, _ = refused
    found = json.loads((out / ".records" / "drill" / "2026-11-24.json").read_text())
    over = [(result["attack"], result["target"]) for result in found["attacks"] if result["verdict"] == "over"]
    assert over == [("collusion", "caterer+laundry")]
    assert found["mode"] == "nightly"


def test_a_published_night_has_its_drill_in_the_records(force: Force) -> None:
    path = force.out / ".records" / "drill" / "2026-11-24.json"
    found = json.loads(path.read_text())
    assert path.stat().st_mode & 0o077 == 0
    assert {result["attack"] for result in found["attacks"]} >= {
        "dictionary",
        "frequency",
        "side-channels",
        "singling-out",
        "collusion",
    }
    assert {result["verdict"] for result in found["attacks"]} <= {"within", "told"}


def test_the_internal_record_lists_the_attacks_that_were_withstood(force: Force) -> None:
    for supplier in ("card-printer", "shift-rostering", "uniform"):
        (record,) = (force.out / ".records" / supplier).glob("2026-11-24-*.json")
        checks = json.loads(base64.b64decode(json.loads(record.read_text())["payload"]))["checks"]
        assert {"drill-dictionary", "drill-frequency", "drill-side-channels", "drill-singling-out", "drill-collusion"} <= set(
            checks
        )


def test_no_supplier_sees_the_drill(force: Force) -> None:
    for manifest in force.out.glob("[!.]*/*/manifest.json"):
        payload = json.loads(manifest.read_text())["payload"]
        assert b"drill" not in base64.b64decode(payload)
