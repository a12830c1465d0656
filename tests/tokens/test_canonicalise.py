"""The canonical form of values: one for every way of typing the same name."""

import bz2
import gzip
import importlib.util
import random
import unicodedata
from pathlib import Path
from types import ModuleType

import pyarrow as pa
import pytest
import unicodedata2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transforms.contract.assigned import CHARACTER_RANGES, UNICODE_VERSION
from transforms.errors import ExportError
from transforms.policy.token_lint import MOST_RAW
from transforms.tokens import canonicalise as module
from transforms.tokens.canonicalise import canonical_text, canonicalise
from transforms.tokens.mac import MAX_FIELD_BYTES

UNICODE = Path(__file__).resolve().parents[2] / ".." / "shared" / "suites" / "text-names" / "unicode"


def _load_reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference_tokens", Path(__file__).parent / "reference_tokens.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


REFERENCE = _load_reference()
CHARACTERS = [
    chr(point)
    for item in CHARACTER_RANGES.split()
    for point in range(int(item.partition("-")[0], 16), int(item.rpartition("-")[2], 16) + 1)
]
# Characters at which canonical forms are made or broken, more often than chance would draw them.
TELLING = (
    "aAzZ  '`-\u00a0\u2019\u00b4\u2010\u2212\ufe58\u200b\u00ad\u034f\u0301\u0345\u0327\u00df"
    "\u0130\u0131\u03c3\u03c2\u1100\u1161\u11a8\ufb01\u3000\u1680"
)
ACCEPTED = st.text(st.sampled_from(TELLING) | st.sampled_from(CHARACTERS), max_size=12)


def canonical(*values: str | None) -> list[str | None]:
    return canonicalise(pa.array(values, pa.string())).to_pylist()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("O'Neill", "O\u2019Neill"),
        ("O'Neill", "O\u2018Neill"),
        ("O'Neill", "O\u02bcNeill"),
        ("O'Neill", "O\u00b4Neill"),
        ("O'Neill", "O`Neill"),
        ("O'Neill", "O\u2032Neill"),
        ("O'Neill", "O\uff07Neill"),
        ("O'Neill", "O\u1ffdNeill"),
        ("O'Neill", "O\u1fefNeill"),
        ("O'Neill", "O'NEILL"),
        ("Smith-Jones", "Smith\u2010Jones"),
        ("Smith-Jones", "Smith\u2011Jones"),
        ("Smith-Jones", "Smith\u2012Jones"),
        ("Smith-Jones", "Smith\u2013Jones"),
        ("Smith-Jones", "Smith\u2014Jones"),
        ("Smith-Jones", "Smith\u2015Jones"),
        ("Smith-Jones", "Smith\u2212Jones"),
        ("Smith-Jones", "SMITH\ufe58JONES"),
        ("Strauß", "STRAUSS"),
        ("Siân", "Sia\u0302n"),
        ("Å", "\u212b"),
        ("Ọ̀ṣun", "O\u0300\u0323s\u0323un"),
        ("fi", "\ufb01"),
        ("John", "Ｊｏｈｎ"),
        ("Jo Ann", "  Jo\u00a0 \u3000Ann "),
        ("John", "Jo\u200bhn\u200d"),
        ("John", "\u202aJohn\u202c"),
        ("John", "Jo\u00adhn"),
    ],
)
def test_two_ways_of_typing_one_name_have_one_form(one: str, other: str) -> None:
    first, second = canonical(one, other)
    assert first == second
    assert first is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [("Sian", "Siân"), ("Jose", "José"), ("Oneill", "O'Neill"), ("Smith Jones", "Smith-Jones"), ("McDonald", "MacDonald")],
)
def test_diacritics_apostrophes_and_spaces_still_tell_names_apart(one: str, other: str) -> None:
    first, second = canonical(one, other)
    assert first != second


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("SMITH", "smith"),
        ("  de  La   Cruz ", "de la cruz"),
        ("\u0130", "i\u0307"),
        ("İbrahim", "i\u0307brahim"),
        ("Zoë", "zo\u00eb"),
        ("\u2167", "viii"),
        ("O\u00b4Neill", "o'neill"),
        ("00012345", "00012345"),
    ],
)
def test_a_canonical_form_is_the_one_written_down(value: str, form: str) -> None:
    assert canonical(value) == [form]


def test_null_and_blank_values_give_null() -> None:
    assert canonical(None, "", " ", "   ", "\u00a0", "\u3000\u2003", "\u200b", " \ufeff ", "x") == [None] * 8 + ["x"]


@pytest.mark.parametrize("character", ["\x00", "\t", "\n", "\r", "\x7f", "\x85", "\ue000", "\uffff", "\u2ffc", "\u0378"])
def test_a_forbidden_character_is_refused_without_its_value(character: str) -> None:
    column = pa.array(["Anna", f"Secretname{character}", None])
    with pytest.raises(ExportError) as caught:
        canonicalise(column)
    assert caught.value.code == "forbidden-character"
    assert "Secretname" not in f"{caught.value} {caught.value.hint} {caught.value.args}"


