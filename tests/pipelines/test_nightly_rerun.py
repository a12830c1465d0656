"""A date has one release: a second run of it finishes or proves it, and never overwrites it; dates follow one another [A6, A14]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from pipelines.release.offline import verify_sequence
from transforms.errors import Refused
from transforms.keyring import admin

if TYPE_CHECKING:
    from conftest import Ended, Row, Site

ROSTER = ("shift-rostering",)
Call = Callable[[list[str]], "Ended"]


def _move_one_person(rows: list[Row]) -> None:
    row = next(row for row in rows if row["protected"] == "no")
    row["site"] = "Canal Wharf" if row["site"] != "Canal Wharf" else "Dock Road"


def _protect_one_person(rows: list[Row]) -> None:
    next(row for row in rows if row["protected"] == "no")["protected"] = "yes"


def _remove_one_person(rows: list[Row]) -> None:
    rows.remove(next(row for row in rows if row["protected"] == "no"))


def _protect_everybody(rows: list[Row]) -> None:
    for row in rows:
        row["protected"] = "yes"


@pytest.fixture
def published(site: Site) -> Site:
    """A site at which the roster of the date is published."""
    assert site.run(suppliers=ROSTER)["outcome"] == "published"
    return site


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory, staged_site: Site) -> Site:
    """The same for tests that must find the release as it was when they end."""
    site = replace(staged_site, root=tmp_path_factory.mktemp("kept"))
    site.run(suppliers=ROSTER)
    return site


def test_a_second_run_of_a_date_finds_it_published_and_touches_nothing(site: Site, call: Call) -> None:
    first = call(site.arguments("run"))
    before = site.visible()
    assert any(path.startswith("card-printer/") and path.endswith(".jpg") for path in before)
    again = call(site.arguments("run"))
    assert (again.status, again.summary["outcome"]) == (0, "already-published")
    releases = [{name: view["release"] for name, view in ended.summary["suppliers"].items()} for ended in (first, again)]
    assert releases[0] == releases[1]
    assert site.visible() == before
    assert site.left_in_staging() == []


@pytest.mark.parametrize("change", [_move_one_person, _protect_one_person, _remove_one_person, _protect_everybody])
def test_a_date_with_changed_input_is_refused_and_the_release_stays(
    kept: Site, call: Call, change: Callable[[list[Row]], None]
) -> None:
    before = kept.visible()
    rows = kept.rows()
    change(rows)
    ended = call(kept.with_rows(rows).arguments("run", "--supplier", *ROSTER))
    assert (ended.status, ended.summary["outcome"], ended.summary["code"]) == (10, "refused", "already-published-different")
    assert kept.visible() == before
    assert kept.left_in_staging() == []


def test_a_change_that_a_supplier_cannot_see_is_no_change_of_its_release(kept: Site) -> None:
    rows = kept.rows()
    for row in rows:
        row["phone"], row["vetting_level"] = "", ""
    before = kept.visible()
    assert kept.with_rows(rows).run(suppliers=ROSTER)["outcome"] == "already-published"
    assert kept.visible() == before


def test_a_date_with_other_terms_is_refused_and_the_release_stays(kept: Site) -> None:
    before = kept.visible()
    longer = kept.with_policies(lambda _, text: text.replace("delete_after_days: 14", "delete_after_days: 15"))
    with pytest.raises(Refused) as refusal:
        longer.run(suppliers=ROSTER)
    assert refusal.value.code == "already-published-different"
    assert kept.visible() == before


def test_the_next_date_follows_the_last_one(published: Site) -> None:
    first = published.visible()
    tomorrow = replace(published, date=published.date + timedelta(days=1))
    assert tomorrow.run(suppliers=ROSTER)["outcome"] == "published"
    directories = [site.release("shift-rostering") for site in (published, tomorrow)]
    manifests = verify_sequence(directories, published.public_key)
    assert [manifest.sequence for manifest in manifests] == [1, 2]
    assert manifests[1].previous is not None
    # The same people under the same key have the same tokens, and the first release is as it was.
    assert (directories[0] / "people.csv").read_bytes() == (directories[1] / "people.csv").read_bytes()
    assert {path: facts for path, facts in published.visible().items() if path in first} == first
    # Yesterday can still be proven.
    assert published.run(suppliers=ROSTER)["outcome"] == "already-published"


def test_a_new_epoch_starts_with_the_next_date_and_shares_no_token_with_the_last(site: Site, call: Call) -> None:
    own = replace(site, keys=f"file:{site.root / 'keys'}")  # since a new epoch is for good
    keys = ["--keys", own.keys, "--policies", str(own.policies)]
    assert call(["keys", "init", *keys]).status == 0
    own.run(suppliers=ROSTER)
    before = own.visible()
    rotated = call(["keys", "new-epoch", *keys, "--supplier", *ROSTER]).summary
    assert (rotated["outcome"], rotated["epoch"], rotated["deactivated"]) == ("rotated", 2, 1)

    same_date = call(own.arguments("run", "--supplier", *ROSTER))
    assert (same_date.status, same_date.summary["code"]) == (10, "date-already-published")
    assert own.visible() == before

    tomorrow = replace(own, date=own.date + timedelta(days=1))
    assert tomorrow.run(suppliers=ROSTER)["suppliers"]["shift-rostering"]["epoch"] == 2
    tokens = [_tokens(site) for site in (own, tomorrow)]
    assert [len(found) for found in tokens] == [len(tokens[0])] * 2
    assert [{token.split("-")[0] for token in found} for found in tokens] == [{"SR1"}, {"SR2"}]
    bodies = [{token.split("-")[1] for token in found} for found in tokens]
    assert bodies[0] & bodies[1] == set()
    manifests = verify_sequence([own.release("shift-rostering"), tomorrow.release("shift-rostering")], own.public_key)
    assert [manifest.terms.tokens.epoch for manifest in manifests] == [1, 2]


def test_a_new_signing_key_leaves_what_the_old_one_signed_valid_for_the_force(site: Site) -> None:
    own = replace(site, keys=f"file:{site.root / 'keys'}")
    admin.init(own.keys, ROSTER, own.now)
    own.run(suppliers=ROSTER)
    admin.new_epoch(own.keys, "signing", own.now)
    tomorrow = replace(own, date=own.date + timedelta(days=1))
    assert tomorrow.run(suppliers=ROSTER)["outcome"] == "published"
    # Proven again, and left under its old signature.
    before = own.visible()
    assert own.run(suppliers=ROSTER)["outcome"] == "already-published"
    assert own.visible() == before


def _tokens(site: Site) -> set[str]:
    lines = (site.release("shift-rostering") / "people.csv").read_text(encoding="utf-8").splitlines()
    return {line.split(",")[0] for line in lines[1:]}
