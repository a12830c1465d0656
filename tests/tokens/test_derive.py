"""Whole columns of tokens, against frozen answers and a second implementation."""

import base64
import dataclasses
import hashlib
import importlib.util
import json
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.demo_data.people import draw_rows, prepare
from transforms.errors import ExportError
from transforms.tokens.canonicalise import CANON_VERSION, UNICODE_VERSION
from transforms.tokens.derive import TokenLabel, column_key, tokenise
from transforms.tokens.mac import cmac_fields

VECTORS: dict[str, Any] = json.loads((Path(__file__).resolve().parents[1] / "vectors" / "tokens-v1.json").read_text("utf-8"))
SUITES = Path(__file__).resolve().parents[2] / ".." / "shared" / "suites"
EPOCH_KEY = bytes(range(50, 82))
LABEL = TokenLabel("card-printer", 1, "name_token", ("surname", "forenames"), "relationship")
KEY = column_key(EPOCH_KEY, LABEL)


def _load_reference() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference_tokens", Path(__file__).parent / "reference_tokens.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


REFERENCE = _load_reference()


def label_of(entry: dict[str, Any]) -> TokenLabel:
    return TokenLabel(**{**entry, "of": tuple(entry["of"])})


def tokens(person: list[str], *values: list[str | None], key: bytes = KEY) -> list[str | None]:
    return tokenise(key, "WC1-", pa.array(person), [pa.array(value, pa.string()) for value in values]).text.to_pylist()


def people(count: int, seed: int) -> tuple[list[str], list[str | None], list[str | None]]:
    """Generated people: common and rare names, some untidy, some beyond ASCII, some blank."""
    chance = random.Random(seed)  # noqa: S311 - no secret is drawn
    parts = [
        "an",
        "ber",
        "co",
        "fen",
        "gar",
        "is",
        "jon",
        "lo",
        "mar",
        "ow",
        "quin",
        "smith",
        "ë",
        "ł",
        "ọ́",
        "ñ",
        "ß",
        "İ",
        "李",
        "ʿ",
    ]
    untidy: list[str] = [
        "{}",
        "{}",
        "{}",
        "{}",
        " {}",
        "{} ",
        "O’{}",
        "O`{}",
        "Mc {}",
        "de  la {}",
        "{}-Jones",
        "{}–Jones",
        "{}\u200b",
    ]

    def name() -> str | None:
        if chance.random() < 0.02:
            return chance.choice([None, "", "  ", "\u00a0"])
        text = chance.choice(untidy).format("".join(chance.choices(parts, k=chance.randrange(1, 7))))
        return chance.choice([text, text.title(), text.upper()])

    return [f"{row:08d}" for row in range(count)], [name() for _ in range(count)], [name() for _ in range(count)]


def demo_people(count: int) -> tuple[list[str], list[str | None], list[str | None]]:
    batch = draw_rows(prepare(count, 7), 0, count)
    return tuple(batch.column(name).to_pylist() for name in ("pay_number", "surname", "forenames"))


def test_the_frozen_answers_are_of_this_version() -> None:
    assert (VECTORS["canon"], VECTORS["unicode"]) == (CANON_VERSION, UNICODE_VERSION)
    assert len({(case["surname"], case["forenames"]) for case in VECTORS["cases"]}) >= 200


def test_the_frozen_column_keys_come_out() -> None:
    for entry in VECTORS["column_keys"]:
        found = column_key(bytes.fromhex(VECTORS["epoch_key"]), label_of(entry["label"]))
        assert found.hex() == entry["column_key"]


def test_the_frozen_tokens_come_out_of_one_column() -> None:
    key = column_key(bytes.fromhex(VECTORS["epoch_key"]), label_of(VECTORS["label"]))
    person, surname, forenames = (
        pa.array([case[name] for case in VECTORS["cases"]], pa.string()) for name in ("person", "surname", "forenames")
    )
    assert tokenise(key, VECTORS["prefix"], person, [surname, forenames]).text.to_pylist() == [c["token"] for c in VECTORS["cases"]]


