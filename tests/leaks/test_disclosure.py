"""Whom a view tells apart: by what it keeps, and by what changed since the release before."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from transforms.leaks import RunFiles
from transforms.leaks.changes import Rows, check_changes
from transforms.leaks.groups import KeptCells, check_groups, group_sizes
from transforms.leaks.table import Chunk
from transforms.policy.model import RiskLimits

Nights = Callable[..., Any]
UNITS = ["CW", "CE", "CN"]


def limited(policy: Any, **limits: Any) -> Any:
    return replace(policy, risk=RiskLimits(**limits))


def chunks(policy: Any, rows: list[tuple[str, ...]], size: int = 7) -> list[Chunk]:
    width = len(policy.columns)
    cells = [pa.array([row[place] for row in rows], pa.string()) for place in range(width)]
    return [Chunk(start + 1, tuple(cell.slice(start, size) for cell in cells)) for start in range(0, len(rows), size)]


def seen(policy: Any, kept: KeptCells, rows: list[tuple[str, ...]]) -> Rows:
    some = Rows(policy, kept)
    for chunk in chunks(policy, rows):
        some.see(chunk)
    return some


def roster(count: int) -> list[tuple[str, ...]]:
    """Tokens, unit bands and sites of a shift roster: 2 bands by 5 sites."""
    return [(f"SR1-{n:017}", f"band {n % 2}", f"site {n % 5}") for n in range(count)]


@pytest.mark.parametrize("seed", range(5))
def test_group_sizes_are_those_that_counting_rows_one_by_one_gives(seed: int) -> None:
    columns = [np.random.default_rng(seed).integers(0, 4, 200) for _ in range(3)]
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    counts = Counter(rows)
    assert group_sizes(columns).tolist() == [counts[row] for row in rows]


def test_groups_and_marginals_of_the_kept_columns_are_counted(policies: Any, contract: Any) -> None:
    policy = policies["shift-rostering"]
    rows = [*roster(100), ("SR1-99999999999999999", "band 0", "site 9")]
    kept = KeptCells(policy, contract)
    now = seen(policy, kept, rows)
    checks, measures = check_groups(kept, now.codes, policy, "people.csv")
    assert measures == {"smallest_group": 1, "rows_in_small_groups": 1, "rows_in_small_marginals": 1}
    assert [check.findings() for check in checks] == [(), ()]


def test_a_small_group_is_refused_where_the_policy_says_so(policies: Any, contract: Any) -> None:
    policy = limited(policies["shift-rostering"], small_groups="refuse")
    kept = KeptCells(policy, contract)
    alone = [*roster(100), ("SR1-99999999999999999", "band 0", "site 9")]
    found = [f for check in check_groups(kept, seen(policy, kept, alone).codes, policy, "people.csv")[0] for f in check.findings()]
    assert {(f.rule, f.place, f.count) for f in found} == {
        (rule, "people.csv columns unit_band, site", 1) for rule in ("small-group", "small-marginal")
    }
    checks, measures = check_groups(kept, seen(policy, kept, roster(50)).codes, policy, "people.csv")
    assert (measures["smallest_group"], [f for check in checks for f in check.findings()]) == (5, [])


@pytest.mark.parametrize(("least", "small"), [(10, 0), (11, 100)])
def test_a_group_is_small_below_the_policys_number_and_not_at_it(policies: Any, contract: Any, least: int, small: int) -> None:
    policy = limited(policies["shift-rostering"], smallest_group=least)
    kept = KeptCells(policy, contract)
    assert check_groups(kept, seen(policy, kept, roster(100)).codes, policy, "x")[1]["rows_in_small_groups"] == small


def test_columns_of_any_class_are_held_together_by_twos_and_threes_and_only_quasi_ones_as_a_whole(
    policies: Any, contract: Any
) -> None:
    policy = policies["uniform"]
    kept = KeptCells(policy, contract)
    names = [column.name for column in policy.columns[1:]]
    rng = np.random.default_rng(3)
    rows = [(f"UN1-{n:017}", *(f"{name} {rng.integers(0, 3)}" for name in names)) for n in range(150)]
    measures = check_groups(kept, seen(policy, kept, rows).codes, policy, "x")[1]
    bands = Counter(row[1] for row in rows)
    assert measures["smallest_group"] == min(bands.values())
    few = set()
    for places in [places for size in (2, 3) for places in combinations(range(1, len(names) + 1), size)]:
        counts = Counter(tuple(row[place] for place in places) for row in rows)
        few |= {row for row in rows if counts[tuple(row[place] for place in places)] < 5}
    assert measures["rows_in_small_marginals"] == len(few) > 0


def test_whoever_is_alone_in_what_changed_is_counted(policies: Any, contract: Any) -> None:
    policy = policies["shift-rostering"]
    kept = KeptCells(policy, contract)
    before = roster(60)
    now = [row for row in before if row[0] not in {before[n][0] for n in (3, 13, 20)}]  # two alike and one alone leave
    now[0] = (now[0][0], "band 1", "site 0")  # alone in this
    for n in (4, 14, 24):  # three make the same change
        now[now.index(before[n])] = (before[n][0], "band 0", "site 1")
    now += [("SR1-A0000000000000000", "band 0", "site 2"), ("SR1-B0000000000000000", "band 0", "site 2")]
    check, counts = check_changes(seen(policy, kept, sorted(now)), seen(policy, kept, before), policy, "people.csv")
    assert counts == {"rows_joined": 2, "rows_left": 3, "rows_changed": 4, "singled_out_by_change": 2}
    assert check.findings() == ()
    for limit, rules in ((2, []), (1, ["singled-out-by-change"])):
        strict = limited(policy, singled_out_by_change=limit)
        check, _ = check_changes(seen(strict, kept, sorted(now)), seen(strict, kept, before), strict, "people.csv")
        assert [found.rule for found in check.findings()] == rules


def test_releases_without_a_token_in_common_are_not_compared(policies: Any, contract: Any) -> None:
    policy = limited(policies["shift-rostering"], singled_out_by_change=0)
    kept = KeptCells(policy, contract)
    after = [(f"SR2-{row[0][4:]}", *row[1:]) for row in roster(20)]
    check, counts = check_changes(seen(policy, kept, after), seen(policy, kept, roster(20)), policy, "people.csv")
    assert (check.findings(), counts) == ((), {})


def published(staged: Any, to: Path) -> Path:
    shutil.copytree(staged.release, to)
    return to


@pytest.mark.parametrize("supplier", ["lockers", "parquet"])
def test_a_view_is_compared_with_the_release_before_it(night: Nights, policies: Any, tmp_path: Path, supplier: str) -> None:
    before = night(supplier, people=60, cells={"locker": ["A 1", "B 2"]})
    previous = published(before, tmp_path / "previous")
    shutil.rmtree(before.area)
    cells = ["A 1", "B 2"] * 30
    cells[7] = "C 3"
    staged = night(supplier, people=60, cells={"locker": cells})
    staged.run_files = RunFiles(tmp_path / "none.jsonl", (), previous)
    measures = staged.judge().measures
    assert (measures["rows_changed"], measures["singled_out_by_change"]) == (1, 1)
    staged.policy = limited(staged.policy, singled_out_by_change=0)
    refused = staged.refusal()
    assert f"singled-out-by-change: {staged.table.name} since the release before (1)" in refused.rule
    assert "C 3" not in str(refused) + repr(refused)


def test_a_release_before_with_other_columns_is_not_compared(night: Nights, tmp_path: Path) -> None:
    staged = night("lockers", people=60)
    previous = tmp_path / "previous"
    previous.mkdir()
    (previous / "people.csv").write_bytes(b"person_token,other\r\n")
    staged.run_files = RunFiles(tmp_path / "none.jsonl", (), previous)
    assert "rows_joined" not in staged.judge().measures


def test_a_view_with_a_small_group_is_refused_as_a_whole(night: Nights) -> None:
    staged = night("shift-rostering", people=60)
    assert staged.judge().measures["smallest_group"] < 5
    staged.policy = limited(staged.policy, small_groups="refuse")
    assert "small-group: people.csv columns unit_band, site" in staged.refusal().rule
