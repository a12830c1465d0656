"""The whole drill on two nights: every attack wins where it should, and not where it should not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pyarrow.csv as pa_csv
from pydantic import TypeAdapter

from pipelines.drill.model import CHANCE, DrillReport, Verdict, report_json

if TYPE_CHECKING:
    from conftest import Find, Force

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "spec" / "drill.schema.json"


def test_every_careless_design_falls(report: DrillReport) -> None:
    careless = [result for result in report.attacks if result.careless]
    assert [f"{result.attack} on {result.target}" for result in careless if result.verdict is not Verdict.WON] == []


def test_every_attack_is_seen_to_win_somewhere(report: DrillReport) -> None:
    attacks = {result.attack for result in report.attacks}
    assert attacks - {result.attack for result in report.attacks if result.careless and result.above_guess} == set()


def test_no_release_of_the_examples_falls(report: DrillReport) -> None:
    assert [f"{result.attack} on {result.target}" for result in report.over] == []


def test_nothing_is_attributed_without_a_key(report: DrillReport) -> None:
    bounded = [result for result in report.attacks if result.limit == "attributed_above_guess"]
    assert {result.target.partition(" ")[0] for result in bounded} == {"card-printer", "shift-rostering", "uniform"}
    assert sum(result.above_guess for result in bounded) == 0


def test_a_stolen_key_brings_down_every_row_of_its_supplier_and_epoch(find: Find) -> None:
    fallen = [result for result in find("stolen-key") if result.limit is None]
    assert {result.target for result in fallen} == {
        f"{supplier} 2026-11-{day}" for supplier in ("card-printer", "shift-rostering", "uniform") for day in (23, 24)
    }
    assert all(result.correct == result.people > 0 for result in fallen)


def test_a_stolen_key_brings_down_no_row_of_another_supplier_or_epoch(find: Find) -> None:
    others = [result for result in find("stolen-key") if result.limit is not None]
    assert [result.claims for result in others] == [0] * len(others)
    assert any("the key of uniform, epoch 1" in result.holds and result.target == "uniform 2026-11-24" for result in others)
    assert any("the key of uniform, epoch 2" in result.holds and result.target == "uniform 2026-11-23" for result in others)


def test_suppliers_together_relink_nobody(find: Find) -> None:
    pairs = find("collusion")
    assert [result.target for result in pairs] == [
        "card-printer+shift-rostering",
        "card-printer+uniform",
        "shift-rostering+uniform",
    ]
    assert [(result.share, result.people > 0) for result in [*pairs, *find("collusion-of-all")]] == [(0, True)] * 4


def test_a_rate_stands_beside_its_guess_and_within_its_interval(report: DrillReport) -> None:
    for result in report.attacks:
        assert result.low <= result.rate <= result.high
        assert 0 <= result.guess_rate <= 1
        assert (result.above_guess > 0) == (result.chance < CHANCE and result.correct > result.claims * result.guess_rate)


def test_the_report_holds_no_name_and_no_number(report: DrillReport, force: Force) -> None:
    text = report_json(report).decode()
    words = set(re.findall(r"\w+", text.casefold()))
    for night in (1, 2):
        people = pa_csv.read_csv(force.export(night), convert_options=pa_csv.ConvertOptions(column_types={"pay_number": "string"}))
        for number in people.column("pay_number").to_pylist():
            assert number not in text
        names = {str(name).casefold() for column in ("surname", "forenames") for name in people.column(column).to_pylist() if name}
        assert {name for name in names if len(name) >= 4 and name in words} - words_of_the_program(report) == set()


def words_of_the_program(report: DrillReport) -> set[str]:
    """Words that the report has whatever force is attacked: a few are names as well."""
    said = report.interval + " ".join(f" {result.holds} {result.asks} {result.conditions}" for result in report.attacks)
    return set(re.findall(r"\w+", said.casefold()))


def test_the_report_keeps_to_its_schema(report: DrillReport) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert schema == TypeAdapter(DrillReport).json_schema()
    jsonschema.validate(json.loads(report_json(report)), schema)


def test_the_page_on_the_report_names_each_field() -> None:
    page = SCHEMA.with_name("drill.md").read_text(encoding="utf-8")
    schema = TypeAdapter(DrillReport).json_schema()
    fields = [*schema["properties"], *schema["$defs"]["AttackResult"]["properties"], *schema["$defs"]["NotRun"]["properties"]]
    assert [each for each in fields if f"`{each}`" not in page] == []


def test_a_press_picture_is_found_among_the_photos_of_a_release_and_bounded_by_nothing(find: Find) -> None:
    (likeness,) = [result for result in find("photo-likeness") if result.target == "card-printer"]
    assert (likeness.by_photo, likeness.limit, likeness.verdict) == (True, None, Verdict.TOLD)


def test_photo_files_say_nothing_beside_their_pixels(find: Find) -> None:
    (metadata,) = find("photo-metadata")
    assert (metadata.target, metadata.claims, metadata.limit) == ("card-printer", 0, "attributed_above_guess")