def test_the_second_implementation_gives_the_frozen_answers_too() -> None:
    key = REFERENCE.column_key(bytes.fromhex(VECTORS["epoch_key"]), **VECTORS["label"])
    for case in VECTORS["cases"]:
        fields = [case["person"], case["surname"], case["forenames"]]
        assert [REFERENCE.canonical(field) for field in fields] == case["canonical"]
        assert REFERENCE.token(key, VECTORS["prefix"], fields[0], fields[1:]) == case["token"]


@pytest.mark.parametrize("drawn_by", ["parts that are hard to fold", "the demo data's generator"])
def test_both_implementations_agree_on_100_000_generated_people(drawn_by: str) -> None:
    person, surname, forenames = people(50_000, seed=7) if "hard" in drawn_by else demo_people(50_000)
    expected = [
        REFERENCE.token(KEY, "WC1-", *row) for row in zip(person, map(list, zip(surname, forenames, strict=True)), strict=True)
    ]
    assert tokens(person, surname, forenames) == expected
    assert expected.count(None) < 500
    assert len(set(expected)) > 49_000


@settings(deadline=None)
@given(st.lists(st.tuples(st.text("aÅ’ -1", min_size=1, max_size=20).filter(str.strip), st.none() | st.text("bé –`", max_size=40))))
def test_both_implementations_agree_on_any_row(rows: list[tuple[str, str | None]]) -> None:
    person, values = [row[0] for row in rows], [row[1] for row in rows]
    found = tokenise(KEY, "WC1-", pa.array(person, pa.string()), [pa.array(values, pa.string())])
    assert found.text.to_pylist() == [REFERENCE.token(KEY, "WC1-", one, [value]) for one, value in rows]


@given(
    st.sampled_from(["relationship", "transaction"]),
    st.lists(st.text("ab", max_size=3), min_size=1, max_size=3),
    st.text("ab1", max_size=3),
    st.text("ab1", max_size=3),
    st.integers(1, 12),
)
def test_both_implementations_derive_one_column_key(scope: str, of: list[str], supplier: str, column: str, epoch: int) -> None:
    release = "2026-11-23-7f3a9c" if scope == "transaction" else None
    label = TokenLabel(supplier, epoch, column, tuple(of), scope, release)
    assert column_key(EPOCH_KEY, label) == REFERENCE.column_key(EPOCH_KEY, supplier, epoch, column, of, scope, release)


LABELS = st.builds(
    lambda supplier, epoch, column, of, release: TokenLabel(
        supplier, epoch, column, tuple(of), "relationship" if release is None else "transaction", release
    ),
    st.text("ab", max_size=2),
    st.integers(1, 12),
    st.text("ab1", max_size=2),
    st.lists(st.text("ab", max_size=2), min_size=1, max_size=3),
    st.none() | st.text("ab1", max_size=2),
)


@given(LABELS, LABELS)
def test_two_labels_have_one_encoding_only_if_they_are_equal(one: TokenLabel, other: TokenLabel) -> None:
    assert (one.encoded() == other.encoded()) == (one == other)


@pytest.mark.parametrize(
    "change",
    [
        {"supplier": "uniform"},
        {"epoch": 2},
        {"column": "person_token"},
        {"of": ("forenames", "surname")},
        {"scope": "transaction", "release": "r1"},
    ],
)
def test_a_change_of_any_part_of_the_label_changes_every_token(change: dict[str, Any]) -> None:
    person, surname, forenames = people(300, seed=1)
    other = column_key(EPOCH_KEY, dataclasses.replace(LABEL, **change))
    first, second = tokens(person, surname, forenames), tokens(person, surname, forenames, key=other)
    assert not {token for token in first if token} & set(second)


