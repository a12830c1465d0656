"""The rows of a synthetic export: what they must hold, and that they keep the example contract."""

import csv
import re
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from pipelines.demo import make_demo
from pipelines.demo_data import force
from pipelines.demo_data.breakage import break_rows, plan
from pipelines.demo_data.people import SCHEMA, draw_rows, prepare
from transforms.contract.load import load_contract
from transforms.contract.model import Contract
from transforms.contract.places import ROW_REF
from transforms.contract.rows import RowChecker

CONTRACT = Path(__file__).parents[2] / "examples" / "hr-export.yaml"
PEOPLE = 5_000


@pytest.fixture(scope="module")
def rows() -> pa.RecordBatch:
    return draw_rows(prepare(PEOPLE, seed=1), 0, PEOPLE)


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract(CONTRACT)


def column(rows: pa.RecordBatch, name: str) -> list[str | None]:
    return rows.column(name).to_pylist()


def rank_correlation(values: list[str]) -> float:
    order = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    return float(np.corrcoef(order, np.arange(len(values)))[0, 1])


def test_the_columns_are_those_of_the_example_contract_in_its_order(contract: Contract) -> None:
    assert tuple(SCHEMA.names) == contract.names


@pytest.mark.parametrize("name", SCHEMA.names)
def test_every_cell_keeps_the_example_contract(rows: pa.RecordBatch, contract: Contract, name: str) -> None:
    described = contract.column(name)
    known = pa.array([value for value in column(rows, name) if value is not None and value.strip()], pa.string())
    assert len(known) == PEOPLE or not described.required
    assert len(known) > 0
    if described.vocabulary is not None:
        assert set(known.to_pylist()) <= set(described.vocabulary)
    if described.pattern is not None:  # RE2 as the contract means it: Python's own `re` knows no \p{L}
        assert pc.all(pc.match_substring_regex(known, f"^(?:{described.pattern})$")).as_py()


def with_places(rows: pa.RecordBatch) -> pa.RecordBatch:
    return rows.append_column(ROW_REF, pa.array(range(rows.num_rows), pa.int64()))


def test_the_contract_checks_accept_every_row_that_is_not_broken(rows: pa.RecordBatch, contract: Contract) -> None:
    checked = RowChecker(contract).check(with_places(rows))
    assert (checked.accepted.num_rows, checked.broken.num_rows) == (PEOPLE, 0)


def test_the_contract_checks_refuse_every_broken_row_by_its_rule(rows: pa.RecordBatch, contract: Contract) -> None:
    breakage = plan(PEOPLE, 1, 0.02, ragged=False)
    broken = break_rows(breakage, 0, rows, None)
    found = RowChecker(contract).check(with_places(broken)).broken.to_pylist()
    rules = Counter((line["column"], line["rule"]) for line in found)
    counts = breakage.row_counts()
    assert rules == {
        ("rank", "vocabulary"): counts["unknown-rank"],
        ("pay_number", "pattern"): counts["bad-pay-number"],
        ("forenames", "control-character"): counts["control-character"],
        ("unit_code", "required"): counts["missing-value"],
        ("surname", "too-long"): counts["over-long-cell"],
        ("card_type", "vocabulary"): counts["wrong-vocabulary"],
    }
    repeated = [n for n in Counter(column(broken, "pay_number")).values() if n > 1]
    assert sum(repeated) == counts["duplicate-pay-number"] > 0


def test_unique_columns_of_the_example_contract_repeat_no_value(rows: pa.RecordBatch, contract: Contract) -> None:
    unique = [c.name for c in contract.columns if c.unique]
    assert unique
    for name in unique:
        values = [value for value in column(rows, name) if value is not None]
        assert len(values) == len(set(values))


def test_a_force_of_47000_has_564_smiths() -> None:
    roll = prepare(47_000, seed=7)
    found = sum(
        pc.sum(pc.equal(draw_rows(roll, start, start + 23_500).column("surname"), "Smith")).as_py() for start in (0, 23_500)
    )
    assert found == 564


