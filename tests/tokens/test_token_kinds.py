"""Reversible tokens and tokens of numbers: frozen answers, a second implementation, and what a column must refuse."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import reference_kinds as reference
from hypothesis import given
from hypothesis import strategies as st

from transforms.errors import ExportError, InternalError, InvalidInput
from transforms.policy.token_size import BUCKETS
from transforms.tokens.check_kinds import self_test_kinds, spot_check_column
from transforms.tokens.column import TokenForm, make_tokens
from transforms.tokens.derive import TokenLabel, column_key
from transforms.tokens.format import Token, parse_number, parse_token
from transforms.tokens.resolve import Opened, TokenSource, open_tokens

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "token-kinds-v1.json").read_text(encoding="utf-8"))
EPOCH_KEY = bytes.fromhex(VECTORS["epoch_key"])
NAMES = ("surname", "forenames")
PAY = ("pay_number",)
KINDS = {
    "names": TokenForm("reversible", "uniform", 3, "name_token", "UN3-", NAMES, None, 128),
    "person": TokenForm("reversible", "uniform", 3, "person_token", "UN3-", PAY, 0, 16),
    "mixed": TokenForm("reversible", "uniform", 3, "mixed", "UN3-", ("surname", "pay_number"), 1, 64),
    "digits": TokenForm("digits", "uniform", 3, "number", "UN3-", PAY, 0, 8),
    "short": TokenForm("short", "uniform", 3, "short", "UN3-", PAY, 0, 8),
}
WORDS = [
    "Smith",
    "O\u2019Neill",
    "O'Neill",
    "Siobha\u0301n",
    "Siobh\u00e1n",
    " de la  Cruz ",
    "\u1eb8\u0301k\u00f3",
    "",
    "  ",
    "\u200b",
    None,
]
ROWS = {
    "pay_number": ["00012345", "00012346", "99999999", "00012347"],
    "surname": ["Smith", "Smith", None, "Siobha\u0301n"],
    "forenames": ["Ann", "Ann", " ", None],
}


def key_of(form: TokenForm, release: str | None = None) -> bytes:
    scope = "relationship" if release is None else "transaction"
    return column_key(EPOCH_KEY, TokenLabel(form.supplier, form.epoch, form.column, form.of, scope, release, form.kind))


def made(form: TokenForm, rows: dict[str, list[str | None]]) -> Any:
    columns = {name: pa.array(values, pa.string()) for name, values in rows.items()}
    return make_tokens(key_of(form), form, columns["pay_number"], [columns[name] for name in form.of])


def expected(form: TokenForm, key: bytes, row: dict[str, Any]) -> str | None:
    args = (key, form.supplier, form.epoch, form.column)
    if form.kind == "reversible":
        chosen = {name: row[name] for name in form.of}
        return reference.reversible(*args, form.size, form.prefix, row["pay_number"], chosen, "pay_number")
    return reference.number(key, form.kind, *args[1:], form.prefix, row["pay_number"])


@pytest.mark.parametrize("entry", VECTORS["columns"], ids=lambda entry: f"{entry['column']} {entry['release']}")
def test_the_frozen_tokens_of_every_kind_come_out(entry: dict[str, Any]) -> None:
    key_at = 0 if entry["of"] == ["pay_number"] else None
    form = TokenForm(entry["kind"], "example", 1, entry["column"], "WC1-", tuple(entry["of"]), key_at, entry["size"])
    key = key_of(form, entry["release"])
    assert key.hex() == entry["key"]
    people = VECTORS["people"][: len(entry["tokens"])]
    person = pa.array([one["person"] for one in people])
    columns = {"pay_number": person} | {name: pa.array([one[name] for one in people], pa.string()) for name in NAMES}
    assert make_tokens(key, form, person, [columns[name] for name in form.of]).text.to_pylist() == entry["tokens"]


def test_the_frozen_answers_are_of_two_hundred_people_and_more() -> None:
    assert len(VECTORS["people"]) >= 200
    assert {entry["kind"] for entry in VECTORS["columns"]} == {"reversible", "digits", "short"}


@pytest.mark.parametrize("name", KINDS)
def test_both_implementations_agree_on_thousands_of_people(name: str) -> None:
    form, chance = KINDS[name], random.Random(name)  # noqa: S311
    rows = {
        "pay_number": [f"{number:08}" for number in chance.sample(range(10**8), 3_000)],
        "surname": chance.choices(WORDS, k=3_000),
        "forenames": chance.choices(WORDS, k=3_000),
    }
    found = made(form, rows).text.to_pylist()
    key = key_of(form)
    assert found == [expected(form, key, dict(zip(rows, row, strict=True))) for row in zip(*rows.values(), strict=True)]


@pytest.mark.parametrize("name", KINDS)
def test_order_ascends_with_the_text_and_fills_sixteen_shards_evenly(name: str) -> None:
    rows: dict[str, list[str | None]] = {
        "pay_number": [f"{number:08}" for number in range(8_000)],
        "surname": ["Smith"] * 8_000,
        "forenames": ["Ann"] * 8_000,
    }
    tokens = made(KINDS[name], rows)
    by_order = [text for _, text in sorted(zip(tokens.order.tolist(), tokens.text.to_pylist(), strict=True))]
    assert by_order == sorted(tokens.text.to_pylist())
    shards = np.bincount((tokens.order >> np.uint64(60)).astype(int), minlength=16)
    assert shards.min() > 380  # 500 expected, 22 the standard deviation
    assert shards.max() < 620


@pytest.mark.parametrize("name", ["names", "person", "mixed"])
def test_no_length_shows_in_a_reversible_token(name: str) -> None:
    texts = [text for text in made(KINDS[name], ROWS).text.to_pylist() if text]
    assert len({len(text) for text in texts}) == 1


def test_two_people_of_one_name_get_two_reversible_tokens() -> None:
    first, second, *_ = made(KINDS["names"], ROWS).text.to_pylist()
    assert first != second


def test_a_row_without_values_has_no_reversible_token_unless_the_person_key_is_one() -> None:
    rows: dict[str, list[str | None]] = {"pay_number": ["00012345"], "surname": [" "], "forenames": [None]}
    assert made(KINDS["names"], rows).text.to_pylist() == [None]
    assert made(KINDS["mixed"], rows).text.null_count == 0


@pytest.mark.parametrize("name", KINDS)
def test_a_token_opens_to_the_person_and_to_the_values_as_they_were_written(name: str) -> None:
    form = KINDS[name]
    tokens = made(form, ROWS).text.to_pylist()
    read = [(parse_number if form.kind == "digits" else parse_token)(text or "X") if text else None for text in tokens]
    opened = open_tokens(TokenSource(form, key_of(form)), [token for token in read if token])
    composed = {name: [(text or "").strip().replace("a\u0301", "\u00e1") or None for text in ROWS[name]] for name in ROWS}
    assert opened == [
        Opened(ROWS["pay_number"][row] or "", tuple(composed[source][row] for source in form.of))
        for row, token in enumerate(read)
        if token
    ]


@pytest.mark.parametrize("name", ["names", "person"])
@given(data=st.data())
def test_a_reversible_token_that_was_changed_opens_under_no_key(name: str, data: st.DataObject) -> None:
    form = KINDS[name]
    token = parse_token(made(form, ROWS).text[0].as_py())
    place = data.draw(st.integers(0, len(token.symbols) - 1))
    other = data.draw(st.sampled_from("0123456789ABCDEFGHJKMNPQRSTVWXYZ").filter(lambda symbol: symbol != token.symbols[place]))
    changed = Token(token.prefix, token.epoch, token.symbols[:place] + other + token.symbols[place + 1 :])
    assert open_tokens(TokenSource(form, key_of(form)), [changed]) == [None]


@pytest.mark.parametrize("change", [{"supplier": "other"}, {"column": "other"}, {"epoch": 4}])
def test_a_reversible_token_opens_for_its_own_supplier_column_and_epoch_alone(change: dict[str, Any]) -> None:
    form = KINDS["person"]
    other = TokenForm(**{name: change.get(name, getattr(form, name)) for name in TokenForm.__slots__})
    token = parse_token(made(form, ROWS).text[0].as_py())
    assert open_tokens(TokenSource(other, key_of(form)), [token]) == [None]  # associated data
    assert open_tokens(TokenSource(form, key_of(other)), [token]) == [None]  # key


def test_a_short_token_that_was_made_up_rarely_stands_for_a_number() -> None:
    form, chance = KINDS["short"], random.Random(3)  # noqa: S311
    tokens = [Token("UN", 3, "".join(chance.choices("0123456789ABCDEFGHJKMNPQRSTVWXYZ", k=8))) for _ in range(20_000)]
    passed = sum(one is not None for one in open_tokens(TokenSource(form, key_of(form)), tokens))
    assert passed <= 12  # 1.8 are expected: below 10^12, with four zeros in front


def test_every_number_of_a_length_has_a_token_of_its_own() -> None:
    form = TokenForm("digits", "uniform", 3, "number", "UN3-", PAY, 0, 6)
    person = pa.array([f"{number:06}" for number in range(10**6)])
    tokens = make_tokens(key_of(form), form, person, [person]).text
    assert tokens.unique().sort().equals(person)


@pytest.mark.parametrize("person", ["1234567", "123456789", "1234567\uff18", "1234567a", None])
@pytest.mark.parametrize("name", ["digits", "short"])
def test_what_is_no_number_of_the_length_is_refused_without_being_named(name: str, person: str | None) -> None:
    column = pa.array(["00012345", person], pa.string())
    with pytest.raises(ExportError) as caught:
        make_tokens(key_of(KINDS[name]), KINDS[name], column, [column])
    assert caught.value.code == "token-number-form"
    assert "1234567" not in f"{caught.value} {caught.value.hint}"


def test_a_row_that_does_not_fit_its_bucket_is_refused_without_being_named() -> None:
    rows: dict[str, list[str | None]] = {"pay_number": ["00012345"], "surname": ["Secretname" * 12], "forenames": ["Ann"]}
    with pytest.raises(ExportError) as caught:
        made(KINDS["names"], rows)
    assert caught.value.code == "token-value-too-long"
    assert "Secretname" not in f"{caught.value} {caught.value.hint}"


def test_a_row_that_fills_its_bucket_to_the_last_byte_passes() -> None:
    rows: dict[str, list[str | None]] = {"pay_number": ["00012345"], "surname": ["x" * (128 - 14)], "forenames": [None]}
    assert made(KINDS["names"], rows).text.null_count == 0


def test_no_two_kinds_share_a_key() -> None:
    kinds = ("one-way", "reversible", "digits", "short")
    keys = [column_key(EPOCH_KEY, TokenLabel("uniform", 3, "t", PAY, "relationship", None, kind)) for kind in kinds]
    assert [len(key) for key in keys] == [32, 64, 32, 32]
    assert len({key[:32] for key in keys}) == 4


def test_the_known_answers_of_every_kind_hold() -> None:
    self_test_kinds()


@pytest.mark.parametrize("name", KINDS)
def test_a_spot_check_finds_one_wrong_token_among_right_ones(name: str) -> None:
    form = KINDS[name]
    columns = {source: pa.array(values, pa.string()) for source, values in ROWS.items()}
    values = [columns[source] for source in form.of]
    tokens = made(form, ROWS).text.to_pylist()
    spot_check_column(key_of(form), form, columns["pay_number"], values, pa.array(tokens, pa.string()), range(4))
    for row, wrong in ((1, tokens[0]), (0, None), (0, (tokens[0] or "")[:-1])):
        harmed = [wrong if place == row else token for place, token in enumerate(tokens)]
        with pytest.raises(InternalError) as caught:
            spot_check_column(key_of(form), form, columns["pay_number"], values, pa.array(harmed, pa.string()), range(4))
        assert caught.value.code == "token-spot-check-failed"


@given(
    epoch=st.integers(1, 999),
    length=st.sampled_from([8, 16, *(-(-(16 + bucket) * 8 // 5) for bucket in BUCKETS)]),
    data=st.data(),
)
def test_a_token_of_any_kind_reads_back_as_people_type_it(epoch: int, length: int, data: st.DataObject) -> None:
    symbols = data.draw(st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=length, max_size=length))
    token = Token("WC", epoch, symbols)
    body = token.text.partition("-")[2].replace("0", "o").replace("1", "l").lower()
    pieces = "-".join(re.findall(".{1,4}", body))
    assert parse_token(f" wc{epoch}-{pieces} ") == token
    assert parse_token(token.text.replace("-", "")) == token


@pytest.mark.parametrize("name", ["names", "person", "short"])
def test_a_typing_error_is_told_from_what_is_no_token(name: str) -> None:
    text = made(KINDS[name], ROWS).text[0].as_py()
    codes = []
    for typed in (text[:-1] + ("0" if text[-1] != "0" else "1"), text + "0", text[:-1], text[:-1] + "U"):
        with pytest.raises(InvalidInput) as caught:
            parse_token(typed)
        codes.append(caught.value.code)
    assert codes == ["token-mistyped", "token-malformed", "token-malformed", "token-malformed"]


@pytest.mark.parametrize("text", ["12345", "1" * 19, "1234567a", "WC1-12345678", "\u0661" * 8, ""])
def test_what_is_no_bare_number_is_no_token(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_number(text)


def test_a_bare_number_may_be_typed_in_groups() -> None:
    assert parse_number(" 0001-23 45 ").text == "00012345"
