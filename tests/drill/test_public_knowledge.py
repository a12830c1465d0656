"""What the public is taken to know, and that attackers are given no more."""

from __future__ import annotations

import ast
from dataclasses import fields
from datetime import date
from pathlib import Path

import pyarrow as pa

from pipelines.drill import attacks
from pipelines.drill.loot import Haul, Loot, Public
from pipelines.drill.public import columns_known, make_public, name_columns
from transforms.contract.load import load_contract

CONTRACT = load_contract(Path(__file__).resolve().parents[2] / "examples" / "hr-export.yaml")
DAY = date(2026, 11, 23)


def people(count: int) -> pa.Table:
    columns = {name: [f"{name} {row}" for row in range(count)] for name in columns_known(CONTRACT)}
    columns |= {"pay_number": [f"{20_150_000 + 2 * row:08d}" for row in range(count)], "rank": ["PC"] * count}
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def test_the_example_contract_names_people_by_surname_and_forenames() -> None:
    assert name_columns(CONTRACT) == ("surname", "forenames")


def test_an_export_without_people_gives_empty_lists() -> None:
    public, behind = make_public({DAY: people(0)}, CONTRACT)
    assert (public.lists[DAY].num_rows, len(behind[DAY]), public.numbers) == (0, 0, ())


def test_a_list_misses_some_people_and_is_in_no_order_of_the_export() -> None:
    public, behind = make_public({DAY: people(5_000)}, CONTRACT)
    assert 0.97 * 5_000 < public.lists[DAY].num_rows < 0.99 * 5_000
    assert list(behind[DAY]) != sorted(behind[DAY])


def test_a_list_holds_no_person_key() -> None:
    public, _ = make_public({DAY: people(500)}, CONTRACT)
    assert "pay_number" not in public.lists[DAY].column_names
    assert public.salaries is not None
    assert "pay_number" not in public.salaries.column_names


def test_the_numbers_are_those_between_the_first_and_the_last_that_are_in_use() -> None:
    public, _ = make_public({DAY: people(500)}, CONTRACT)
    assert (public.numbers, public.width) == ((range(20_150_000, 20_150_999),), 8)


def test_loot_has_room_for_releases_and_public_knowledge_alone() -> None:
    assert [field.name for field in fields(Loot)] == ["hauls", "public"]
    names = {field.name for kind in (Haul, Public) for field in fields(kind)}
    assert names & {"keys", "key", "truth", "export", "rows_behind", "epoch_key"} == set()


def test_no_attacker_imports_what_knows_keys_or_people() -> None:
    known = {"truth", "score", "careless", "stolen_key", "public", "run", "course", "nightly"}
    for path in Path(attacks.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("pipelines", "transforms")):
                module = node.module or ""
                assert not module.startswith("transforms"), path.name
                assert module.rpartition(".")[2] not in known, path.name
