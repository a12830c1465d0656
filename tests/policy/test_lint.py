"""A policy against a contract, without data."""

import string
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.contract.load import load_contract
from transforms.contract.model import Classification, Column, Contract
from transforms.errors import PolicyError
from transforms.leaks.vetting import VettingTerms
from transforms.policy.lint import check_policies, lint
from transforms.policy.load import load_policies, load_policy
from transforms.policy.model import KeepColumn, Policy
from transforms.steps.minimise_photos import print_spec

EXAMPLES = Path(__file__).parents[2] / "examples"

# the sample of the documentation: commas in prose, and neither dpia nor domain
SAMPLE = """\
supplier: card-printer
token_prefix: WC
purpose: print warrant cards and staff passes
agreement: DPA-2026-014            # article 28 contract
legal_basis: public task
delete_after_days: 30
rows:
  where: {card_due: [yes]}
columns:
  person_token: {action: token, of: [pay_number], why: joins photo, card and reply file}
  name_token:   {action: token, of: [surname, forenames], why: tells the bureau that a name changed}
  rank:         {action: generalise, to: rank_band, why: card colour}
  card_type:    {action: keep, why: card stock}
photo: {of: photo_file, width_mm: 25, height_mm: 32, dpi: 300, max_bytes: 60000, name: person_token}
output: {format: csv, photos: folder}
"""
CARD_TYPE = "card_type:    {action: keep, why: card stock}"


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract(EXAMPLES / "hr-export.yaml")


@pytest.fixture(scope="module")
def card_printer() -> Policy:
    return load_policy(EXAMPLES / "suppliers" / "card-printer.yaml")


def policy_of(tmp_path: Path, *changes: tuple[str, str]) -> Policy:
    text = SAMPLE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = tmp_path / "policy.yaml"
    path.write_text(text, encoding="utf-8")
    return load_policy(path)


def with_columns(contract: Contract, *columns: Column) -> Contract:
    return replace(contract, columns=(*contract.columns, *columns))


def findings(policy: Policy, contract: Contract) -> list[tuple[str, int]]:
    with pytest.raises(PolicyError) as caught:
        lint(policy, contract)
    for finding in caught.value.findings:
        assert finding.place.startswith(f"{policy.source}:")
        assert finding.rule
        assert finding.hint
    return [(finding.code, int(finding.place.rpartition(":")[2])) for finding in caught.value.findings]


def test_the_examples_are_clean_and_told_only_that_two_tokens_are_more_than_one(contract: Contract) -> None:
    notices = check_policies(contract, load_policies(EXAMPLES / "suppliers"))
    assert [(Path(notice.place).name, notice.code) for notice in notices] == [("card-printer.yaml:16", "tokens-several")]


@given(
    width=st.floats(1, 100), height=st.floats(1, 100), dpi=st.integers(1, 700), max_bytes=st.integers(1, 2_000) | st.just(60_000)
)
@settings(max_examples=300)
def test_a_print_that_the_lint_accepts_is_one_that_is_made(
    card_printer: Policy, contract: Contract, width: float, height: float, dpi: int, max_bytes: int
) -> None:
    assert card_printer.photo is not None
    asked = replace(card_printer.photo, width_mm=width, height_mm=height, dpi=dpi, max_bytes=max_bytes)
    policy = replace(card_printer, photo=asked)
    try:
        lint(policy, contract)
    except PolicyError:
        return
    spec = print_spec(policy)
    assert (spec.width_px, spec.height_px, spec.dpi, spec.max_bytes) == (asked.width_px, asked.height_px, dpi, max_bytes)


def test_a_policy_without_assessment_and_domain_is_noticed_and_not_stopped(tmp_path: Path, contract: Contract) -> None:
    assert [notice.code for notice in lint(policy_of(tmp_path), contract)] == ["dpia-missing", "domain-missing", "tokens-several"]


