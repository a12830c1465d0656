"""From policy files to policies."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.errors import PolicyError
from transforms.policy.load import load_policies, load_policy
from transforms.policy.model import GeneraliseColumn, KeepColumn, PhotoSpec, TokenColumn

SAMPLE = """\
supplier: card-printer
token_prefix: WC
purpose: print warrant cards and staff passes
agreement: DPA-2026-014            # article 28 contract
legal_basis: public task
delete_after_days: 30
rows:
  where: {card_due: [yes]}         # typed equality
columns:
  person_token: {action: token, of: [pay_number], why: joins photo, card and reply file}
  name_token:   {action: token, of: [surname, forenames], why: tells the bureau that a name changed}
  rank:         {action: generalise, to: rank_band, why: card colour}
  card_type:    {action: keep, why: card stock}
  site:         {action: drop, why: not printed}
photo: {of: photo_file, width_mm: 25, height_mm: 32, dpi: 300, max_bytes: 60000, name: person_token}
output: {format: csv, photos: folder}
"""

# every key without which the sample says too little, as the text that takes it away
REQUIRED = {
    "supplier": "supplier: card-printer\n",
    "token_prefix": "token_prefix: WC\n",
    "purpose": "purpose: print warrant cards and staff passes\n",
    "agreement": "agreement: DPA-2026-014            # article 28 contract\n",
    "legal_basis": "legal_basis: public task\n",
    "delete_after_days": "delete_after_days: 30\n",
    "rows": "rows:\n  where: {card_due: [yes]}         # typed equality\n",
    "columns": SAMPLE[SAMPLE.index("columns:\n") : SAMPLE.index("photo:")],
    "action of a token": "action: token, ",
    "of of a token": "of: [pay_number], ",
    "why of a token": ", why: joins photo, card and reply file",
    "action of a generalisation": "action: generalise, ",
    "to of a generalisation": "to: rank_band, ",
    "why of a generalisation": ", why: card colour",
    "action of a kept column": "action: keep, ",
    "why of a kept column": ", why: card stock",
    "why of a dropped column": ", why: not printed",
    "of of the photo": "of: photo_file, ",
    "width of the photo": "width_mm: 25, ",
    "height of the photo": "height_mm: 32, ",
    "dpi of the photo": "dpi: 300, ",
    "bytes of the photo": "max_bytes: 60000, ",
    "name of the photo": ", name: person_token",
}


def written(directory: Path, text: str, name: str = "policy.yaml") -> Path:
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return path


def changed(old: str, new: str) -> str:
    assert old in SAMPLE
    return SAMPLE.replace(old, new, 1)


def refusal(path: Path) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    return caught.value


def test_a_policy_says_what_its_file_says(tmp_path: Path) -> None:
    policy = load_policy(written(tmp_path, SAMPLE))
    assert policy.columns == (
        TokenColumn("person_token", ("pay_number",), "joins photo, card and reply file"),
        TokenColumn("name_token", ("surname", "forenames"), "tells the bureau that a name changed"),
        GeneraliseColumn("rank_band", "rank", "card colour"),
        KeepColumn("card_type", "card stock"),
    )
    assert policy.dropped == {"site": "not printed"}
    assert policy.where == {"card_due": ("yes",)}
    assert policy.photo == PhotoSpec("photo_file", 25, 32, 300, 60000, "person_token")
    assert (policy.photo.width_px, policy.photo.height_px) == (295, 378)
    assert (policy.delete_after_days, policy.legal_regime, policy.role, policy.transfer_country) == (
        30,
        "uk-gdpr",
        "processor",
        "GB",
    )
    assert policy.lines["columns.rank.to"] == 12


@pytest.mark.parametrize("key", REQUIRED)
def test_a_policy_without_any_one_required_key_is_refused(tmp_path: Path, key: str) -> None:
    error = refusal(written(tmp_path, changed(REQUIRED[key], "")))
    assert {finding.code for finding in error.findings} == {"key-missing"}
    assert error.hint


@settings(max_examples=60, deadline=None)
@given(keys=st.sets(st.sampled_from([key for key in REQUIRED if "of" not in key.split() and key != "columns"]), min_size=1))
def test_a_policy_without_several_required_keys_is_refused_for_each(
    tmp_path_factory: pytest.TempPathFactory, keys: set[str]
) -> None:
    text = SAMPLE
    for key in keys:
        text = text.replace(REQUIRED[key], "", 1)
    if text.strip():
        findings = refusal(written(tmp_path_factory.mktemp("several"), text)).findings
        assert {finding.rule for finding in findings} == {f"{key} is missing" for key in keys}


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("supplier: card-printer", "supplier: Card", "value-invalid", 1),
        ("supplier: card-printer", "supplier: ../card", "value-invalid", 1),
        ("supplier: card-printer", "supplier: internal", "supplier-reserved", 1),
        ("supplier: card-printer", "supplier: signing", "supplier-reserved", 1),
        ("token_prefix: WC", "token_prefix: W", "value-invalid", 2),
        ("token_prefix: WC", "token_prefix: WC1", "value-invalid", 2),
        ("purpose: print warrant cards and staff passes", "purpose: TODO", "value-invalid", 3),
        ("DPA-2026-014", "n/a", "value-invalid", 4),
        ("DPA-2026-014", "''", "value-invalid", 4),
        ("DPA-2026-014", "~", "yaml-null", 4),
        ("public task", "'  '", "value-invalid", 5),
        ("public task", "!!str public task", "yaml-tag", 5),
        ("public task", "&basis public task", "yaml-anchor", 5),
        ("public task\n", "public task\nlegal_basis: consent\n", "yaml-duplicate-key", 6),
        ("public task\n", "public task\nreversal: needed\n", "key-unknown", 6),
        ("public task\n", "public task\nlegal_regime: gdpr\n", "value-invalid", 6),
        ("public task\n", "public task\ntransfer_country: Germany\n", "value-invalid", 6),
        ("delete_after_days: 30", "delete_after_days: 0", "value-invalid", 6),
        ("delete_after_days: 30", "delete_after_days: 400", "value-invalid", 6),
        ("delete_after_days: 30", "delete_after_days: 0x1E", "value-invalid", 6),
        ("where: {card_due: [yes]}", "where: {}", "full-population-unjustified", 7),
        ("where: {card_due: [yes]}", "where: {card_due: []}", "value-invalid", 8),
        ("where: {card_due: [yes]}", "where: {card_due: yes}", "value-invalid", 8),
        ("where: {card_due: [yes]}", "where: card_due = 'yes'", "value-invalid", 8),
        ("where: {card_due: [yes]}", "full_population: all", "full-population-unjustified", 8),
        ("where: {card_due: [yes]}", "full_population: true", "full-population-unjustified", 8),
        ("[yes]}", "[yes]}\n  full_population: every card is printed again this year", "rows-contradictory", 7),
        ("action: keep", "action: seal", "action-unavailable", 13),
        ("action: keep", "action: hash", "value-invalid", 13),
        ("action: keep", "action: keep, to: x", "key-misplaced", 13),
        ("action: keep", "action: keep, of: [x]", "key-misplaced", 13),
        ("action: keep", "action: keep, bits: 80", "key-misplaced", 13),
        ("action: drop", "action: drop, to: x", "key-misplaced", 14),
        ("action: generalise", "action: generalise, scope: transaction", "key-misplaced", 12),
        ("[pay_number]", "[]", "value-invalid", 10),
        ("[pay_number]", "[pay_number, pay_number]", "token-source-twice", 10),
        ("[pay_number]", "[pay_number], bits: 60", "token-too-short", 10),
        ("[pay_number]", "[pay_number], bits: 79", "token-too-short", 10),
        ("[pay_number]", "[pay_number], bits: 128", "token-bits", 10),
        ("[pay_number]", "[pay_number], scope: person", "token-scope-person", 10),
        ("  name_token:", "  person_token:", "yaml-duplicate-key", 11),
        ("  name_token:", "  Name-Token:", "value-invalid", 11),
        ("why: card stock", "why: x", "value-invalid", 13),
        ("width_mm: 25", "width_mm: -25", "value-invalid", 15),
        ("width_mm: 25", "width_mm: 0", "value-invalid", 15),
        ("width_mm: 25", "width_mm: 2_5", "value-invalid", 15),
        ("dpi: 300", "dpi: 300.5", "value-invalid", 15),
        ("format: csv", "format: xlsx", "value-invalid", 16),
        ("photos: folder", "photos: tar", "value-invalid", 16),
        (SAMPLE[SAMPLE.index("photo: {") : SAMPLE.index("output:")], "", "output-photos", 15),
    ],
)
def test_a_policy_that_breaks_a_rule_is_refused_by_file_line_rule_and_hint(
    tmp_path: Path, old: str, new: str, code: str, line: int
) -> None:
    error = refusal(written(tmp_path, changed(old, new)))
    assert [(finding.code, finding.place) for finding in error.findings] == [(code, f"{tmp_path / 'policy.yaml'}:{line}")]
    assert error.rule
    assert error.hint


def test_a_misspelt_key_is_answered_with_the_one_that_was_meant(tmp_path: Path) -> None:
    error = refusal(written(tmp_path, changed("output:", "outputs:")))
    assert error.hint.startswith("did you mean output?")


def test_a_full_population_with_its_justification_has_no_filter(tmp_path: Path) -> None:
    policy = load_policy(
        written(tmp_path, changed("where: {card_due: [yes]}", "full_population: nobody can be left out of the roster"))
    )
    assert (policy.where, policy.full_population) == ({}, "nobody can be left out of the roster")


def test_a_transaction_token_is_known_as_such(tmp_path: Path) -> None:
    policy = load_policy(written(tmp_path, changed("[surname, forenames]", "[surname, forenames], scope: transaction, bits: 80")))
    assert [token.scope for token in policy.tokens] == ["relationship", "transaction"]


def test_policies_come_sorted_by_supplier_whatever_their_files_are_called(tmp_path: Path) -> None:
    written(tmp_path, SAMPLE, "a.yaml")
    written(tmp_path, changed("card-printer", "alpha").replace("WC", "AL"), "b.yaml")
    written(tmp_path, "not a policy", "README.md")
    assert [policy.supplier for policy in load_policies(tmp_path)] == ["alpha", "card-printer"]


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("token_prefix: WC", "token_prefix: XX", "supplier-taken", 1),
        ("supplier: card-printer", "supplier: other", "token-prefix-taken", 2),
    ],
)
def test_two_policies_cannot_share_a_supplier_or_a_token_prefix(tmp_path: Path, old: str, new: str, code: str, line: int) -> None:
    written(tmp_path, SAMPLE, "a.yaml")
    written(tmp_path, changed(old, new), "b.yaml")
    with pytest.raises(PolicyError) as caught:
        load_policies(tmp_path)
    assert [(finding.code, finding.place) for finding in caught.value.findings] == [(code, f"{tmp_path / 'b.yaml'}:{line}")]


def test_a_directory_reports_the_findings_of_all_its_files(tmp_path: Path) -> None:
    written(tmp_path, changed("legal_basis: public task\n", ""), "a.yaml")
    written(tmp_path, changed("token_prefix: WC\n", ""), "b.yaml")
    written(tmp_path, SAMPLE, "c.yml")
    with pytest.raises(PolicyError) as caught:
        load_policies(tmp_path)
    assert [finding.rule for finding in caught.value.findings] == [
        "legal_basis is missing",
        "token_prefix is missing",
        "a policy's file name must end in .yaml",
    ]


@pytest.mark.parametrize(("name", "code"), [(".", "policies-missing"), ("absent", "policies-unreadable")])
def test_a_directory_without_policies_is_refused(tmp_path: Path, name: str, code: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load_policies(tmp_path / name)
    assert caught.value.code == code


@pytest.mark.parametrize(("written_as", "delivery"), [("photos: folder", "folder"), ("photos: zip", "zip"), ("", "folder")])
def test_photos_go_into_a_folder_unless_the_policy_says_zip(tmp_path: Path, written_as: str, delivery: str) -> None:
    policy = load_policy(written(tmp_path, changed(", photos: folder", f", {written_as}" if written_as else "")))
    assert policy.photo_delivery == delivery