@settings(max_examples=300, deadline=None)
@given(st.lists(st.none() | ACCEPTED, max_size=12), st.integers(0, 3), st.booleans())
@example(["", None, "x"], 1, True)
@example([" ", "a", " b", "c ", " ", " d"], 0, False)
@example(["a ", " b", "c  ", "  d", "e  f"], 0, False)
def test_a_column_agrees_with_the_second_implementation(values: list[str | None], skip: int, large: bool) -> None:
    kind = pa.large_string() if large else pa.string()
    found = canonicalise(pa.array(values, kind).slice(skip))
    found.validate(full=True)
    assert found.type == kind
    assert found.to_pylist() == [REFERENCE.canonical(value) for value in values[skip:]]


@settings(deadline=None)
@given(ACCEPTED)
def test_nfc_and_nfd_of_a_text_have_one_form(value: str) -> None:
    forms = [unicodedata2.normalize(form, value) for form in ("NFC", "NFD")]
    assert len(set(canonical(value, *forms))) == 1


@settings(deadline=None)
@given(ACCEPTED)
def test_a_canonical_form_is_its_own(value: str) -> None:
    (form,) = canonical(value)
    assert canonical(form) == [form]


def test_the_form_of_every_character_is_its_own_and_agrees_with_the_second_implementation() -> None:
    forms = canonicalise(pa.array(CHARACTERS))
    assert forms.to_pylist() == [REFERENCE.canonical(character) for character in CHARACTERS]
    assert canonicalise(forms).equals(forms)


def test_no_canonical_form_of_a_character_holds_an_apostrophe_or_dash_variant_or_an_invisible_character() -> None:
    forms = {form for form in canonicalise(pa.array(CHARACTERS)).to_pylist() if form}
    assert len(forms) > 100_000
    assert all(REFERENCE.plain(form) == form for form in forms)


def test_a_column_does_not_change_with_its_neighbours() -> None:
    generator = random.Random(11)  # noqa: S311 - no secret is drawn
    values = ["".join(generator.choices(TELLING, k=generator.randrange(9))) for _ in range(3_000)]
    assert canonical(*values) == [canonical_text(value) for value in values]


def test_only_white_space_of_unicode_15_separates_words() -> None:
    assert {ord(character) for character in CHARACTERS if character.isspace()} == REFERENCE.SPACES


@pytest.mark.parametrize("start", [0x200B, 0x202A, 0x2060, 0x2066, 0xFEFF, 0x00AD, 0x061C, 0x180E])
def test_zero_width_and_bidi_characters_are_dropped(start: int) -> None:
    assert canonical(f"a{chr(start)}b") == ["ab"]


def test_no_value_that_the_lint_lets_into_a_token_is_too_long_once_canonical() -> None:
    growth = [len(form or "") for form in canonicalise(pa.array(CHARACTERS)).cast(pa.binary()).to_pylist()]
    assert max(size / len(one.encode()) for size, one in zip(growth, CHARACTERS, strict=True)) * MOST_RAW <= MAX_FIELD_BYTES


def test_the_interpreter_folds_every_character_of_the_pinned_version_as_unicode_does() -> None:
    # What 15.0 added has no case; so the older tables of Python 3.11 fold alike. Newer tables may fold only newer characters.
    assert UNICODE_VERSION == "15.0.0"
    added = [character for character in CHARACTERS if unicodedata.category(character) == "Cn"]
    assert all(unicodedata2.category(character) not in ("Lu", "Lt") for character in added)
    assert all(character.casefold() == character for character in added)


@pytest.mark.suites
def test_the_interpreter_folds_as_the_official_table_of_15_0() -> None:
    path = UNICODE / "CaseFolding-15.0.0.txt.gz"
    if not path.exists():
        pytest.skip("the Unicode 15.0 tables are not beside the checkout")
    folds = {character: character for character in CHARACTERS}
    for line in gzip.decompress(path.read_bytes()).decode().splitlines():
        if line and not line.startswith("#"):
            point, status, mapping, *_ = (field.strip() for field in line.split(";"))
            if status in ("C", "F"):
                folds[chr(int(point, 16))] = "".join(chr(int(item, 16)) for item in mapping.split())
    assert all(character.casefold() == fold for character, fold in folds.items())


@pytest.mark.suites
def test_the_official_normalisation_table_of_15_0_has_one_form_for_all_columns_of_a_line() -> None:
    path = UNICODE / "NormalizationTest-15.0.0.txt.bz2"
    if not path.exists():
        pytest.skip("the Unicode 15.0 tables are not beside the checkout")
    lines = [
        ["".join(chr(int(item, 16)) for item in field.split()) for field in line.split(";")[:5]]
        for line in bz2.decompress(path.read_bytes()).decode().splitlines()
        if line and line[0] not in "#@"
    ]
    assert len(lines) > 18_000
    source, nfc, nfd, nfkc, nfkd = (list(column) for column in zip(*lines, strict=True))
    assert [unicodedata2.normalize("NFKC", text) for text in source] == nfkc
    forms = [canonicalise(pa.array(column)) for column in (source, nfc, nfd)]
    assert forms[0].equals(forms[1])
    assert forms[0].equals(forms[2])
    # NFKC and NFKD part from it only where the apostrophe and dash maps, which come first, have already decided.
    mapped = set(module._APOSTROPHES + module._DASHES)
    for column in (nfkc, nfkd):
        found = canonicalise(pa.array(column)).to_pylist()
        different = [text for text, one, other in zip(source, forms[0].to_pylist(), found, strict=True) if one != other]
        assert all(set(text) & mapped for text in different)