@pytest.mark.parametrize("column", ["vetting_level", "vetting_date", "protected"])
@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (CARD_TYPE, "{column}: {{action: keep, why: card stock}}", 13),
        (CARD_TYPE, "{column}: {{action: drop, why: not needed}}", 13),
        (CARD_TYPE, "{column}: {{action: generalise, to: level_band, why: card stock}}", 13),
        (CARD_TYPE, "{column}: {{action: token, of: [pay_number], why: card stock}}", 13),
        ("[surname, forenames]", "[surname, {column}]", 11),
        ("to: rank_band", "to: {column}", 12),
        ("card_due: [yes]", "{column}: [yes]", 8),
        ("card_due: [yes]", "card_due: [yes], {column}: [DV]", 8),
        ("of: photo_file", "of: {column}", 14),
        ("name: person_token", "name: {column}", 14),
    ],
)
def test_a_restricted_column_is_refused_wherever_a_policy_names_it(
    tmp_path: Path, contract: Contract, column: str, old: str, new: str, line: int
) -> None:
    assert ("restricted-named", line) in findings(policy_of(tmp_path, (old, new.format(column=column))), contract)


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        (CARD_TYPE, "surname: {action: keep, why: card front}", "keep-identifying", 13),
        (CARD_TYPE, "pay_number: {action: keep, why: card front}", "keep-identifying", 13),
        (CARD_TYPE, "email: {action: keep, why: card front}", "keep-identifying", 13),
        (CARD_TYPE, "collar_number: {action: keep, why: card front}", "keep-identifying", 13),
        (CARD_TYPE, "photo_file: {action: keep, why: card front}", "keep-identifying", 13),
        (CARD_TYPE, "surname: {action: generalise, to: initial, why: card front}", "generalise-identifying", 13),
        (CARD_TYPE, "email: {action: generalise, to: host, why: card front}", "generalise-identifying", 13),
        (CARD_TYPE, "unit_code: {action: keep, why: card front}", "keep-too-fine", 13),
        (CARD_TYPE, "hire_date: {action: keep, why: card front}", "keep-full-date", 13),
        (CARD_TYPE, "card_typ: {action: keep, why: card stock}", "column-unknown", 13),
        (CARD_TYPE, "notes: {action: drop, why: not needed}", "column-unknown", 13),
        ("[surname, forenames]", "[surname, forename]", "column-unknown", 11),
        ("card_due: [yes]", "due: [yes]", "column-unknown", 8),
        ("of: photo_file", "of: photo", "column-unknown", 14),
        ("to: rank_band", "to: rank_group", "generalisation-unknown", 12),
        ("to: rank_band", "to: unit_band", "generalisation-unknown", 12),
        ("card_due: [yes]", "card_due: [true]", "filter-value", 8),
        ("card_due: [yes]", "card_due: [yes, maybe]", "filter-value", 8),
        ("card_due: [yes]", "card_due: [yes, no]", "filter-total", 8),
        ("card_due: [yes]", "pay_number: ['00012345']", "filter-identifying", 8),
        ("card_due: [yes]", "email: [p00012345@force.example]", "filter-identifying", 8),
        ("card_due: [yes]", "photo_file: [a.jpg]", "filter-identifying", 8),
        ("card_due: [yes]", "hire_date: ['2020-01-01']", "filter-open", 8),
        ("[pay_number]", "[warrant_number]", "token-first", 10),
        ("[pay_number]", "[pay_number, surname]", "token-first", 10),
        ("  name_token: ", "  card_expiry: ", "name-of-export-column", 11),
        ("  name_token: ", "  rank_band: ", "name-twice", 12),
        ("  name_token: ", "  photo: ", "name-twice", 11),
        ("print warrant cards and staff passes", "print posters", "photo-purpose", 14),
        ("print warrant cards", "Print warrant cards", "photo-purpose", 14),
        ("of: photo_file", "of: surname", "photo-source", 14),
        ("name: person_token", "name: rank_band", "photo-name", 14),
        ("name_token: ", "row_ref: ", "name-reserved", 11),
        ("name: person_token", "name: nobody", "photo-name", 14),
        ("name: person_token", "name: name_token", "photo-name", 14),
        ("width_mm: 25", "width_mm: 60", "photo-size", 14),
        ("height_mm: 32", "height_mm: 77", "photo-size", 14),
        ("width_mm: 25", "width_mm: 1", "photo-size", 14),
        ("dpi: 300", "dpi: 601", "photo-size", 14),
        ("dpi: 300", "dpi: 71", "photo-size", 14),
        ("height_mm: 32", "height_mm: 51", "photo-size", 14),
        ("max_bytes: 60000", "max_bytes: 200001", "photo-bytes", 14),
        ("max_bytes: 60000", "max_bytes: 1023", "photo-bytes", 14),
        ("name: person_token}", "name: person_token, crop: face}", "photo-crop", 14),
        ("why: card stock", "why: anonymous card stock", "claims-anonymity", 13),
        ("print warrant cards and staff passes", "print anonymised cards", "claims-anonymity", 3),
    ],
)
def test_a_policy_that_breaks_a_rule_is_refused_on_its_line(
    tmp_path: Path, contract: Contract, old: str, new: str, code: str, line: int
) -> None:
    assert (code, line) in findings(policy_of(tmp_path, (old, new)), contract)


