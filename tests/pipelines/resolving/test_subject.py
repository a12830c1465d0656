"""What was released about one person, from real releases and signed records [L10]."""

from __future__ import annotations

import csv
import io
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.release.events import Action, EventLog
from transforms.keyring import admin

if TYPE_CHECKING:
    from tests.pipelines.conftest import Ended, Site
    from tests.pipelines.resolving.conftest import Desk

SUPPLIERS = {"card-printer", "shift-rostering", "uniform"}


@pytest.fixture
def archive(desk: Desk, tmp_path: Path) -> Desk:
    """The desk beside its own copy of releases, records and keys."""
    root = tmp_path / "archive"
    shutil.copytree(desk.site.out, root / "out")
    shutil.copytree(desk.site.keys.removeprefix("file:"), root / "keys")
    site = replace(desk.site, root=root, keys=f"file:{root / 'keys'}")
    shutil.copytree(site.records, desk.records, dirs_exist_ok=True)
    desk.records.chmod(0o700)
    return replace(desk, site=site)


@pytest.fixture
def subject(archive: Desk) -> Callable[..., Ended]:
    def subject(pay_number: str, **changes: str) -> Ended:
        path = archive.root / "subject"
        path.write_text(pay_number + "\n")
        return archive.call(["subject", "--pay-number", str(path), *flags_of(archive, **changes)])

    return subject


def flags_of(desk: Desk, **changes: str) -> list[str]:
    flags = desk.flags(**({"purpose": "subject-request", "case": "DSAR/1"} | changes))
    for flag in ("--supplier", "--export"):
        place = flags.index(flag)
        del flags[place : place + 2]
    return flags


def table(ended: Ended) -> list[dict[str, str]]:
    assert ended.status == 0, ended.stderr
    return list(csv.DictReader(io.StringIO("\n".join(ended.stdout.splitlines()[:-1]))))


def person(site: Site, *, protected: str = "no") -> dict[str, str]:
    return next(row for row in site.rows() if (row["card_due"], row["protected"]) == ("yes", protected) and row["tunic_size"])


def test_everything_that_went_out_about_a_person_is_listed(archive: Desk, subject: Callable[..., Ended]) -> None:
    found = table(subject(person(archive.site)["pay_number"]))
    assert {row["supplier"] for row in found} == SUPPLIERS
    assert {(row["outcome"], row["epoch"], row["from"]) for row in found} == {("released", "1", archive.site.date.isoformat())}
    for row in found:
        assert row["release"] == archive.site.release(row["supplier"]).name
        assert row["token"] in (archive.site.release(row["supplier"]) / "people.csv").read_text()
        assert row["delete_by"] > row["from"]
    assert {row["column"] for row in found if row["supplier"] == "card-printer"} == {"person_token", "name_token"}


def test_what_is_listed_resolves_to_the_person(archive: Desk, subject: Callable[..., Ended]) -> None:
    number = person(archive.site)["pay_number"]
    for row in table(subject(number)):
        (resolved,) = archive.table(row["token"], supplier=row["supplier"])
        assert resolved["pay_number"] == number


def test_a_protected_person_was_in_no_release(archive: Desk, subject: Callable[..., Ended]) -> None:
    protected = next(row["pay_number"] for row in archive.site.rows() if row["protected"] == "yes")
    ended = subject(protected)
    assert (table(ended), ended.summary["releases"]) == ([], {})


def test_the_number_comes_from_stdin_and_not_from_the_command_line(archive: Desk, subject: Callable[..., Ended]) -> None:
    number = person(archive.site)["pay_number"]
    ended = archive.call(["subject", "--pay-number", number, *flags_of(archive)])
    assert (ended.status, number in ended.stdout + ended.stderr) == (2, False)
    line = [sys.executable, "-m", "pipelines.cli", "subject", "--pay-number", "-", *flags_of(archive)]
    by_stdin = subprocess.run(line, input=f"{number}\n", capture_output=True, text=True, check=False)
    assert by_stdin.stdout.splitlines()[:-1] == subject(number).stdout.splitlines()[:-1]
    assert number not in by_stdin.stdout + by_stdin.stderr


def test_an_older_epoch_is_searched_with_its_own_key(archive: Desk, subject: Callable[..., Ended]) -> None:
    number = person(archive.site)["pay_number"]
    before = table(subject(number))
    admin.new_epoch(archive.site.keys, "card-printer", datetime.now(UTC))
    assert table(subject(number)) == before


def test_two_nights_and_two_epochs_are_two_releases(archive: Desk, subject: Callable[..., Ended]) -> None:
    number = person(archive.site)["pay_number"]
    admin.new_epoch(archive.site.keys, "uniform", datetime.now(UTC))
    next_day = replace(archive.site, date=archive.site.date + timedelta(days=1))
    next_day.run(suppliers=("uniform",), records=archive.records)
    found = [row for row in table(subject(number)) if row["supplier"] == "uniform"]
    assert [(row["epoch"], row["from"]) for row in found] == [
        ("1", archive.site.date.isoformat()),
        ("2", next_day.date.isoformat()),
    ]


