"""What a policy says of a map from old tokens to new ones, and to whom it is encrypted."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from transforms.contract.load import load_contract
from transforms.errors import PolicyError
from transforms.policy.explain import explain
from transforms.policy.lint import lint
from transforms.policy.load import load_policies, load_policy
from transforms.policy.model import Continuity, Policy

EXAMPLES = Path(__file__).parents[2] / "examples"
CONTRACT = load_contract(EXAMPLES / "hr-export.yaml")
DER = bytes.fromhex("302a300506032b656e032100") + bytes(range(32))
KEY, FINGERPRINT = base64.b64encode(DER).decode(), hashlib.sha256(DER).hexdigest()
ED25519 = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + bytes(range(32))).decode()
TERMS = {"contracted": "schedule 3, clause 7", "recipient_key": KEY, "fingerprint": FINGERPRINT, "expires": "2027-11-30"}


def written(directory: Path, **changes: str) -> Path:
    terms = {name: value for name, value in (TERMS | changes).items() if value}
    text = (EXAMPLES / "suppliers" / "uniform.yaml").read_text(encoding="utf-8")
    lines = "".join(f"  {name}: {value}\n" for name, value in terms.items())
    path = directory / "uniform.yaml"
    path.write_text(f"{text}continuity:\n{lines}", encoding="utf-8")
    return path


def code(path: Path) -> str:
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    return caught.value.code


def test_a_policy_owes_no_map_unless_it_says_so() -> None:
    assert {policy.continuity for policy in load_policies(EXAMPLES / "suppliers")} == {None}


def test_a_policy_says_to_whom_a_map_goes(tmp_path: Path) -> None:
    policy = load_policy(written(tmp_path))
    assert policy.continuity == Continuity("schedule 3, clause 7", KEY, FINGERPRINT, date(2027, 11, 30))
    lint(policy, CONTRACT)


@pytest.mark.parametrize("name", TERMS)
def test_terms_without_any_one_key_are_refused(tmp_path: Path, name: str) -> None:
    assert code(written(tmp_path, **{name: ""})) == "key-missing"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"fingerprint": "0" * 64}, "recipient-fingerprint"),
        ({"recipient_key": ED25519}, "recipient-key"),
        ({"expires": "2027-02-30"}, "recipient-expires"),
        ({"contracted": "TODO"}, "value-invalid"),
        ({"also_to": KEY}, "key-unknown"),
    ],
)
def test_terms_that_break_a_rule_are_refused(tmp_path: Path, changes: dict[str, str], expected: str) -> None:
    assert code(written(tmp_path, **changes)) == expected


@pytest.mark.parametrize("changes", [{"recipient_key": "AAAA"}, {"fingerprint": FINGERPRINT.upper()}, {"expires": "in a year"}])
def test_terms_of_another_form_are_refused(tmp_path: Path, changes: dict[str, str]) -> None:
    with pytest.raises(PolicyError):
        load_policy(written(tmp_path, **changes))


def of_transactions(policy: Policy) -> Policy:
    return replace(policy, columns=tuple(replace(c, scope="transaction") if c in policy.tokens else c for c in policy.columns))


def test_a_map_of_tokens_that_never_outlive_a_release_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as caught:
        lint(of_transactions(load_policy(written(tmp_path))), CONTRACT)
    assert caught.value.code == "continuity-no-token"
    lint(of_transactions(load_policy(EXAMPLES / "suppliers" / "uniform.yaml")), CONTRACT)


def test_a_map_is_told_of_in_plain_words_where_there_is_one(tmp_path: Path) -> None:
    text = " ".join(explain(load_policy(written(tmp_path)), CONTRACT).split())
    assert "a map from the old tokens to the new ones" in text
    assert f"{FINGERPRINT[:16]} and which expires on 2027-11-30" in text
    assert "a map from" not in " ".join(explain(load_policy(EXAMPLES / "suppliers" / "uniform.yaml"), CONTRACT).split())