def test_a_crop_on_the_face_is_accepted_where_the_contract_names_its_box_and_a_detected_one_always(
    tmp_path: Path, contract: Contract
) -> None:
    sides = tuple(f"face_{side}" for side in "xywh")
    boxes = (Column(name, Classification.RESTRICTED, pattern="[0-9]{1,5}") for name in sides)
    photo = replace(contract.column("photo_file"), face_box=sides)
    with_box = replace(contract, columns=(*(c for c in contract.columns if c.name != photo.name), photo, *boxes))
    for crop, terms in (("face", with_box), ("detected", contract)):
        policy = policy_of(tmp_path, ("name: person_token}", f"name: person_token, crop: {crop}}}"))
        assert policy.photo is not None
        assert policy.photo.crop == crop
        lint(policy, terms)


def test_a_photo_at_600_dpi_of_the_default_size_is_accepted(tmp_path: Path, contract: Contract) -> None:
    policy = policy_of(tmp_path, ("dpi: 300", "dpi: 600"), ("max_bytes: 60000", "max_bytes: 200000"))
    assert policy.photo is not None
    assert (policy.photo.width_px, policy.photo.height_px) == (591, 756)
    lint(policy, contract)


def test_a_policy_without_a_token_is_refused(tmp_path: Path, contract: Contract) -> None:
    policy = policy_of(tmp_path)
    bare = replace(policy, columns=tuple(c for c in policy.columns if isinstance(c, KeepColumn)), photo=None)
    assert findings(bare, contract) == [("token-none", 9)]


def test_a_policy_without_filter_and_justification_is_refused_however_it_was_made(tmp_path: Path, contract: Contract) -> None:
    assert findings(replace(policy_of(tmp_path), where={}), contract) == [("full-population-unjustified", 7)]


@pytest.mark.parametrize("key", ["purpose", "agreement", "legal_basis"])
def test_a_policy_with_a_blank_term_is_refused_however_it_was_made(tmp_path: Path, contract: Contract, key: str) -> None:
    assert "term-missing" in {code for code, _ in findings(replace(policy_of(tmp_path), **{key: " "}), contract)}


def test_a_filter_on_every_value_is_one_where_the_column_may_be_blank(tmp_path: Path, contract: Contract) -> None:
    sizes = ", ".join(contract.column("tunic_size").vocabulary or ())
    lint(policy_of(tmp_path, ("card_due: [yes]", f"tunic_size: [{sizes}]")), contract)