def test_joneses_come_after_smiths_and_before_everybody_else() -> None:
    surnames = draw_rows(prepare(47_000, seed=3), 0, 47_000).column("surname")
    counts = {pair["values"]: pair["counts"] for pair in pc.value_counts(pc.drop_null(surnames)).to_pylist()}
    assert sorted(counts, key=lambda name: -counts[name])[:2] == ["Smith", "Jones"]
    assert 330 < counts["Jones"] < 520  # 0.9 % of the electoral register


def test_every_clearance_is_held_by_somebody(rows: pa.RecordBatch, contract: Contract) -> None:
    assert set(column(rows, "vetting_level")) - {None} == set(contract.column("vetting_level").vocabulary or ())


def test_the_smallest_force_with_every_clearance_has_a_hundred_people() -> None:
    small = draw_rows(prepare(100, seed=2), 0, 100)
    assert set(column(small, "vetting_level")) >= set(force.VETTING)


TRAPS = {
    "blank": lambda name: name is None,
    "white space": lambda name: name is not None and name.isspace(),
    "one letter": lambda name: name in ("O", "E"),
    "straight apostrophe": lambda name: "'" in (name or ""),
    "typographic apostrophe": lambda name: "’" in (name or ""),
    "hyphen": lambda name: "-" in (name or ""),
    "hyphen that is not ASCII": lambda name: "‐" in (name or ""),
    "composed diacritics": lambda name: name is not None and name != unicodedata.normalize("NFD", name),
    "decomposed diacritics": lambda name: name is not None and name != unicodedata.normalize("NFC", name),
    "capitals": lambda name: name is not None and len(name) > 3 and name.isupper(),
    "blank before": lambda name: (name or "").startswith(" ") and not (name or "").isspace(),
    "blank behind": lambda name: (name or "").endswith(" ") and not (name or "").isspace(),
    "rank": lambda name: name in ("Constable", "Sergeant"),
    "site": lambda name: name == "London",
    "two words": lambda name: name == "de la Cruz",
}


@pytest.mark.parametrize("trap", TRAPS)
def test_some_surname_is_awkward_in_this_way(rows: pa.RecordBatch, trap: str) -> None:
    assert any(TRAPS[trap](name) for name in column(rows, "surname"))


@pytest.mark.parametrize("name", ["forenames", "known_as", "phone", "warrant_number", "bcu", "vetting_level"])
def test_some_people_have_no_value_here(rows: pa.RecordBatch, name: str) -> None:
    assert 0 < rows.column(name).null_count < PEOPLE


def test_email_and_photo_file_give_the_pay_number_away(rows: pa.RecordBatch) -> None:
    for pay, email, photo in zip(column(rows, "pay_number"), column(rows, "email"), column(rows, "photo_file"), strict=True):
        assert email == f"p{pay}@force.example"
        assert re.fullmatch(rf"[0-9]{{5}}/{pay}_[A-Za-z-]+\.(jpg|png)", photo or "")


def test_collar_numbers_begin_with_the_letters_of_the_command_and_are_worn_once(rows: pa.RecordBatch) -> None:
    worn = [(collar, unit) for collar, unit in zip(column(rows, "collar_number"), column(rows, "unit_code"), strict=True) if collar]
    assert all((unit or "").startswith(collar[:2]) for collar, unit in worn)
    assert len({collar for collar, _ in worn}) == len(worn)


def test_rows_are_in_the_order_of_pay_numbers_and_nearly_of_hire_dates(rows: pa.RecordBatch) -> None:
    pay = [value or "" for value in column(rows, "pay_number")]
    assert pay == sorted(pay)
    assert rank_correlation([value or "" for value in column(rows, "hire_date")]) > 0.9


def test_pay_numbers_are_dense_and_some_begin_with_zeros(rows: pa.RecordBatch) -> None:
    pay = [value or "" for value in column(rows, "pay_number")]
    old = [int(value) for value in pay if value.startswith("00")]
    assert 0 < len(old) < PEOPLE
    assert len(old) / (max(old) - min(old) + 1) > 0.4


