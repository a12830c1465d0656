"""How long a token lasts, through the real run: `relationship` for the supplier's epoch, `transaction` for one release [P3]."""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from transforms.errors import PolicyError

if TYPE_CHECKING:
    from tests.pipelines.conftest import Site

SUPPLIER = "uniform"
KEPT = "  person_token: {action: token, of: [pay_number]"


def with_parcel_token(site: Site, scope: str) -> Site:
    """The same site with a second token of the person, of another scope."""
    second = f"  parcel_token: {{action: token, of: [pay_number], scope: {scope}, why: label of this parcel}}\n"

    def edit(supplier: str, text: str) -> str:
        if supplier != SUPPLIER:
            return text
        start, kept, rest = text.partition(KEPT)
        line, end, rest = rest.partition("\n")
        return start + kept + line + end + second + rest

    return site.with_policies(edit)


def tokens(site: Site, column: str) -> set[str]:
    with (site.release(SUPPLIER) / "people.csv").open(encoding="utf-8", newline="") as file:
        return {row[column] for row in csv.DictReader(file)}


def test_a_second_night_has_the_same_relationship_tokens_and_not_one_of_the_same_transaction_tokens(site: Site) -> None:
    first = with_parcel_token(site, "transaction")
    second = replace(first, date=first.date + timedelta(days=1))
    for night in (first, second):
        night.run(suppliers=(SUPPLIER,))
    assert tokens(first, "person_token") == tokens(second, "person_token")
    assert len(tokens(first, "parcel_token")) == len(tokens(second, "parcel_token")) == len(tokens(first, "person_token"))
    assert tokens(first, "parcel_token").isdisjoint(tokens(second, "parcel_token"))


def test_one_token_for_all_suppliers_is_refused_before_anything_is_staged(site: Site) -> None:
    with pytest.raises(PolicyError) as caught:
        with_parcel_token(site, "person").run(suppliers=(SUPPLIER,))
    assert caught.value.code == "token-scope-person"
    assert not site.staging.exists() or site.left_in_staging() == []