def test_transaction_tokens_of_two_releases_have_nothing_in_common_and_those_of_one_release_are_the_same() -> None:
    keys = [
        column_key(EPOCH_KEY, dataclasses.replace(LABEL, scope="transaction", release=release))
        for release in ("2026-11-23-7f3a9c", "2026-11-24-08be11", "2026-11-23-7f3a9c")
    ]
    first, second, again = (set(tokens(["1", "2"], ["Smith", "Jones"], key=key)) for key in keys)
    assert not first & second
    assert first == again


@pytest.mark.parametrize(
    "wrong",
    [{"scope": "person"}, {"release": "r1"}, {"scope": "transaction"}, {"epoch": 0}, {"of": ()}],
)
def test_a_label_that_says_two_things_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="token"):
        dataclasses.replace(LABEL, **wrong)


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_an_epoch_key_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        column_key(bytes(size), LABEL)


def test_564_people_called_john_smith_get_564_tokens() -> None:
    person = [f"{row:08d}" for row in range(564)]
    assert len(set(tokens(person, ["Smith"] * 564, ["John"] * 564))) == 564


def test_100_blank_names_give_100_nulls() -> None:
    blanks: list[str | None] = [None, "", " ", "\u00a0", "\u200b"] * 20
    assert tokens([str(row) for row in range(100)], blanks, blanks[::-1]) == [None] * 100


def test_a_row_with_one_value_of_two_has_a_token_of_its_own() -> None:
    found = tokens(["1"] * 4, ["ann", None, "ann", None], [None, "ann", "ann", " "])
    assert found[3] is None
    assert len({*found[:3]}) == 3
    assert None not in found[:3]


def test_a_person_has_one_token_however_the_name_is_typed() -> None:
    assert len(set(tokens(["00012345"] * 4, ["O'Neill", "O’NEILL", "  O`Neill ", "o\u02bcneill"]))) == 1


def test_ascending_order_is_ascending_text() -> None:
    person, surname, forenames = people(5_000, seed=3)
    found = tokenise(KEY, "WC1-", pa.array(person), [pa.array(surname), pa.array(forenames)])
    text = found.text.to_pylist()
    rows = [row for row in np.argsort(found.order, kind="stable").tolist() if text[row] is not None]
    assert [text[row] for row in rows] == sorted(token for token in text if token)
    assert all((found.order[row] == 0) == (token is None) for row, token in enumerate(text))
    assert found.order.dtype == np.uint64


def test_a_token_does_not_depend_on_its_batch_or_its_place_in_it() -> None:
    person, surname, forenames = people(400, seed=4)
    whole = tokens(person, surname, forenames)
    order = np.random.default_rng(1).permutation(400).tolist()
    shuffled = tokens(*([column[row] for row in order] for column in (person, surname, forenames)))
    assert shuffled == [whole[row] for row in order]
    batch = pa.RecordBatch.from_pydict({"p": person, "s": pa.array(surname), "f": pa.array(forenames)}).slice(57, 100)
    assert tokenise(KEY, "WC1-", batch.column(0), [batch.column(1), batch.column(2)]).text.to_pylist() == whole[57:157]


def test_the_person_key_may_be_the_value() -> None:
    batch = pa.RecordBatch.from_pydict({"pay_number": ["00000017", "AB-1", "００１"], "same": ["00000017", "AB-1", "００１"]})
    from_one = tokenise(KEY, "WC1-", batch.column(0), [batch.column(0)])
    from_two = tokenise(KEY, "WC1-", batch.column(0), [batch.column(1)])
    assert from_one.text.equals(from_two.text)
    assert from_one.text.to_pylist() == [REFERENCE.token(KEY, "WC1-", one, [one]) for one in batch.column(0).to_pylist()]


def test_two_slices_of_one_column_are_not_taken_for_the_same() -> None:
    column = pa.array(["1", "2", "3"])
    found = tokenise(KEY, "WC1-", column.slice(0, 2), [column.slice(1, 2)])
    assert found.text.to_pylist() == tokens(["1", "2"], ["2", "3"])


