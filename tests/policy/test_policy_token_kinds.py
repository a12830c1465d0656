"""What a policy may ask of a token, and what the lint and the explanation say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from transforms.contract.digits import fixed_digits
from transforms.contract.load import load_contract
from transforms.contract.model import Contract
from transforms.errors import PolicyError
from transforms.policy.explain import explain
from transforms.policy.lint import lint
from transforms.policy.load import load_policy
from transforms.policy.model import Policy
from transforms.policy.token_lint import MOST_RAW
from transforms.policy.token_size import bucket_of

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / "examples" / "suppliers" / "card-printer.yaml").read_text(encoding="utf-8")
PERSON = "{action: token, of: [pay_number], why: "

Load = Callable[..., Policy]


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract(ROOT / "examples" / "hr-export.yaml")


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """The example policy with more keys at its person token, or with a token column beside it."""

    def make(keys: str = "", column: str = "") -> Policy:
        text = EXAMPLE.replace(PERSON, f"{{action: token, of: [pay_number], {keys + ', ' if keys else ''}why: ")
        text = text.replace("  rank: {", f"  {column}\n  rank: {{") if column else text
        path = tmp_path / "card-printer.yaml"
        path.write_text(text, encoding="utf-8")
        return load_policy(path)

    return make


def codes(error: PolicyError) -> list[str | None]:
    return [finding.code for finding in error.findings]


def with_column(contract: Contract, name: str, **changes: object) -> Contract:
    columns = tuple(replace(column, **changes) if column.name == name else column for column in contract.columns)  # type: ignore[arg-type]
    return replace(contract, columns=columns)


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        ("", "one-way"),
        ("reversal: none", "one-way"),
        ("reversal: needed", "reversible"),
        ("format: token", "one-way"),
        ("format: short", "short"),
        ("format: digits, algorithm: FF1", "digits"),
        ("format: short, algorithm: ff1", "short"),
    ],
)
def test_the_policy_decides_the_kind_of_a_token(load: Load, contract: Contract, keys: str, kind: str) -> None:
    policy = load(keys)
    assert policy.sort_token.kind == kind
    if kind != "digits":  # whose number names photos
        lint(policy, contract)


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ("format: digits, algorithm: FF3", "algorithm-withdrawn"),
        ("format: digits, algorithm: ff3-1", "algorithm-withdrawn"),
        ("algorithm: FF3-1", "algorithm-withdrawn"),
        ("format: digits, algorithm: AES-SIV", "algorithm-other"),
        ("algorithm: FF1", "algorithm-other"),
        ("reversal: needed, algorithm: FF1", "algorithm-other"),
        ("format: short, reversal: needed", "token-format-reversal"),
    ],
)
def test_an_algorithm_that_does_not_make_the_token_is_refused_by_name(load: Load, keys: str, code: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load(keys)
    assert codes(caught.value) == [code]
    if code == "algorithm-withdrawn":
        assert "SP 800-38G" in caught.value.rule


@pytest.mark.parametrize("action", ["keep", "drop"])
def test_kinds_belong_to_tokens_alone(load: Load, action: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load(column=f"site: {{action: {action}, reversal: needed, why: where}}")
    assert codes(caught.value) == ["key-misplaced"]


@pytest.mark.parametrize(
    ("pattern", "kind", "code"),
    [
        ("[0-9]{5}", "digits", "token-domain"),
        ("[0-9]{6}", "digits", None),
        ("[0-9]{18}", "digits", None),
        ("[0-9]{19}", "digits", "token-domain"),
        ("[0-9]{6,8}", "digits", "token-format-digits"),
        ("[A-Z][0-9]{7}", "digits", "token-format-digits"),
        (None, "digits", "token-format-digits"),
        ("[0-9]{5}", "short", None),
        ("[0-9]{12}", "short", None),
        ("[0-9]{13}", "short", "token-domain"),
        ("[0-9]{6}|[0-9]{8}", "short", "token-format-digits"),
    ],
)
def test_a_token_of_a_number_needs_digits_of_one_length_within_its_domain(
    load: Load, contract: Contract, pattern: str | None, kind: str, code: str | None
) -> None:
    policy = load(column=f"number: {{action: token, of: [pay_number], format: {kind}, why: their system}}")
    changed = with_column(contract, "pay_number", pattern=pattern)
    if code is None:
        lint(policy, changed)
        return
    with pytest.raises(PolicyError) as caught:
        lint(policy, changed)
    assert codes(caught.value) == [code]


@pytest.mark.parametrize("of", ["warrant_number", "pay_number, surname"])
def test_a_token_of_a_number_is_of_the_person_key_alone(load: Load, contract: Contract, of: str) -> None:
    with pytest.raises(PolicyError) as caught:
        lint(load(column=f"number: {{action: token, of: [{of}], format: short, why: their system}}"), contract)
    assert codes(caught.value) == ["token-format-source"]


def test_a_reversible_token_of_columns_without_a_bound_is_refused(load: Load, contract: Contract) -> None:
    policy = load(column="names: {action: token, of: [surname, forenames], reversal: needed, why: leavers}")
    with pytest.raises(PolicyError) as caught:
        lint(policy, contract)
    assert codes(caught.value) == ["token-too-large"]
    bounded = with_column(with_column(contract, "surname", max_bytes=60), "forenames", max_bytes=60)
    lint(policy, bounded)
    (names,) = (token for token in policy.tokens if token.name == "names")
    assert bucket_of(names, bounded) == 256  # 2 + 8 digits, and twice 2 + 60 bytes
    assert bucket_of(policy.sort_token, bounded) == 16


@pytest.mark.parametrize(("most", "bucket"), [(20, 32), (21, 64), (244, 256), (245, None)])
def test_a_bucket_is_the_smallest_that_holds_what_the_contract_allows(
    load: Load, contract: Contract, most: int, bucket: int | None
) -> None:
    policy = load(column="names: {action: token, of: [surname], reversal: needed, why: leavers}")
    names = next(token for token in policy.tokens if token.name == "names")
    assert bucket_of(names, with_column(contract, "surname", max_bytes=most)) == bucket


def test_a_bare_number_names_no_photo(load: Load, contract: Contract) -> None:
    with pytest.raises(PolicyError) as caught:
        lint(load("format: digits"), contract)
    assert codes(caught.value) == ["photo-name"]


def test_a_token_that_is_too_long_for_a_file_s_name_names_no_photo(load: Load, contract: Contract) -> None:
    long_key = with_column(contract, "pay_number", pattern=None, max_bytes=200)
    with pytest.raises(PolicyError) as caught:
        lint(load("reversal: needed"), long_key)
    assert codes(caught.value) == ["photo-name"]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("reversal: none", []),
        ("reversal: needed", ["token-reversible"]),
        ("format: short", ["token-reversible"]),
        ("format: digits", ["token-reversible", "token-digits"]),
    ],
)
def test_tokens_that_can_be_decrypted_are_noticed(load: Load, contract: Contract, keys: str, expected: list[str]) -> None:
    policy = load(column=f"another: {{action: token, of: [pay_number], {keys}, why: their system}}")
    notices = [notice for notice in lint(policy, contract) if notice.code.startswith("token-")]
    assert [notice.code for notice in notices] == expected
    if "token-digits" in expected:
        assert "510" in notices[1].rule
        assert "format: short" in notices[1].hint


@pytest.mark.parametrize("kind", ["reversal: needed", "format: short", "format: digits"])
def test_the_explanation_says_what_the_key_gives_away(load: Load, contract: Contract, kind: str) -> None:
    policy = load(column=f"another: {{action: token, of: [pay_number], {kind}, why: their system}}")
    said = " ".join(explain(policy, contract).split())
    assert "reads what another stands for" in said
    assert ("real numbers of other people" in said) == (kind == "format: digits")
    assert "reads what" not in " ".join(explain(load(), contract).split())


@pytest.mark.parametrize(
    ("pattern", "digits"),
    [
        ("[0-9]{8}", 8),
        (r"\d{6}", 6),
        ("0[0-9]{10}", 11),
        ("[1-9][0-9]{5}", 6),
        ("[0-35-9]{2}", 2),
        ("[0-9]{6,8}", None),
        ("[0-9]+", None),
        ("[0-9]*", None),
        ("[0-9]{8}?", None),
        (r"[\p{Nd}]{8}", None),
        (r"\p{Nd}{8}", None),
        ("[^a-z]{8}", None),
        (r"[0-9\x{660}]{8}", None),
        ("[0-9]{8}|x", None),
        ("(?:[0-9]{8})", None),
        ("A[0-9]{7}", None),
        ("", None),
        (None, None),
    ],
)
def test_a_pattern_fixes_digits_or_is_not_taken_to(pattern: str | None, digits: int | None) -> None:
    assert fixed_digits(pattern) == digits
    if digits:
        others = pa.array(["1" * (digits - 1), "1" * (digits + 1), "\u0661" * digits, "x" * digits])
        assert not pc.any(pc.match_substring_regex(others, rf"\A(?:{pattern})\z")).as_py()


@pytest.mark.parametrize("name", ["surname", "pay_number"])
def test_a_one_way_token_of_cells_that_may_be_too_long_once_canonical_is_refused(load: Load, contract: Contract, name: str) -> None:
    policy = load()
    lint(policy, with_column(contract, name, max_bytes=MOST_RAW, pattern=None))
    with pytest.raises(PolicyError) as caught:
        lint(policy, with_column(contract, name, max_bytes=MOST_RAW + 1, pattern=None))
    assert set(codes(caught.value)) == {"token-too-large"}