@pytest.mark.parametrize(
    ("pattern", "codes"),
    [
        (None, ["keep-unbounded"]),
        (".*", ["keep-free-text", "keep-full-date", "formula-start"]),
        (r"[\pL .,:]{1,80}", ["keep-free-text"]),
        ("[A-Za-z]+", ["keep-free-text"]),
        (r"[0-9/.-]{8,10}", ["keep-full-date"]),
        (r"[+-]?[0-9]+", ["keep-full-date", "formula-start"]),
        ("20[0-9]{2}-[0-9]{2}-[0-9]{2}|[SML]", ["keep-full-date"]),
        ("203[0-9]-[0-9]{2}-[0-9]{2}", ["keep-full-date"]),
        ("20[0-9]{6}", ["keep-full-date"]),
        ("[0-3][0-9](0[1-9]|1[0-2])20[0-9]{2}", ["keep-full-date"]),
        ("[1-9] [A-Z][a-z]+ 20[0-9]{2}", ["keep-full-date"]),
        ("[A-Z][a-z]{1,12}", ["keep-free-text"]),
        ("[A-Z]{2,20}", ["keep-free-text"]),
        ("[a-z]{2,20}", ["keep-free-text"]),
        ("[A-Z]{2,3}", []),
        ("[SML]|[0-9]{2}", []),
        (r"＝[0-9]", ["formula-start"]),
        ("a|.*", ["keep-free-text", "keep-full-date", "formula-start"]),
        ("[A-Z]{2}[0-9]{4}", []),
        ("20[0-9]{2}-(0[1-9]|1[0-2])", []),
    ],
)
def test_a_kept_column_needs_a_pattern_that_lets_through_no_prose_date_or_formula(
    tmp_path: Path, contract: Contract, pattern: str | None, codes: list[str]
) -> None:
    wider = with_columns(contract, Column("locker", Classification.OPERATIONAL, pattern=pattern))
    policy = policy_of(tmp_path, (CARD_TYPE, "locker: {action: keep, why: door}"))
    if codes:
        assert findings(policy, wider) == [(code, 13) for code in codes]
    else:
        lint(policy, wider)


def test_a_vocabulary_of_more_than_a_thousand_values_cannot_be_kept_or_be_labels(tmp_path: Path, contract: Contract) -> None:
    policy = policy_of(tmp_path, (CARD_TYPE, "locker: {action: keep, why: door}"))
    values = tuple(f"A{number}" for number in range(1_002))
    lint(policy, with_columns(contract, Column("locker", Classification.OPERATIONAL, vocabulary=values[:1_000])))
    large = Column("locker", Classification.OPERATIONAL, vocabulary=values[:1_001])
    assert findings(policy, with_columns(contract, large)) == [("keep-vocabulary-large", 13)]
    fine = {value: "A0" if value == "A1" else value for value in values}
    labelled = replace(large, vocabulary=values, generalisations={"door": fine})
    policy = policy_of(tmp_path, (CARD_TYPE, "locker: {action: generalise, to: door, why: door}"))
    assert findings(policy, with_columns(contract, labelled)) == [("keep-vocabulary-large", 13)]


@pytest.mark.parametrize("value", ["=1", "+1", "-", "@sum", "＝1", "＋1", "－1", "＠a"])
def test_a_value_that_starts_a_formula_is_refused_kept_or_as_a_label(tmp_path: Path, contract: Contract, value: str) -> None:
    kept = with_columns(contract, Column("locker", Classification.OPERATIONAL, vocabulary=("A", value)))
    assert findings(policy_of(tmp_path, (CARD_TYPE, "locker: {action: keep, why: door}")), kept) == [("formula-start", 13)]
    labelled = with_columns(
        contract,
        Column(
            "locker", Classification.OPERATIONAL, vocabulary=("A", "B", "C"), generalisations={"door": dict.fromkeys("ABC", value)}
        ),
    )
    policy = policy_of(tmp_path, (CARD_TYPE, "locker: {action: generalise, to: door, why: door}"))
    assert findings(policy, labelled) == [("formula-start", 13)]


@pytest.mark.parametrize(
    ("value", "refused"), [("DV holder", True), ("Cleared NPPV 3", True), ("SC", True), ("DVLA", False), ("yes", False)]
)
def test_a_kept_value_that_contains_a_vetting_term_is_refused(
    tmp_path: Path, contract: Contract, value: str, refused: bool
) -> None:
    wider = with_columns(contract, Column("post", Classification.OPERATIONAL, vocabulary=("A", value)))
    policy = policy_of(tmp_path, (CARD_TYPE, "post: {action: keep, why: card stock}"))
    if refused:
        assert findings(policy, wider) == [("restricted-term", 13)]
    else:
        lint(policy, wider)