def test_a_token_of_a_pay_number_is_none_of_its_digests() -> None:
    token = tokens(["00012345"], ["00012345"])[0]
    assert token is not None
    body = token[4:20].lower()
    for name in ("md5", "sha1", "sha256", "sha512"):
        digest = hashlib.new(name, b"00012345").digest()
        forms = digest.hex(), base64.b32encode(digest).decode().lower(), base64.b64encode(digest).decode().lower()
        assert not any(body[:8] in form for form in forms)


@pytest.mark.parametrize("person", [None, "", "  ", "\u200b"])
def test_a_row_without_person_key_is_refused(person: str | None) -> None:
    with pytest.raises(ExportError) as caught:
        tokenise(KEY, "WC1-", pa.array(["1", person]), [pa.array(["Secretname", "Secretname"])])
    assert caught.value.code == "person-key-missing"
    assert "Secretname" not in str(caught.value.args)


def test_a_forbidden_character_stops_the_column_without_its_value() -> None:
    with pytest.raises(ExportError) as caught:
        tokenise(KEY, "WC1-", pa.array(["1"]), [pa.array(["Secretname\ue000"])])
    assert caught.value.code == "forbidden-character"
    assert "Secretname" not in str(caught.value.args)


def test_values_that_do_not_line_up_are_refused() -> None:
    with pytest.raises(ValueError, match="fields"):
        tokenise(KEY, "WC1-", pa.array(["1", "2"]), [pa.array(["a"])])
    with pytest.raises(ValueError, match="value"):
        tokenise(KEY, "WC1-", pa.array(["1"]), [])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_an_empty_batch_gives_an_empty_column(kind: pa.DataType) -> None:
    found = tokenise(KEY, "WC1-", pa.array([], kind), [pa.array([], kind)])
    assert found.text.type == pa.string()
    assert (len(found.text), len(found.order)) == (0, 0)


def test_tokens_do_not_show_themselves_in_a_traceback() -> None:
    assert "WC1-" not in repr(tokenise(KEY, "WC1-", pa.array(["1"]), [pa.array(["a"])]))


@pytest.mark.suites
def test_both_implementations_agree_on_the_common_names_of_the_world() -> None:
    folder = SUITES / "text-names" / "popular-names-cc0"
    if not folder.exists():
        pytest.skip("the corpus of names is not beside the checkout")
    names = sorted(
        {
            field
            for path in folder.glob("*.csv")
            for line in path.read_text("utf-8-sig").splitlines()
            for field in line.split(",")
            if field and not any(ord(character) < 32 for character in field)
        }
    )
    person = [str(row) for row in range(len(names))]
    assert len(names) > 1_000
    assert tokens(person, names) == [
        REFERENCE.token(KEY, "WC1-", *row) for row in zip(person, ([name] for name in names), strict=True)
    ]


def test_the_worked_example_of_the_specification_is_right() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "spec" / "tokens.md").read_text("utf-8")
    example = page.split("## 6. Worked example")[1].split("```")[1]
    written: dict[str, str] = {}
    name = ""  # a line without a name continues the one before
    for line in example.strip().splitlines():
        name = line[:13].strip() or name
        written[name] = written.get(name, "") + line[13:]
    label = TokenLabel("example", 1, "name_token", ("surname", "forenames"), "relationship")
    key = column_key(bytes(range(32)), label)
    fields = ["00012345", "O’Neill", "  Siobhán  Mary "]
    canonical = [REFERENCE.canonical(field) for field in fields]
    macs = cmac_fields(key, [pa.array([field]) for field in canonical])
    (token,) = tokens([fields[0]], [fields[1]], [fields[2]], key=key)
    assert written == {
        "label": label.encoded().hex(),
        "column key": key.hex(),
        "canonical": " | ".join(canonical),
        "message": REFERENCE.message(canonical).hex(),
        "MAC": macs[0].tobytes().hex(),
        "token": token,
    }
