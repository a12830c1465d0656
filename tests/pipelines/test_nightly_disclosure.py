"""Whom a release tells apart, beside the release before it: counted for the force, refused where the policy says so [D1, D4]."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from pipelines.release.record import open_record
from transforms.errors import Refused

if TYPE_CHECKING:
    from conftest import Site

ROSTER = ("shift-rostering",)


def _next_night(site: Site) -> Site:
    """The day after, on which one person moves."""
    rows = site.rows()
    row = next(row for row in rows if row["protected"] == "no")
    row["site"] = "Canal Wharf" if row["site"] != "Canal Wharf" else "Dock Road"
    return replace(site.with_rows(rows, name="next"), date=site.date + timedelta(days=1))


def _with_risk(site: Site, risk: str) -> Site:
    return site.with_policies(lambda _, text: text.replace("output:", f"risk: {{{risk}}}\noutput:"))


def test_one_person_who_moved_between_two_nights_is_counted_and_told_to_the_force_alone(site: Site) -> None:
    site.run(suppliers=ROSTER)
    after = _next_night(site)
    notices = after.run(suppliers=ROSTER)["notices"]
    assert "shift-rostering: 1 of 1 changes since the last release have nobody else's beside them" in notices
    release = after.release(ROSTER[0])
    path = after.records / ROSTER[0] / f"{release.name}.json"
    record = open_record(path.read_bytes(), (after.public_key,), path)
    assert (record.counts["rows_changed"], record.counts["singled_out_by_change"]) == (1, 1)
    assert "singled-out-by-change" in record.checks
    assert all(b"singled" not in file.read_bytes() for file in release.iterdir())


def test_a_view_in_which_one_change_is_alone_is_refused_where_the_policy_allows_none(site: Site) -> None:
    strict = _with_risk(site, "singled_out_by_change: 0")
    strict.run(suppliers=ROSTER)
    after = _next_night(strict)
    with pytest.raises(Refused, match=r"singled-out-by-change: people\.csv since the release before \(1\)"):
        after.run(suppliers=ROSTER)
    assert [path.name[:10] for path in (after.out / ROSTER[0]).iterdir()] == [site.date.isoformat()]


def test_a_view_with_small_groups_is_told_of_by_default_and_refused_where_the_policy_says_so(site: Site) -> None:
    said = " ".join(site.run(suppliers=ROSTER)["notices"])
    assert "people are alike with too few in all quasi columns" in said
    with pytest.raises(Refused, match=r"small-group: people\.csv columns unit_band, site"):
        _with_risk(site.named("strict"), "small_groups: refuse").run(suppliers=ROSTER)
