"""Policies in plain words."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from transforms.contract.load import load_contract
from transforms.contract.model import Classification, Column, Contract
from transforms.policy.explain import WIDTH, explain
from transforms.policy.lint import lint
from transforms.policy.load import load_policies
from transforms.policy.model import GeneraliseColumn, KeepColumn, PhotoSpec, Policy, RiskLimits, TokenColumn

EXAMPLES = Path(__file__).parents[2] / "examples"
CONTRACT = load_contract(EXAMPLES / "hr-export.yaml")
POLICIES = {policy.supplier: policy for policy in load_policies(EXAMPLES / "suppliers")}

# nothing in here is in the examples
OTHER_CONTRACT = Contract(
    name="other",
    version="1",
    columns=(
        Column("key", Classification.IDENTIFIER, required=True, unique=True, pattern="K[0-9]+"),
        Column("secrecy", Classification.RESTRICTED, vocabulary=("high", "low")),
        Column(
            "hue",
            Classification.QUASI,
            vocabulary=("red", "pink", "blue"),
            generalisations={"warmth": {"red": "warm", "pink": "warm", "blue": "cold"}},
        ),
        Column("locker", Classification.OPERATIONAL, pattern="L[0-9]{3}"),
        Column("memo", Classification.OPERATIONAL, description="Words"),
    ),
    person_key="key",
    protected_column=None,
)
OTHER_POLICY = Policy(
    supplier="locksmith",
    token_prefix="LS",
    purpose="cut keys",
    agreement="A-1",
    legal_basis="contract",
    delete_after_days=1,
    legal_regime="dpa-2018-part-3",
    role="controller",
    transfer_country="IE",
    columns=(
        TokenColumn("door_token", ("key",), "label on the key", scope="transaction"),
        GeneraliseColumn("warmth", "hue", "colour of the tag"),
        KeepColumn("locker", "which lock"),
    ),
    full_population="Every lock is changed at once, so nobody can be left out",
    dropped={"memo": "no use for it"},
    delivery_format="parquet",
)


def words(text: str) -> str:
    return " ".join(text.split())


def sides(text: str) -> tuple[str, str]:
    _, _, after = text.partition("What leaves, for each of them\n")
    leaves, _, after = after.partition("What does not leave\n")
    stays, _, _ = after.partition("What a thief of this view would learn\n")
    assert leaves
    assert stays
    return words(leaves), words(stays)


@pytest.mark.parametrize("supplier", POLICIES)
def test_every_column_of_the_contract_is_on_exactly_one_side(supplier: str) -> None:
    leaves, stays = sides(explain(POLICIES[supplier], CONTRACT))
    listed = re.findall(r"- ([a-z_]+):", stays)
    assert max(Counter(listed).values()) == 1
    # a column that is used is named as a view column, or in the words that say what a view column is made of
    used = {
        name
        for name in CONTRACT.names
        if re.search(rf"(- {name}: |token in place of [a-z_, ]*\b{name}\b|: {name}, but|picture of {name},)", leaves)
    }
    assert used.isdisjoint(listed)
    assert used | set(listed) == set(CONTRACT.names)


@pytest.mark.parametrize("supplier", POLICIES)
def test_whatever_the_policy_says_is_told(supplier: str) -> None:
    policy = POLICIES[supplier]
    text = words(explain(policy, CONTRACT))
    for said in (policy.purpose, policy.agreement, policy.legal_basis, policy.dpia, policy.domain):
        assert said is not None
        assert said in text
    assert f"within {policy.delete_after_days} days" in text
    for column in policy.columns:
        assert f"- {column.name}: " in text
        assert f"Why: {column.why}." in text
    for column, values in policy.where.items():
        assert f"{column} is" in text
        assert all(value in text for value in values)
    assert policy.full_population is None or policy.full_population in text


@pytest.mark.parametrize("supplier", POLICIES)
def test_vetting_is_the_first_thing_that_does_not_leave(supplier: str) -> None:
    _, stays = sides(explain(POLICIES[supplier], CONTRACT))
    assert re.findall(r"- ([a-z_]+):", stays)[:3] == ["vetting_level", "vetting_date", "protected"]


@pytest.mark.parametrize("supplier", POLICIES)
def test_the_text_fits_a_terminal_and_never_calls_the_view_anonymous(supplier: str) -> None:
    text = explain(POLICIES[supplier], CONTRACT)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert text.endswith("\n")
    assert "anonym" not in text.casefold()
    assert "pseudonymised personal data" in words(text)


@pytest.mark.parametrize("supplier", POLICIES)
def test_a_thief_learns_of_faces_only_where_photos_leave(supplier: str) -> None:
    _, _, thief = explain(POLICIES[supplier], CONTRACT).partition("What a thief")
    assert ("what each person looks like" in words(thief)) == (POLICIES[supplier].photo is not None)


def test_the_words_follow_the_policy_and_not_the_example() -> None:
    lint(OTHER_POLICY, OTHER_CONTRACT)
    text = explain(OTHER_POLICY, OTHER_CONTRACT)
    flat = words(text)
    for said in (
        "locksmith, as controller, in IE",
        "contract, under Part 3 of the Data Protection Act 2018",
        "no impact assessment is named",
        "within 1 day ",
        "Written as Parquet",
        "Everybody in the export. The written justification: Every lock is changed at once, so nobody can be left out.",
        "a token in place of key, which does not leave; a new one in every release",
        "hue, but only as coarse as warm or cold.",
        "locker: as HR has it, in a fixed pattern.",
        "memo: Words (dropped: no use for it)",
        "- secrecy",
    ):
        assert said in flat
    for unsaid in ("protected", "photo", "card", "rank", "uniform", "same person", "Photographs"):
        assert unsaid not in flat


def test_a_photo_is_told_with_its_size_in_millimetres_and_pixels() -> None:
    policy = POLICIES["card-printer"]
    wider = replace(policy, photo=PhotoSpec("photo_file", 27.75, 37, 300, 60000, "person_token"))
    assert "27.75 x 37 mm at 300 dpi (328 x 437 pixels)" in words(explain(wider, CONTRACT))


def test_the_limits_of_the_drill_are_told() -> None:
    flat = words(explain(replace(POLICIES["uniform"], risk=RiskLimits(3, 0.025)), CONTRACT))
    assert "at most 3 people can be told from it more surely than by guessing" in flat
    assert "at most 2.5 % of the people" in flat
    assert "nobody can be told from it" in words(explain(POLICIES["uniform"], CONTRACT))


def test_limits_of_small_groups_and_of_changes_are_told_where_they_hold() -> None:
    limits = RiskLimits(smallest_group=8, small_groups="refuse", singled_out_by_change=2)
    strict = words(explain(replace(POLICIES["uniform"], risk=limits), CONTRACT))
    assert "everybody in it is like 7 others or more" in strict
    assert "at most 2 people are alone in what changed" in strict
    usual = words(explain(POLICIES["uniform"], CONTRACT))
    assert "others or more" not in usual
    assert "alone in what changed" not in usual


@pytest.mark.parametrize(
    ("crop", "said"), [("top", "from the top"), ("face", "HR's export has a box"), ("detected", "a program finds")]
)
@pytest.mark.parametrize(("delivery", "written"), [("folder", "a folder of photos"), ("zip", "ZIP archives of photos")])
def test_a_photo_s_crop_and_delivery_are_told(crop: str, said: str, delivery: str, written: str) -> None:
    policy = POLICIES["card-printer"]
    assert policy.photo is not None
    asked = replace(policy, photo=replace(policy.photo, crop=crop), photo_delivery=delivery)  # type: ignore[arg-type]
    text = " ".join(explain(asked, CONTRACT).split())
    assert said in text
    assert written in text
