"""The gate reads every kind of token as a stranger: what passes, and what is found in a column of each [T1-T5, C8]."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from transforms.errors import InternalError
from transforms.leaks import ExportMatcher, OrderSample, judge
from transforms.leaks.chance import too_many
from transforms.tokens.format import ALPHABET, Token, parse_token

Nights = Callable[..., Any]
KINDS = ("reversible", "digits", "short")
HEADED = ("reversible", "short")


def cells(staged: Any) -> list[str]:
    return [line.split(b",")[0].decode() for line in staged.lines()[1:]]


def put(staged: Any, tokens: list[str]) -> None:
    """Writes other tokens in the first column, in ascending order, each row with the rest that it had."""
    header, *lines = staged.lines()
    rows = [token.encode() + b"," + line.split(b",", 1)[1] for token, line in zip(tokens, lines, strict=True)]
    staged.write(staged.table.name, header + b"".join(sorted(rows)))


def put_by_person(staged: Any, numbers: dict[int, str]) -> None:
    """Writes other tokens for some rows (by position in the view), and puts rows and their places in order again."""
    header, *lines = staged.lines()
    refs = np.load(staged.area / "order.npy")
    changed = [numbers[row].encode() + b"," + line.split(b",", 1)[1] if row in numbers else line for row, line in enumerate(lines)]
    order = sorted(range(len(changed)), key=changed.__getitem__)
    staged.write(staged.table.name, header + b"".join(changed[row] for row in order))
    np.save(staged.area / "order.npy", refs[order])


def own_numbers(staged: Any) -> list[str]:
    """The pay number of the person in each row of the view."""
    numbers = dict(zip(staged.export.column("row_ref").to_pylist(), staged.export.column("pay_number").to_pylist(), strict=True))
    return [numbers[ref] for ref in np.load(staged.area / "order.npy").tolist()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_clean_view_of_every_kind_passes_all_checks(night: Nights, kind: str) -> None:
    checked = night(kind, people=2_000).judge()
    rules = {check.rule for check in checked.checks}
    assert {"token-shape", "token-prefix", "token-check-symbol", "token-repeated", "token-symbols", "row-order"} <= rules
    assert ({"number-issued", "number-own"} <= rules) == (kind == "digits")


@pytest.mark.parametrize("kind", KINDS)
def test_two_rows_with_one_token_stop_the_run(night: Nights, kind: str) -> None:
    staged = night(kind)
    tokens = cells(staged)
    put(staged, [tokens[0], tokens[0], *tokens[2:]])
    assert "token-repeated: people.csv column person_token" in staged.refusal().rule


@pytest.mark.parametrize("kind", HEADED)
def test_a_wrong_check_symbol_is_found(night: Nights, kind: str) -> None:
    staged = night(kind)
    token = cells(staged)[3]
    staged.edit(token.encode(), token[:-1].encode() + (b"0" if token[-1] != "0" else b"1"))
    assert "token-check-symbol: people.csv column person_token row 4" in staged.refusal().rule


@pytest.mark.parametrize("kind", HEADED)
def test_a_foreign_prefix_or_epoch_is_found(night: Nights, kind: str) -> None:
    for old, new in ((0, "XX"), (2, "2")):
        staged = night(kind)
        token = cells(staged)[3]
        staged.edit(token.encode(), f"{token[:old]}{new}{token[old + len(new) :]}".encode())
        assert "token-prefix: people.csv column person_token row 4" in staged.refusal().rule
        for path in sorted(staged.area.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        staged.area.rmdir()


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        ("digits", "1234567"),
        ("digits", "123456789"),
        ("digits", "1234567A"),
        ("digits", "DG1-12345678"),
        ("short", "SH1-0000000000"),
        ("short", "00001234"),
        ("reversible", "RE1-" + "0" * 17),
        ("reversible", "00001234"),
    ],
)
def test_a_cell_of_another_form_is_no_token(night: Nights, kind: str, cell: str) -> None:
    staged = night(kind)
    staged.edit(cells(staged)[3].encode() + b",", cell.encode() + b",")
    assert "token-shape: people.csv column person_token row 4" in staged.refusal().rule


def test_a_short_token_of_a_number_of_thirteen_digits_is_no_token(night: Nights) -> None:
    staged = night("short")
    staged.edit(cells(staged)[-1].encode(), Token("SH", 1, "ZZZZZZZZ").text.encode())
    assert "token-shape: people.csv column person_token" in staged.refusal().rule


def test_a_reversible_token_has_no_bits_to_spare(night: Nights) -> None:
    staged = night("reversible")
    token = parse_token(cells(staged)[3])
    last = ALPHABET[ALPHABET.index(token.symbols[-1]) | 1]
    staged.edit(token.text.encode(), replace(token, symbols=token.symbols[:-1] + last).text.encode())
    assert "token-shape: people.csv column person_token row 4" in staged.refusal().rule


@pytest.mark.parametrize("kind", KINDS)
def test_rows_in_the_order_of_the_export_are_found(night: Nights, kind: str) -> None:
    staged = night(kind)
    header, *lines = staged.lines()
    refs = np.load(staged.area / "order.npy")
    by_export = np.argsort(refs)
    staged.write(staged.table.name, header + b"".join(lines[row] for row in by_export))
    np.save(staged.area / "order.npy", refs[by_export])
    refused = staged.refusal()
    assert "row-order: " in refused.rule
    assert "order-correlation: " in refused.rule


def test_numbers_that_count_up_are_no_tokens(night: Nights) -> None:
    for kind in ("digits", "short"):
        staged = night(kind)
        count = len(cells(staged))
        if kind == "digits":
            put(staged, [f"{number:08}" for number in range(50_000_000, 50_000_000 + count)])
        else:
            symbols = [_symbols(number) for number in range(count)]
            put(staged, [Token("SH", 1, text).text for text in symbols])
        assert "token-symbols: people.csv column person_token" in staged.refusal().rule


def _symbols(number: int) -> str:
    return "".join(ALPHABET[number >> 5 * place & 31] for place in reversed(range(8)))


def test_a_column_of_everybody_s_own_pay_number_is_found(night: Nights) -> None:
    staged = night("digits")
    put_by_person(staged, dict(enumerate(own_numbers(staged))))
    rule = staged.refusal().rule
    assert "number-own: column person_token, as the person's own pay_number" in rule
    assert "number-issued: column person_token, as a pay_number of the export" in rule


def test_a_few_people_s_own_pay_numbers_are_found(night: Nights) -> None:
    staged = night("digits")
    own = own_numbers(staged)
    put_by_person(staged, {row: own[row] for row in (5, 50, 300)})
    refused = staged.refusal()
    assert "number-own: column person_token, as the person's own pay_number (3)" in refused.rule
    assert own[5] not in refused.rule


def test_other_people_s_pay_numbers_are_found(night: Nights) -> None:
    staged = night("digits")
    own = own_numbers(staged)
    put_by_person(staged, {row: own[row + 1] for row in range(0, 40, 2)})
    rule = staged.refusal().rule
    assert "number-issued: column person_token, as a pay_number of the export (20)" in rule
    assert "number-own" not in rule


def test_another_number_of_the_person_is_found_too(night: Nights) -> None:
    chance = random.Random(5)  # noqa: S311
    warrants = [f"{chance.randrange(10**8):08}" for _ in range(400)]
    staged = night("digits", cells={"warrant_number": warrants})
    by_number = dict(zip(staged.export.column("pay_number").to_pylist(), warrants, strict=True))
    put_by_person(staged, {row: by_number[number] for row, number in enumerate(own_numbers(staged))})
    assert "number-own: column person_token, as the person's own warrant_number" in staged.refusal().rule


def test_one_coincidence_is_counted_and_is_no_leak(night: Nights) -> None:
    staged = night("digits")
    assert staged.judge().overlaps == {"person_token": 0}
    own = own_numbers(staged)
    put_by_person(staged, {7: own[90]})
    assert staged.judge().overlaps == {"person_token": 1}


def test_coincidences_in_a_small_domain_are_counted_as_they_are_and_are_no_leak(night: Nights, contract: Any) -> None:
    # Numbers of six digits: of 2,000 tokens against 2,000 issued numbers four coincide by chance.
    staged = night("digits", people=2_000, cells=six_digits(2_000), digits=6)
    issued = set(staged.export.column("pay_number").to_pylist())
    equal = sum(token in issued for token in cells(staged))
    assert equal > 0
    assert staged.judge().overlaps == {"person_token": equal}


def six_digits(people: int) -> dict[str, list[str]]:
    return {"pay_number": [f"{number * 7 + 120_034:06}" for number in range(people)]}


def test_two_suppliers_numbers_may_meet_by_chance_and_not_by_key(night: Nights) -> None:
    make = {"people": 2_000, "cells": six_digits(2_000), "digits": 6}
    one = night("digits", **make)
    two = night("digits", as_supplier="other", key=77, **make)
    shared = set(cells(one)) & set(cells(two))
    assert shared
    one.judge(two.scan())
    same_tokens = replace(one.scan(), supplier="another")
    assert "token-shared: " in one.refusal(same_tokens).rule


def test_a_view_of_bare_numbers_that_nobody_compared_is_not_judged(night: Nights) -> None:
    staged = night("digits")
    scan = staged.scan()
    order = OrderSample(staged.area, staged.policy, staged.contract)
    batches = staged.export.to_batches()
    matches = [ExportMatcher(scan, staged.contract).match(batch) for batch in batches]
    with pytest.raises(InternalError) as caught:
        judge(scan, staged.policy, matches=matches, order=order, collected=[order.collect(b) for b in batches], unreadable_rows=0)
    assert caught.value.code == "unverified-release"


@pytest.mark.parametrize("kind", HEADED)
def test_a_token_of_the_view_that_is_an_identifier_of_the_export_is_found(night: Nights, kind: str) -> None:
    staged = night(kind)
    phones = staged.export.column("phone").to_pylist()
    phones[3] = cells(staged)[5]
    index = staged.export.schema.get_field_index("phone")
    staged.export = staged.export.set_column(index, "phone", pa.array(phones))
    assert "raw-value: " in staged.refusal().rule


@pytest.mark.parametrize(
    ("found", "expected", "refused"),
    [(0, 0, False), (1, 0, True), (1, 4e-6, False), (2, 4e-6, True), (530, 500, False), (660, 500, True), (5, 500, False)],
)
def test_chance_is_told_from_more_than_chance(found: int, expected: float, refused: bool) -> None:
    assert too_many(found, expected) == refused