def test_all_findings_of_a_policy_come_at_once(tmp_path: Path, contract: Contract) -> None:
    policy = policy_of(
        tmp_path,
        ("card_due: [yes]", "card_due: [later]"),
        (CARD_TYPE, "surname: {action: keep, why: card}"),
        ("dpi: 300", "dpi: 900"),
    )
    assert findings(policy, contract) == [("filter-value", 8), ("keep-identifying", 13), ("photo-size", 14)]


def test_every_prefix_that_the_leak_gate_takes_for_a_vetting_term_is_refused_before_any_run(
    tmp_path: Path, contract: Contract
) -> None:
    letters = string.ascii_uppercase
    prefixes = ["".join(some) for length in (2, 3) for some in product(letters, repeat=length)] + ["NPPV", "BPSS", "WCAB"]
    policy, refused = policy_of(tmp_path), set()
    for prefix in prefixes:
        gate = VettingTerms()
        gate.look(prefix, "README.txt")
        if gate.findings():
            refused.add(prefix)
            assert findings(replace(policy, token_prefix=prefix), contract) == [("token-prefix-restricted", 2)]
    assert {"RV", "SC", "CTC", "NPPV"} <= refused


def test_a_prefix_that_is_a_value_of_a_restricted_column_is_refused(tmp_path: Path, contract: Contract) -> None:
    secret = Column("duty", Classification.RESTRICTED, vocabulary=("UC", "none"))
    assert findings(policy_of(tmp_path, ("token_prefix: WC", "token_prefix: UC")), with_columns(contract, secret)) == [
        ("token-prefix-restricted", 2)
    ]


def test_policies_are_checked_beside_each_other(tmp_path: Path, contract: Contract) -> None:
    first = policy_of(tmp_path)
    second = replace(first, supplier="other", source="other.yaml")
    with pytest.raises(PolicyError) as caught:
        check_policies(contract, [first, second])
    assert [finding.code for finding in caught.value.findings] == ["token-prefix-taken"]


def test_a_looser_limit_of_risk_is_noticed_and_the_default_is_not(tmp_path: Path, contract: Contract) -> None:
    codes = {notice.code for notice in lint(policy_of(tmp_path), contract)}
    assert "risk-limit-raised" not in codes
    looser = policy_of(tmp_path, ("output:", "risk: {attributed_above_guess: 3, relinkable_without_photos: 0.02}\noutput:"))
    raised = [notice for notice in lint(looser, contract) if notice.code == "risk-limit-raised"]
    line = 1 + SAMPLE[: SAMPLE.index("output:")].count("\n")
    assert [notice.place for notice in raised] == [f"{looser.source}:{line}"] * 2


@pytest.mark.parametrize(("least", "raised"), [(4, True), (5, False), (6, False)])
def test_a_smaller_group_than_the_default_is_noticed(tmp_path: Path, contract: Contract, least: int, raised: bool) -> None:
    policy = policy_of(tmp_path, ("output:", f"risk: {{smallest_group: {least}}}\noutput:"))
    assert ("risk-limit-raised" in {notice.code for notice in lint(policy, contract)}) is raised


@pytest.mark.parametrize("risk", ["smallest_group: 1", "small_groups: hide", "singled_out_by_change: -1", "small_group: 5"])
def test_a_limit_of_groups_that_means_nothing_is_refused(tmp_path: Path, risk: str) -> None:
    with pytest.raises(PolicyError):
        policy_of(tmp_path, ("output:", f"risk: {{{risk}}}\noutput:"))


def test_a_stricter_limit_of_risk_is_no_news(tmp_path: Path, contract: Contract) -> None:
    stricter = policy_of(tmp_path, ("output:", "risk: {relinkable_without_photos: 0}\noutput:"))
    assert stricter.risk.relinkable_without_photos == 0
    assert "risk-limit-raised" not in {notice.code for notice in lint(stricter, contract)}


@pytest.mark.parametrize("value", ["-1", "1.5", "one"])
def test_a_limit_of_risk_that_is_no_count_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(PolicyError) as refused:
        policy_of(tmp_path, ("output:", f"risk: {{attributed_above_guess: {value}}}\noutput:"))
    assert refused.value.code == "value-invalid"
