"""The way back, on real releases with real keys: what each kind of token gives, and what nobody gets [P11, L8]."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.release.events import Action, EventLog
from transforms.keyring import admin, lifecycle
from transforms.keyring.change import changing
from transforms.keyring.keyset import Epoch, Keyset
from transforms.tokens.format import check_symbol

if TYPE_CHECKING:
    from tests.pipelines.conftest import Ended, Site
    from tests.pipelines.resolving.conftest import Desk

NAMES = ("pay_number", "surname", "forenames")


def own_store(desk: Desk, own: Path) -> Desk:
    """The same desk with a copy of the key store that the test may change."""
    shutil.copytree(desk.site.keys.removeprefix("file:"), own)
    return replace(desk, site=replace(desk.site, keys=f"file:{own}"))


def people_of(desk: Desk) -> dict[str, dict[str, str]]:
    return {row["pay_number"]: row for row in desk.site.rows()}


def test_the_tokens_of_a_release_resolve_to_the_people_who_are_due(desk: Desk) -> None:
    due = {row["pay_number"] for row in desk.site.rows() if row["card_due"] == "yes" and row["protected"] == "no"}
    tokens = [row["person_token"] for row in desk.view("card-printer")]
    desk.limits(tokens_per_hour=1000, tokens_per_call=1000)
    table = desk.table(*tokens)
    assert {row["pay_number"] for row in table} == due
    for row in table:
        person = people_of(desk)[row["pay_number"]]
        assert (row["status"], row["column"]) == ("resolved", "person_token")
        assert [row[name] for name in NAMES] == [person[name] for name in NAMES]


def test_a_name_token_resolves_to_the_same_person_as_the_token_beside_it(desk: Desk) -> None:
    row = next(row for row in desk.view("card-printer") if row["name_token"])
    by_person, by_name = desk.table(row["person_token"], row["name_token"])
    assert by_person["pay_number"] == by_name["pay_number"] != ""
    assert by_name["column"] == "name_token"


def test_a_token_resolves_however_it_is_typed(desk: Desk) -> None:
    token = desk.view("card-printer")[0]["person_token"]
    head, symbols = token.split("-")
    typed = f"{head}-{symbols[:5]}-{symbols[5:].replace('0', 'o')}".lower()
    (row,) = desk.table(typed, token)[:1]
    assert (row["token"], row["status"]) == (token, "resolved")


def test_a_wrong_symbol_is_a_typing_error_and_no_token_is_no_token(desk: Desk) -> None:
    token = desk.view("card-printer")[0]["person_token"]
    wrong = token[:-3] + ("7" if token[-3] != "7" else "8") + token[-2:]
    assert desk.statuses(wrong, "Smith", "") == ["mistyped", "malformed", "malformed"]


def test_what_a_supplier_sent_back_in_place_of_a_token_reaches_neither_a_terminal_nor_a_spreadsheet_as_it_was(desk: Desk) -> None:
    shown = [row["token"] for row in desk.table("=cmd|' /C calc'!A0", "@SUM(1)", "+1+2", "\x1b[31mred", "\uff1dA1")]
    assert shown == ["\ufffdcmd|' /C calc'!A0", "\ufffdSUM(1)", "\ufffd1+2", "\ufffd[31mred", "\ufffdA1"]


def test_a_token_of_nobody_is_unknown(desk: Desk) -> None:
    symbols = "7K3M9X2PQRTV8HJE"
    assert desk.statuses(f"WC1-{symbols}{check_symbol(symbols)}") == ["unknown"]


def test_somebody_who_left_is_unknown(desk: Desk) -> None:
    token = desk.view("card-printer")[0]["person_token"]
    gone = desk.table(token)[0]["pay_number"]
    later = replace(desk.site, root=desk.root)
    (desk.root / "exports").mkdir()
    smaller = later.with_rows([row for row in desk.site.rows() if row["pay_number"] != gone])
    assert desk.statuses(token, export=smaller.export) == ["unknown"]


def test_another_suppliers_token_is_named_and_its_person_is_not(desk: Desk) -> None:
    token = desk.view("uniform")[0]["person_token"]
    (row,) = desk.table(token)
    assert (row["status"], row["supplier"], row["pay_number"]) == ("other-supplier", "uniform", "")


def test_another_suppliers_token_under_this_suppliers_prefix_is_found_out(desk: Desk) -> None:
    token = desk.view("uniform")[0]["person_token"].replace("UN", "WC")
    (row,) = desk.table(token)
    assert (row["status"], row["supplier"], row["pay_number"]) == ("other-supplier", "uniform", "")


def test_a_prefix_that_no_policy_has_is_told_apart(desk: Desk) -> None:
    symbols = "7K3M9X2PQRTV8HJE"
    assert desk.statuses(f"ZZ1-{symbols}{check_symbol(symbols)}") == ["unknown-prefix"]


def test_an_epoch_that_never_was_is_told_apart_from_a_mistyped_one(desk: Desk) -> None:
    symbols = "7K3M9X2PQRTV8HJE"
    real = desk.view("card-printer")[0]["person_token"].replace("WC1-", "WC7-")
    assert desk.statuses(f"WC7-{symbols}{check_symbol(symbols)}", real) == ["unknown-epoch", "other-epoch"]


def test_a_token_still_resolves_after_its_epoch_was_replaced(desk: Desk, tmp_path: Path) -> None:
    rotated = own_store(desk, tmp_path / "keys")
    admin.new_epoch(rotated.site.keys, "card-printer", datetime.now(UTC))
    token = desk.view("card-printer")[0]["person_token"]
    assert rotated.table(token)[0]["pay_number"] == desk.table(token, case="CASE-2", records=str(tmp_path / "r2"),
                                                               checkpoints=str(tmp_path / "c2"))[0]["pay_number"]  # fmt: skip


def rewritten(store: str, supplier: str, edit: Callable[[Epoch], Epoch]) -> None:
    """Starts a new epoch and gives the first another header, kept as the store keeps it."""
    admin.new_epoch(store, supplier, datetime.now(UTC))
    with changing(store, supplier, datetime.now(UTC)) as change:
        first, *others = change.keyset.epochs
        change.keep(Keyset(supplier, (edit(first), *others)))


def test_a_destroyed_epoch_resolves_nothing_and_the_other_suppliers_still_do(desk: Desk, tmp_path: Path) -> None:
    destroyed = own_store(desk, tmp_path / "keys")
    admin.new_epoch(destroyed.site.keys, "card-printer", datetime.now(UTC))
    lifecycle.destroy(destroyed.site.keys, "card-printer", 1, datetime.now(UTC))
    assert destroyed.statuses(desk.view("card-printer")[0]["person_token"]) == ["destroyed-epoch"]
    assert destroyed.statuses(desk.view("uniform")[0]["person_token"], supplier="uniform") == ["resolved"]


def test_a_compromised_epoch_resolves_for_an_incident_only(desk: Desk, tmp_path: Path) -> None:
    compromised = own_store(desk, tmp_path / "keys")
    lifecycle.compromise(compromised.site.keys, "card-printer", 1, datetime.now(UTC))
    token = desk.view("card-printer")[0]["person_token"]
    assert compromised.statuses(token) == ["compromised-epoch"]
    assert compromised.statuses(token, purpose="incident") == ["resolved"]


def test_an_epoch_whose_time_to_resolve_is_over_is_told_apart(desk: Desk, tmp_path: Path) -> None:
    old = own_store(desk, tmp_path / "keys")
    begun, ended = date(2020, 1, 1), date(2020, 6, 1)
    rewritten(old.site.keys, "card-printer", lambda first: replace(first, created=begun, activates=begun, expires=ended))
    assert old.statuses(desk.view("card-printer")[0]["person_token"]) == ["past-epoch"]


def test_tokens_come_from_a_column_of_the_file_that_a_supplier_sent_back(desk: Desk) -> None:
    tokens = [row["person_token"] for row in desk.view("card-printer")][:5]
    reply = desk.root / "reply.csv"
    reply.write_text("\ufeffjob,card,note\r\n" + "".join(f'{n},{token},"printed, posted"\r\n' for n, token in enumerate(tokens)))
    table = desk.table(tokens_csv=str(reply), column="card")
    assert [row["token"] for row in table] == tokens
    assert {row["status"] for row in table} == {"resolved"}


@pytest.mark.parametrize(
    ("text", "code"), [("a,b\n1,2\n", "column-missing"), ("card,card\n", "column-missing"), ('card\n"x', "reply-unreadable")]
)
def test_a_file_without_that_column_is_refused(desk: Desk, text: str, code: str) -> None:
    (desk.root / "reply.csv").write_text(text)
    ended = desk.resolve(tokens_csv=str(desk.root / "reply.csv"), column="card")
    assert (ended.status, ended.summary["code"]) == (20, code)


def test_the_last_line_is_one_json_object_without_an_identity(desk: Desk) -> None:
    token = desk.view("card-printer")[0]["person_token"]
    ended = desk.resolve(token)
    person = people_of(desk)[csv_row(ended)["pay_number"]]
    assert ended.summary["tokens"] == {"resolved": 1}
    last = ended.stdout.splitlines()[-1]
    assert not any(person[name] in last for name in NAMES)
    assert token not in last
    assert not any(person[name] in ended.stderr for name in ("pay_number", "surname"))


def csv_row(ended: Ended) -> dict[str, str]:
    return next(iter(csv.DictReader(io.StringIO(ended.stdout))))


def test_results_go_to_a_private_new_file_if_one_is_named(desk: Desk) -> None:
    token = desk.view("card-printer")[0]["person_token"]
    path = desk.root / "results.csv"
    ended = desk.resolve(token, results=str(path))
    assert ended.stdout.count("\n") == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "resolved" in path.read_text()
    again = desk.resolve(token, results=str(path))
    assert (again.status, again.summary["code"]) == (2, "wrong-arguments")


def test_every_call_warns_of_section_171(desk: Desk) -> None:
    assert "Section 171 of the Data Protection Act 2018" in desk.resolve("WC1-nonsense").stderr
    assert "Section 171 of the Data Protection Act 2018" in desk.resolve("x", case="?").stderr


def test_a_call_is_in_the_audit_log_twice_and_in_the_log_of_operations(desk: Desk) -> None:
    token = desk.view("card-printer")[0]["person_token"]
    (row,) = desk.table(token)
    asked, answered = desk.audit()
    assert (asked["stage"], answered["stage"], asked["call"]) == ("asked", "answered", answered["call"])
    assert asked["details"]["asked"] == [token]
    assert (asked["details"]["actor"], asked["details"]["case"]) == ("r.mensah", "PSD/2026/0142")
    assert asked["details"]["uid"] == desk.root.stat().st_uid
    answer = {"token": token, "status": "resolved", "way": "export", "people": [row["pay_number"]]}
    assert answered["details"]["answers"] == [answer]
    (event,) = EventLog(desk.records).events()
    assert (event.action, event.reference) == (Action.RE_IDENTIFICATION, "supplier-reply PSD/2026/0142")


def test_who_asked_is_the_account_and_not_what_the_environment_says(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    desk.resolve("WC1-nonsense")
    assert desk.audit()[0]["details"]["account"] != "somebody-else"


def test_no_identity_token_or_actor_is_readable_in_what_the_desk_keeps(desk: Desk) -> None:
    tokens = [row["person_token"] for row in desk.view("card-printer")][:20]
    table = desk.table(*tokens)
    kept = [path for root in (desk.records / "audit", desk.root / "checkpoints") for path in root.rglob("*") if path.is_file()]
    text = "\n".join(path.read_text() for path in kept)
    assert text.count('"stage":"answered"') == 1
    hidden = {row["pay_number"] for row in table} | set(tokens) | {"r.mensah", "PSD/2026/0142"}
    words = set(re.findall(r"[A-Za-z0-9./-]+", text))
    assert len(hidden) == 42
    assert hidden & words == set()
    surnames = {row["surname"] for row in table if len(row["surname"]) > 5}
    assert not any(name in text for name in surnames)
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}


def test_an_export_that_cannot_be_read_reveals_nothing_and_is_recorded(desk: Desk) -> None:
    ended = desk.resolve(desk.view("card-printer")[0]["person_token"], export=str(desk.root / "none-*.csv"))
    assert (ended.status, ended.stdout.count("\n")) == (20, 1)
    assert [(r["stage"], r["code"]) for r in desk.audit()] == [("asked", None), ("failed", "export-missing")]


def test_a_desk_whose_checkpoints_cannot_be_written_reveals_nothing(desk: Desk) -> None:
    (desk.root / "checkpoints").write_text("in the way")
    ended = desk.resolve(desk.view("card-printer")[0]["person_token"])
    assert (ended.status, ended.stdout.count("\n")) == (30, 1)


def test_a_desk_beside_a_cut_log_reveals_nothing(desk: Desk) -> None:
    token = desk.view("card-printer")[0]["person_token"]
    desk.table(token)
    log = desk.records / "audit" / "log.jsonl"
    log.write_bytes(log.read_bytes().splitlines(keepends=True)[0])
    ended = desk.resolve(token)
    assert (ended.status, ended.summary["code"], ended.stdout.count("\n")) == (10, "audit-truncated", 1)


def test_a_process_that_is_killed_after_it_asked_has_been_counted(
    desk: Desk, wait_until: Callable[[Callable[[], bool]], None]
) -> None:
    pipe = desk.root / "hr-export.csv"
    os.mkfifo(pipe)  # opening the export waits for ever
    log = desk.records / "audit" / "log.jsonl"
    line = [sys.executable, "-m", "pipelines.cli", "resolve", desk.view("card-printer")[0]["person_token"]]
    process = subprocess.Popen([*line, *desk.flags(export=str(pipe))], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    wait_until(lambda: len(list((desk.root / "checkpoints").glob("*.json"))) == 1)
    process.kill()
    assert process.communicate()[0] == b""
    assert log.read_bytes().count(b"\n") == 1
    assert [record["stage"] for record in desk.audit()] == ["asked"]


def test_a_table_shows_only_identifiers_that_the_contract_knows(desk: Desk) -> None:
    path = desk.root / "resolving.toml"
    path.write_text(path.read_text().replace('"forenames"', '"vetting_level"'))
    ended = desk.resolve("WC1-nonsense")
    assert (ended.status, ended.summary["code"]) == (20, "authority-invalid")


def test_transaction_tokens_resolve_by_the_release_that_they_came_in(desk: Desk, site: Site) -> None:
    def edit(supplier: str, text: str) -> str:
        return text.replace("of: [pay_number],", "of: [pay_number], scope: transaction,")

    scoped = site.with_policies(edit)
    scoped.run(suppliers=("uniform",))
    after = replace(desk, site=scoped)
    token = after.view("uniform")[0]["person_token"]
    assert after.statuses(token, supplier="uniform") == ["unknown"]
    shutil.copytree(scoped.records / "uniform", desk.records / "uniform")
    assert after.statuses(token, supplier="uniform") == ["resolved"]
    assert [row["details"] for row in after.audit()][-1]["answers"][0]["people"] != []