def test_about_one_card_in_twelve_is_due_and_says_why(rows: pa.RecordBatch) -> None:
    due = np.array(column(rows, "card_due")) == "yes"
    assert 0.06 < due.mean() < 0.10
    assert [reason is not None for reason in column(rows, "card_reason")] == due.tolist()


def test_one_person_in_five_hundred_is_protected(rows: pa.RecordBatch) -> None:
    assert column(rows, "protected").count("yes") == round(PEOPLE * 0.002)


def test_three_people_in_ten_are_staff_and_volunteers(rows: pa.RecordBatch) -> None:
    cards = column(rows, "card_type")
    assert 0.24 < sum(card in ("Staff pass", "Volunteer pass") for card in cards) / PEOPLE < 0.34


def test_every_chief_officer_rank_is_held_by_few(rows: pa.RecordBatch) -> None:
    ranks = column(rows, "rank")
    for spelling, of_47000 in force.CHIEF_OFFICERS:
        assert 1 <= ranks.count(spelling) <= max(1, of_47000)


@pytest.mark.parametrize("spelling", ["PC", "Constable", "Police Constable", "DC", "CT DC", "TFC PC", "PCSO", "Band E", "SPC"])
def test_a_rank_is_spelt_in_this_way_too(rows: pa.RecordBatch, spelling: str) -> None:
    assert spelling in column(rows, "rank")


def test_nobody_was_vetted_before_they_were_hired_or_after_the_export(rows: pa.RecordBatch) -> None:
    pairs = zip(column(rows, "hire_date"), column(rows, "vetting_date"), strict=True)
    assert all(vetted is None or (hired or "") <= vetted <= "2026-11-02" for hired, vetted in pairs)


@pytest.mark.parametrize("block", [1, 7, 999, 4_096])
def test_rows_do_not_depend_on_the_size_of_blocks(rows: pa.RecordBatch, block: int) -> None:
    stop = min(PEOPLE, 60 * block)
    roll = prepare(PEOPLE, seed=1)
    pieces = [draw_rows(roll, start, min(start + block, stop)) for start in range(0, stop, block)]
    assert pa.Table.from_batches(pieces).combine_chunks().equals(pa.Table.from_batches([rows.slice(0, stop)]))


@pytest.mark.parametrize("people", [1, 2, 7, 99, 100, 199, 200, 999, 1_000])
def test_a_force_of_any_size_can_be_drawn(people: int) -> None:
    small = draw_rows(prepare(people, seed=5), 0, people)
    assert small.num_rows == people
    assert len(set(column(small, "pay_number"))) == people


def test_warrant_numbers_stay_unique_where_six_digits_run_out() -> None:
    roll = prepare(1_500_000, seed=1)
    around = [draw_rows(roll, start, start + 1_000).column("warrant_number") for start in (0, 987_500, 1_499_000)]
    known = [value for part in around for value in part.to_pylist() if value]
    assert all(re.fullmatch("[0-9]{6}", value) for value in known)
    assert len(known) == len(set(known))
    assert around[2].null_count == 1_000


def test_a_later_night_is_the_same_force_with_a_few_changes(tmp_path: Path) -> None:
    nights = []
    for night in (1, 2):
        made = make_demo(400, 5, tmp_path / str(night), "csv", 0.0, None, lambda what, done, total: None, night)
        with made.export.open(encoding="utf-8", newline="") as file:
            nights.append({row["pay_number"]: row for row in csv.DictReader(file)})
    before, after = nights
    joined, left = after.keys() - before.keys(), before.keys() - after.keys()
    stayed = before.keys() & after.keys()
    changed = {name: [key for key in stayed if before[key][name] != after[key][name]] for name in before[min(stayed)]}
    assert (len(joined), len(left)) == (4, 4)
    assert {after[key]["card_reason"] for key in joined} == {"New starter"}
    assert min(len(changed["rank"]), len(changed["surname"])) >= 1
    assert {name for name, keys in changed.items() if keys} == {"rank", "surname", "card_due", "card_reason"}
