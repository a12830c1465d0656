"""The way back from tokens that can be decrypted: people of the export, leavers, and what is neither [P7, C6, C8]."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from transforms.keyring import admin, lifecycle
from transforms.tokens.format import ALPHABET, Token, check_symbol, parse_token

if TYPE_CHECKING:
    from tests.pipelines.resolving.conftest import Desk

NAMES = ("pay_number", "surname", "forenames")
COLUMNS = [
    ("shift-rostering", "person_token"),
    ("shift-rostering", "names"),
    ("shift-rostering", "nightly"),
    ("uniform", "person_token"),
    ("uniform", "parcel"),
    ("card-printer", "person_token"),
]
Row = dict[str, str]


@pytest.fixture
def person(kinds_desk: Desk) -> Callable[[str], tuple[Row, Row]]:
    """A row of a supplier's view and the export's row of the same person, whose names are all there."""

    def find(supplier: str, column: str = "person_token") -> tuple[Row, Row]:
        people = {row["pay_number"]: row for row in kinds_desk.site.rows()}
        for view in kinds_desk.view(supplier):
            if view[column]:
                (found,) = kinds_desk.table(view[column], supplier=supplier)
                row = people[found["pay_number"]]
                if row["surname"] and row["forenames"]:
                    return view, row
        raise AssertionError("nobody has both names")

    return find


def export_without(desk: Desk, number: str, **changes: str) -> str:
    """An export in which a person has left, or has other values."""
    rows = [row for row in desk.site.rows() if row["pay_number"] != number or changes]
    rows = [{**row, **changes} if row["pay_number"] == number else row for row in rows]
    moved = replace(desk.site, root=desk.root)
    return moved.with_rows(rows, name="later").export


@pytest.mark.parametrize(("supplier", "column"), COLUMNS)
def test_a_token_of_any_kind_resolves_to_its_person_in_the_export(kinds_desk: Desk, supplier: str, column: str) -> None:
    table = kinds_desk.view(supplier)[:6]
    found = kinds_desk.table(*(row[column] for row in table if row[column]), supplier=supplier)
    people = {row["pay_number"]: row for row in kinds_desk.site.rows()}
    assert found
    for row in found:
        assert (row["status"], row["supplier"], row["column"], row["way"]) == ("resolved", supplier, column, "export")
        written = [people[row["pay_number"]][name] for name in NAMES]
        assert [row[name] for name in NAMES] == [name if name.strip() else "" for name in written]


def test_the_tokens_of_one_row_resolve_to_one_person(kinds_desk: Desk) -> None:
    for supplier, columns in (("shift-rostering", ("person_token", "names", "nightly")), ("uniform", ("person_token", "parcel"))):
        view = next(row for row in kinds_desk.view(supplier) if all(row[column] for column in columns))
        found = kinds_desk.table(*(view[column] for column in columns), supplier=supplier)
        assert len({row["pay_number"] for row in found}) == 1


def test_a_leaver_s_reversible_token_gives_number_and_names_as_hr_wrote_them(
    kinds_desk: Desk, person: Callable[..., tuple[Row, Row]]
) -> None:
    view, row = person("shift-rostering", "names")
    export = export_without(kinds_desk, row["pay_number"])
    alone, named = kinds_desk.table(view["person_token"], view["names"], supplier="shift-rostering", export=export)
    assert (alone["status"], alone["way"], named["status"], named["way"]) == ("resolved", "decrypted", "resolved", "decrypted")
    assert [named[name] for name in NAMES] == [row[name] for name in NAMES]
    assert [alone[name] for name in NAMES] == [row["pay_number"], "", ""]


def test_the_export_is_preferred_to_what_an_old_token_holds(kinds_desk: Desk, person: Callable[..., tuple[Row, Row]]) -> None:
    view, row = person("shift-rostering", "names")
    export = export_without(kinds_desk, row["pay_number"], surname="Newname")
    (found,) = kinds_desk.table(view["names"], supplier="shift-rostering", export=export)
    assert (found["status"], found["way"], found["surname"]) == ("resolved", "export", "Newname")


def test_a_leaver_s_token_opens_although_the_contract_allows_other_lengths_now(
    kinds_desk: Desk, person: Callable[..., tuple[Row, Row]]
) -> None:
    view, row = person("shift-rostering", "names")
    text = kinds_desk.site.contract.read_text(encoding="utf-8")
    assert text.count("{property: maxBytes, value: 60}") == 2
    other = kinds_desk.root / "other.yaml"
    other.write_text(text.replace("{property: maxBytes, value: 60}", "{property: maxBytes, value: 20}"), encoding="utf-8")
    export = export_without(kinds_desk, row["pay_number"])
    (found,) = kinds_desk.table(view["names"], supplier="shift-rostering", export=export, contract=str(other))
    assert (found["status"], found["way"]) == ("resolved", "decrypted")
    assert [found[name] for name in NAMES] == [row[name] for name in NAMES]


@pytest.mark.parametrize(("supplier", "column"), [("uniform", "person_token"), ("uniform", "parcel")])
def test_a_leaver_s_number_is_decrypted_and_not_called_proven(
    kinds_desk: Desk, person: Callable[..., tuple[Row, Row]], supplier: str, column: str
) -> None:
    view, row = person(supplier, column)
    export = export_without(kinds_desk, row["pay_number"])
    (found,) = kinds_desk.table(view[column], supplier=supplier, export=export)
    assert (found["status"], found["way"], found["pay_number"]) == ("unverified", "decrypted", row["pay_number"])


@pytest.mark.parametrize(("supplier", "column"), [case for case in COLUMNS if case != ("uniform", "person_token")])
def test_a_typing_error_is_told_from_an_unknown_token(kinds_desk: Desk, supplier: str, column: str) -> None:
    token = next(row[column] for row in kinds_desk.view(supplier) if row[column])
    typed = token[:-1] + ("0" if token[-1] != "0" else "1")
    made_up = changed(token)
    assert kinds_desk.statuses(typed, supplier=supplier) == ["mistyped"]
    assert kinds_desk.statuses(made_up, supplier=supplier) == ["unknown"]


def changed(token: str) -> str:
    """A token with another first symbol and the check symbol that fits; of a short one, far from any that was made."""
    read = parse_token(token)
    symbols = ALPHABET[(ALPHABET.index(read.symbols[0]) + 7) % 29] + read.symbols[1:]
    return Token(read.prefix, read.epoch, symbols).text


def test_a_bare_number_is_no_token_of_a_supplier_that_has_none(kinds_desk: Desk) -> None:
    number = kinds_desk.view("uniform")[0]["person_token"]
    assert kinds_desk.statuses(number, supplier="shift-rostering") == ["malformed"]
    assert kinds_desk.statuses(number[:6], supplier="uniform") == ["unknown"]


def test_a_bare_number_may_be_typed_in_groups(kinds_desk: Desk) -> None:
    number = kinds_desk.view("uniform")[0]["person_token"]
    (found,) = kinds_desk.table(f"{number[:4]} {number[4:]}", supplier="uniform")
    assert (found["status"], found["token"]) == ("resolved", number)


@pytest.mark.parametrize(("supplier", "column"), [case for case in COLUMNS if case != ("uniform", "person_token")])
def test_another_supplier_s_token_is_known_by_its_prefix_and_under_a_foreign_one(
    kinds_desk: Desk, supplier: str, column: str
) -> None:
    token = next(row[column] for row in kinds_desk.view(supplier) if row[column])
    other = "card-printer" if supplier == "uniform" else "uniform"
    prefix = {"card-printer": "WC", "uniform": "UN"}[other]
    relabelled = prefix + token[2:]
    for asked in (token, relabelled):
        (found,) = kinds_desk.table(asked, supplier=other)
        assert (found["status"], found["supplier"], found["pay_number"]) == ("other-supplier", supplier, "")


@pytest.mark.parametrize(("supplier", "column"), [case for case in COLUMNS if case != ("uniform", "person_token")])
def test_a_wrong_epoch_number_is_told(kinds_desk: Desk, supplier: str, column: str) -> None:
    token = next(row[column] for row in kinds_desk.view(supplier) if row[column])
    (found,) = kinds_desk.table(token.replace("1-", "9-", 1), supplier=supplier)
    assert (found["status"], found["pay_number"]) == ("other-epoch", "")


@pytest.mark.parametrize(("supplier", "column"), COLUMNS)
def test_tokens_of_a_destroyed_epoch_lead_nowhere(kinds_desk: Desk, tmp_path: Path, supplier: str, column: str) -> None:
    token = next(row[column] for row in kinds_desk.view(supplier) if row[column])
    own = tmp_path / "own"
    shutil.copytree(kinds_desk.site.keys.removeprefix("file:"), own)
    desk = replace(kinds_desk, site=replace(kinds_desk.site, keys=f"file:{own}"))
    now = datetime.now(UTC)
    admin.new_epoch(desk.site.keys, supplier, now)
    lifecycle.destroy(desk.site.keys, supplier, 1, now)
    (found,) = desk.table(token, supplier=supplier)
    # A bare number names no epoch: under the key that is left it stands for nobody.
    assert found["status"] == ("unverified" if column == "person_token" and supplier == "uniform" else "destroyed-epoch")
    assert found["pay_number"] not in {row["pay_number"] for row in desk.site.rows()}


def test_the_auditor_reads_which_way_an_answer_came(kinds_desk: Desk, person: Callable[..., tuple[Row, Row]]) -> None:
    view, row = person("shift-rostering")
    kinds_desk.table(view["person_token"], supplier="shift-rostering", export=export_without(kinds_desk, row["pay_number"]))
    answer = kinds_desk.audit()[-1]["details"]["answers"][0]
    assert (answer["way"], answer["people"]) == ("decrypted", [row["pay_number"]])


def test_a_check_symbol_covers_every_symbol_of_a_long_token(kinds_desk: Desk) -> None:
    token = parse_token(next(row["names"] for row in kinds_desk.view("shift-rostering") if row["names"]))
    for place in range(0, len(token.symbols) - 1, 7):
        one, two = token.symbols[place : place + 2]
        swapped = token.symbols[:place] + two + one + token.symbols[place + 2 :]
        assert one == two or check_symbol(swapped) != check_symbol(token.symbols)
