"""How small the crowds of a release are, counted on its files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from pipelines.inputs import Terms
from pipelines.reporting.crowds import read_crowds
from transforms.policy.model import Policy


@pytest.fixture
def policy(terms: Terms) -> Policy:
    """It keeps `unit_band` and `site`."""
    (policy,) = (policy for policy in terms.policies if policy.supplier == "shift-rostering")
    return policy


@pytest.fixture
def people() -> pa.Table:
    """One person alone, a pair, and twelve who are alike."""
    sites = ["Riverside"] + ["Kingsway"] * 2 + ["Quayside"] * 12
    bands = ["Other"] * 3 + ["Territorial"] * 12
    return pa.table({"person_token": [f"SR1-{n}" for n in range(15)], "unit_band": bands, "site": sites})


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_people_are_counted_by_how_many_share_their_kept_columns(
    form: str, policy: Policy, people: pa.Table, tmp_path: Path
) -> None:
    policy = replace(policy, delivery_format=form)  # type: ignore[arg-type]
    writer = pa_csv.write_csv if form == "csv" else pq.write_table
    writer(people, tmp_path / f"people.{form}")
    crowds = read_crowds(tmp_path, policy)
    assert crowds is not None
    assert (crowds.columns, crowds.smallest) == (("unit_band", "site"), 1)
    found = {size.label: (size.groups, size.people) for size in crowds.sizes if size.groups}
    assert found == {"1": (1, 1), "2 to 4": (1, 2), "10 to 19": (1, 12)}
    assert sum(size.people for size in crowds.sizes) == people.num_rows


def test_a_view_that_keeps_nothing_readable_has_no_crowds(policy: Policy, tmp_path: Path) -> None:
    assert read_crowds(tmp_path, replace(policy, columns=policy.tokens)) is None