def test_an_epoch_without_its_key_says_so(archive: Desk, subject: Callable[..., Ended]) -> None:
    (Path(archive.site.keys.removeprefix("file:")) / "uniform.keyset.json").unlink()
    ended = subject(person(archive.site)["pay_number"])
    outcomes = {row["supplier"]: row["outcome"] for row in table(ended)}
    assert outcomes == {"card-printer": "released", "shift-rostering": "released", "uniform": "key-gone"}
    assert ended.summary["releases"] == {"key-gone": 1, "released": 2}


def test_a_release_that_was_altered_stops_the_search(archive: Desk, subject: Callable[..., Ended]) -> None:
    people = archive.site.release("uniform") / "people.csv"
    people.write_bytes(people.read_bytes() + b"x")
    ended = subject(person(archive.site)["pay_number"])
    assert (ended.status, ended.summary["code"], ended.stdout.count("\n")) == (10, "release-altered", 1)
    assert [(record["stage"], record["code"]) for record in archive.audit()] == [("asked", None), ("failed", "release-altered")]


def test_a_record_that_was_removed_stops_the_search(archive: Desk, subject: Callable[..., Ended]) -> None:
    (archive.records / "uniform" / f"{archive.site.release('uniform').name}.json").unlink()
    ended = subject(person(archive.site)["pay_number"])
    assert (ended.status, ended.summary["code"]) == (10, "chain-rolled-back")


def test_a_search_is_audited_and_its_person_is_sealed(archive: Desk, subject: Callable[..., Ended]) -> None:
    number = person(archive.site)["pay_number"]
    ended = subject(number)
    asked, answered = archive.audit()
    assert (asked["command"], asked["details"]["asked"], asked["count"]) == ("subject", [number], 1)
    assert {answer["supplier"] for answer in answered["details"]["answers"]} == SUPPLIERS
    assert number not in (archive.records / "audit" / "log.jsonl").read_text()
    assert number not in ended.stdout + ended.stderr
    assert [event.action for event in EventLog(archive.records).events()][-1] is Action.RE_IDENTIFICATION


@pytest.mark.parametrize("text", ["", "   ", "\x00", "12\t34"])
def test_a_number_that_nobody_can_have_is_refused(subject: Callable[..., Ended], text: str) -> None:
    assert subject(text).status == 2


def test_what_was_erased_when_its_time_was_over_is_said_and_not_passed_over(desk: Desk, site: Site) -> None:
    days = (date(2026, 8, 1), date(2026, 8, 2))
    for day in days:
        replace(site, date=day).run(suppliers=("uniform",), records=desk.records)
    for day in days:
        shutil.rmtree(site.release("uniform", day))
    (site.root / "subject").write_text(person(site)["pay_number"])
    after = replace(desk, site=site)
    ended = desk.call(["subject", "--pay-number", str(site.root / "subject"), *flags_of(after)])
    (row,) = table(ended)
    assert (row["outcome"], row["from"], row["to"], row["releases"]) == ("erased", "2026-08-01", "2026-08-02", "2")


def test_a_view_in_parquet_is_searched_too_and_so_are_tokens_of_one_release(desk: Desk, site: Site) -> None:
    def edit(supplier: str, text: str) -> str:
        return text.replace("of: [pay_number],", "of: [pay_number], scope: transaction,").replace("format: csv", "format: parquet")

    other = site.with_policies(edit)
    other.run(suppliers=("uniform",), records=desk.records)
    (other.root / "subject").write_text(person(other)["pay_number"])
    line = ["subject", "--pay-number", str(other.root / "subject"), *flags_of(replace(desk, site=other))]
    (row,) = table(desk.call(line))
    assert (row["outcome"], row["column"]) == ("released", "person_token")


@pytest.mark.parametrize("then", ["reversal: needed", "format: digits", "format: short, scope: transaction"])
def test_a_release_is_searched_by_the_terms_that_it_left_under_and_not_by_today_s(desk: Desk, site: Site, then: str) -> None:
    old, new = "person_token: {action: token, of: [pay_number],", f"number: {{action: token, of: [pay_number], {then},"

    def edit(supplier: str, text: str) -> str:
        return text.replace(old, new) if supplier == "uniform" else text

    before = site.with_policies(edit)
    before.run(suppliers=("uniform",), records=desk.records)
    number = person(site)["pay_number"]
    (site.root / "subject").write_text(number)
    today = replace(desk, site=site)
    assert today.site.policies != before.policies
    (row,) = table(desk.call(["subject", "--pay-number", str(site.root / "subject"), *flags_of(today)]))
    assert (row["outcome"], row["column"]) == ("released", "number")
    assert row["token"] in {shown["number"] for shown in before.released("uniform")}
    (found,) = replace(desk, site=before).table(row["token"], supplier="uniform")
    assert found["pay_number"] == number
