"""A stolen key opens every token of its supplier and epoch, of whatever kind, and no other."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipelines.drill.claims import ValueClaims
from pipelines.drill.loot import Haul, Loot, Public, design_of
from pipelines.drill.stolen_key import KeyReference, attack
from transforms.contract.load import load_contract
from transforms.keyring import admin
from transforms.keyring.resolving import open_resolving_keys
from transforms.policy.load import load_policy
from transforms.policy.model import Policy, TokenColumn, TokenKind
from transforms.tokens.column import form_of, label_of, make_tokens
from transforms.tokens.derive import column_key

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CONTRACT = load_contract(EXAMPLES / "hr-export.yaml")
DAY, RELEASE = date(2026, 11, 23), "2026-11-23-000000"
PEOPLE = pa.array([f"{number:08d}" for number in range(20_150_000, 20_150_400)])
SHOWN = PEOPLE.take(pa.array(np.arange(0, 400, 7)[::-1]))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Keys of two suppliers, one of whom has two epochs."""
    uri = f"file:{tmp_path_factory.mktemp('stolen') / 'keys'}"
    now = datetime.now(UTC)
    admin.init(uri, ("uniform", "card-printer"), now)
    admin.new_epoch(uri, "uniform", now)
    return uri


def stolen(store: str, supplier: str, epoch: int) -> KeyReference:
    return KeyReference(store, supplier, epoch, datetime.now(UTC).date())


def release(store: str, kind: TokenKind, scope: str) -> Loot:
    """A release of `uniform` in epoch 1 whose one column has tokens of that kind, and the numbers that may be issued."""
    token = TokenColumn("person_token", ("pay_number",), "stands for the person", scope=scope, kind=kind)  # type: ignore[arg-type]
    policy: Policy = replace(load_policy(EXAMPLES / "suppliers" / "uniform.yaml"), columns=(token,))
    with open_resolving_keys(store, "uniform", datetime.now(UTC).date()) as keys:
        key = column_key(keys.key(1).reveal(), label_of(policy, token, 1, RELEASE))
        tokens = make_tokens(key, form_of(policy, CONTRACT, token, 1), SHOWN, [SHOWN]).text
    haul = Haul(design_of(policy, CONTRACT), DAY, RELEASE, Path("nowhere"), pa.table({"person_token": tokens}))
    numbers = (range(20_150_000, 20_150_400),)
    return Loot((haul,), Public("pay_number", (), (), {}, None, None, numbers, 8))


def said(loot: Loot, reference: KeyReference) -> list[tuple[int, str]]:
    """Every row of which something is claimed, and the number that it is said to have."""
    claims = [claim for claim in attack(loot, reference) if isinstance(claim, ValueClaims)]
    assert claims
    return [(int(row), number) for claim in claims for row, number in zip(claim.rows, claim.said.to_pylist(), strict=True)]


@pytest.mark.parametrize("kind", ["one-way", "reversible", "digits", "short"])
@pytest.mark.parametrize("scope", ["relationship", "transaction"])
def test_every_token_of_the_stolen_epoch_falls_whatever_its_kind(store: str, kind: TokenKind, scope: str) -> None:
    found = said(release(store, kind, scope), stolen(store, "uniform", 1))
    assert sorted(found) == list(enumerate(SHOWN.to_pylist()))


@pytest.mark.parametrize("kind", ["one-way", "reversible", "digits", "short"])
@pytest.mark.parametrize(("supplier", "epoch"), [("uniform", 2), ("card-printer", 1)])
def test_the_key_of_another_epoch_or_supplier_opens_none(store: str, kind: TokenKind, supplier: str, epoch: int) -> None:
    truth = SHOWN.to_pylist()
    assert not [
        row for row, number in said(release(store, kind, "relationship"), stolen(store, supplier, epoch)) if truth[row] == number
    ]
