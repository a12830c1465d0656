"""What a custodian does: init, list, new epoch; two at once, twice over, and after a crash."""

import base64
import json
import subprocess
import sys
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path

import pytest

from transforms.errors import KeyUnavailable, UsageError
from transforms.keyring.admin import init, list_keysets, new_epoch
from transforms.keyring.lifecycle import destroy
from transforms.keyring.open import open_fingerprint_key, open_keyset, open_signing_key
from transforms.keyring.signing import load_public_key

MADE = date(2026, 11, 24)
DAY = timedelta(days=1)
SUPPLIERS = ["card-printer", "uniform"]


@pytest.fixture
def uri(tmp_path: Path) -> str:
    uri = f"file:{tmp_path / 'keys'}"
    init(uri, SUPPLIERS, MADE)
    return uri


@pytest.fixture
def directory(uri: str) -> Path:
    return Path(uri.removeprefix("file:"))


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_init_makes_a_keyset_a_supplier_and_two_of_the_force(tmp_path):
    report = init(f"file:{tmp_path / 'keys'}", SUPPLIERS, MADE)
    assert report.created == ("card-printer", "internal", "signing", "uniform")
    assert report.kept == ()


def test_a_second_init_changes_no_byte(uri, directory):
    before = contents(directory)
    report = init(uri, SUPPLIERS, MADE + DAY)
    assert (report.created, report.kept) == ((), ("card-printer", "internal", "signing", "uniform"))
    assert contents(directory) == before


def test_init_adds_a_new_supplier_and_leaves_the_others(uri, directory):
    before = contents(directory)
    assert init(uri, [*SUPPLIERS, "shift-rostering"], MADE + DAY).created == ("shift-rostering",)
    after = contents(directory)
    assert {name for name in before if after[name] != before[name]} == {"revisions.json"}


@pytest.mark.parametrize("name", ["signing", "internal", "Uniform", "../x"])
def test_init_with_a_forbidden_name_makes_nothing(tmp_path, name):
    with pytest.raises(UsageError):
        init(f"file:{tmp_path / 'keys'}", ["uniform", name], MADE)
    assert list(tmp_path.iterdir()) == []


def test_init_in_a_directory_that_others_can_enter_is_refused(tmp_path):
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys").chmod(0o755)
    with pytest.raises(KeyUnavailable, match="open to group or others"):
        init(f"file:{tmp_path / 'keys'}", SUPPLIERS, MADE)
    assert list((tmp_path / "keys").iterdir()) == []


def test_init_finishes_what_one_that_died_began(uri, directory):
    for path in directory.glob("*.json"):
        path.unlink()  # as if it had died after it wrote the key file
    (directory / ".new-0123456789abcdef").write_bytes(b"half a file")
    assert init(uri, SUPPLIERS, MADE).kept == ()
    assert open_keyset(uri, "uniform", MADE).active.number == 1
    assert not list(directory.glob(".new-*"))


def test_init_brings_a_lost_public_half_back(uri, directory):
    before = (directory / "signing.pub").read_bytes()
    (directory / "signing.pub").unlink()
    init(uri, SUPPLIERS, MADE)
    assert (directory / "signing.pub").read_bytes() == before


TWO_AT_ONCE = """
import sys
from datetime import date
from transforms.keyring.admin import init, new_epoch
print("ready", flush=True)
sys.stdin.readline()
uri, what = sys.argv[1:]
for _ in range(3):
    if what == "init":
        print(*init(uri, [f"supplier-{n}" for n in range(20)], date(2026, 11, 24)).created)
    else:
        print(new_epoch(uri, "uniform", date(2026, 11, 24)).epoch)
"""


def run_two_at_once(uri: str, what: str) -> list[list[str]]:
    """The words that two processes print, which start their work only once both are ready."""
    command = [sys.executable, "-c", TWO_AT_ONCE, uri, what]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    printed = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    return printed


def test_two_inits_at_once_make_each_keyset_once(tmp_path):
    uri = f"file:{tmp_path / 'keys'}"
    one, other = run_two_at_once(uri, "init")
    assert sorted(one + other) == sorted(["internal", "signing", *(f"supplier-{n}" for n in range(20))])
    assert len(list_keysets(uri, None, MADE).keysets) == 22


def test_two_new_epochs_at_once_lose_none(uri):
    one, other = run_two_at_once(uri, "new-epoch")
    assert sorted(map(int, one + other)) == [2, 3, 4, 5, 6, 7]
    opened = open_keyset(uri, "uniform", MADE)
    assert len({bytes(opened.key(number).reveal()) for number in range(1, 8)}) == 7


OPEN_UMASK = """
import os, stat, sys
from datetime import date
from pathlib import Path
from transforms.keyring.admin import init, new_epoch
directory = Path(sys.argv[1])
init(f"file:{directory}", ["uniform"], date(2026, 11, 24))
new_epoch(f"file:{directory}", "uniform", date(2026, 11, 24))
for path in (directory.parent, directory, *directory.iterdir()):
    print(path.name, oct(stat.S_IMODE(path.stat().st_mode)))
"""


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_modes_do_not_depend_on_the_umask(tmp_path, umask):
    command = [sys.executable, "-c", OPEN_UMASK, str(tmp_path / "parent" / "keys")]
    printed = subprocess.run(command, umask=umask, capture_output=True, text=True, check=True).stdout
    modes = dict(line.split() for line in printed.splitlines())
    assert modes == {
        "parent": "0o700", "keys": "0o700", ".lock": "0o600", "kek.key": "0o600", "kek.json": "0o600",
        "revisions.json": "0o600",
        "uniform.keyset.json": "0o600", "internal.keyset.json": "0o600", "signing.keyset.json": "0o600",
        "signing.pub": "0o644", "signing-1.pub": "0o644",
    }  # fmt: skip


def test_a_new_epoch_keeps_the_old_key_and_says_what_it_did(uri):
    before = open_keyset(uri, "uniform", MADE).key()
    report = new_epoch(uri, "uniform", MADE + DAY)
    assert (report.name, report.epoch, report.deactivated) == ("uniform", 2, 1)
    assert (report.activates, report.expires) == ("2026-11-25", "2027-11-25")
    assert open_keyset(uri, "uniform", MADE + DAY).key(1) == before


def test_a_new_epoch_of_one_supplier_touches_no_other_file(uri, directory):
    before = contents(directory)
    new_epoch(uri, "uniform", MADE)
    after = contents(directory)
    assert {name for name in after if before.get(name) != after[name]} == {"uniform.keyset.json", "revisions.json"}


def test_a_prepared_epoch_takes_over_on_its_day_without_a_change_of_the_store(uri, directory):
    report = new_epoch(uri, "uniform", MADE, activates=MADE + 5 * DAY)
    assert (report.epoch, report.state, report.deactivated, report.activates) == (2, "pre-active", 1, str(MADE + 5 * DAY))
    before = contents(directory)
    for days, expected, states in ((4, 1, ["active", "pre-active"]), (5, 2, ["deactivated", "active"])):
        now = MADE + days * DAY
        with open_keyset(uri, "uniform", now) as opened:
            assert opened.active.number == expected
            opened.key()
        rows = {row.name: row for row in list_keysets(uri, SUPPLIERS, now).keysets}
        assert [epoch.state for epoch in rows["uniform"].epochs] == states
    assert contents(directory) == before


def test_a_change_after_a_prepared_epoch_took_over_keeps_what_it_found(uri):
    new_epoch(uri, "uniform", MADE, activates=MADE + 5 * DAY)
    third = new_epoch(uri, "uniform", MADE + 9 * DAY)
    assert (third.epoch, third.deactivated) == (3, 2)
    with open_keyset(uri, "uniform", MADE + 9 * DAY) as opened:
        first, second, _ = opened.keyset.epochs
    assert (first.state, first.expires) == ("deactivated", MADE + 5 * DAY)
    assert (second.state, second.activates, second.expires) == ("deactivated", MADE + 5 * DAY, MADE + 9 * DAY)


def test_a_prepared_epoch_whose_day_was_edited_is_refused(uri, directory):
    new_epoch(uri, "uniform", MADE, activates=MADE + 5 * DAY)
    path = directory / "uniform.keyset.json"
    text = path.read_text()
    assert str(MADE + 5 * DAY) in text
    path.write_text(text.replace(str(MADE + 5 * DAY), str(MADE + 6 * DAY)))
    with pytest.raises(KeyUnavailable) as refusal:
        open_keyset(uri, "uniform", MADE + DAY)
    assert refusal.value.code == "key-unwrap-failed"


def test_a_prepared_epoch_can_be_taken_back(uri):
    new_epoch(uri, "uniform", MADE, activates=MADE + 5 * DAY)
    assert destroy(uri, "uniform", 2, MADE).moved == (2,)
    with open_keyset(uri, "uniform", MADE + 6 * DAY) as opened:
        assert opened.active.number == 1


def test_a_signing_key_is_made_for_the_same_day_only(uri):
    with pytest.raises(UsageError):
        new_epoch(uri, "signing", MADE, activates=MADE + DAY)


def test_a_new_epoch_after_expiry_lets_the_run_go_on(uri):
    late = date(2027, 11, 24)
    with pytest.raises(KeyUnavailable, match="expired"):
        open_keyset(uri, "uniform", late)
    new_epoch(uri, "uniform", late)
    assert open_keyset(uri, "uniform", late).active.number == 2


def test_a_new_epoch_of_the_force_s_own_keysets_is_possible(uri, directory):
    fingerprint, signing = open_fingerprint_key(uri, MADE), open_signing_key(uri, MADE)
    new_epoch(uri, "internal", MADE)
    new_epoch(uri, "signing", MADE)
    assert open_fingerprint_key(uri, MADE) != fingerprint
    assert open_signing_key(uri, MADE).key_id != signing.key_id
    load_public_key(directory / "signing.pub").verify(open_signing_key(uri, MADE).sign(b"x"), b"x")


def test_a_new_epoch_of_a_keyset_that_is_not_there_is_refused(uri):
    with pytest.raises(KeyUnavailable, match="the keyset of shift-rostering is missing"):
        new_epoch(uri, "shift-rostering", MADE)


def test_a_new_epoch_with_the_clock_set_back_changes_nothing(uri, directory):
    before = contents(directory)
    with pytest.raises(KeyUnavailable) as refusal:
        new_epoch(uri, "uniform", MADE - DAY)
    assert refusal.value.code == "key-not-yet-active"
    assert contents(directory) == before


def test_a_new_epoch_of_an_edited_keyset_is_refused_and_does_not_launder_it(uri, directory):
    path = directory / "uniform.keyset.json"
    path.write_text(path.read_text().replace("2027-11-24", "2027-11-23"))
    before = contents(directory)
    with pytest.raises(KeyUnavailable) as refusal:
        new_epoch(uri, "uniform", MADE)
    assert refusal.value.code == "key-unwrap-failed"
    assert contents(directory) == before


def test_a_key_encryption_key_wraps_until_the_day_before_its_end(uri):
    assert new_epoch(uri, "uniform", date(2028, 11, 23)).epoch == 2


@pytest.mark.parametrize("change", [lambda uri, now: new_epoch(uri, "uniform", now), lambda uri, now: init(uri, ["late"], now)])
def test_a_key_encryption_key_at_its_end_wraps_nothing_new(uri, directory, change):
    before = contents(directory)
    with pytest.raises(KeyUnavailable) as refusal:
        change(uri, date(2028, 11, 24))
    assert refusal.value.code == "kek-expired"
    assert contents(directory) == before


def test_a_list_counts_the_days_and_names_what_is_missing(uri):
    new_epoch(uri, "uniform", MADE + DAY)
    rows = {row.name: row for row in list_keysets(uri, ["uniform", "shift-rostering"], MADE + DAY).keysets}
    assert sorted(rows) == ["card-printer", "internal", "shift-rostering", "signing", "uniform"]
    assert rows["shift-rostering"].epochs == ()
    assert [(e.epoch, e.state, e.expires, e.days_left) for e in rows["uniform"].epochs] == [
        (1, "deactivated", "2026-11-25", (date(2029, 11, 25) - MADE - DAY).days),
        (2, "active", "2027-11-25", 365),
    ]


def test_a_list_shows_an_expired_key_instead_of_stopping(uri):
    report = list_keysets(uri, None, date(2027, 11, 26))
    assert next(row for row in report.keysets if row.name == "uniform").epochs[0].days_left == -2
    assert "keyset uniform: epoch 1 expired on 2027-11-24" in report.notices


def test_a_list_does_not_show_an_edited_date(uri, directory):
    path = directory / "uniform.keyset.json"
    path.write_text(path.read_text().replace("2027-11-24", "2027-11-23"))
    with pytest.raises(KeyUnavailable) as refusal:
        list_keysets(uri, None, MADE)
    assert refusal.value.place == str(path)


def test_no_report_and_no_file_holds_a_key(uri, directory):
    reports = [init(uri, SUPPLIERS, MADE), new_epoch(uri, "uniform", MADE), list_keysets(uri, SUPPLIERS, MADE)]
    opened = open_keyset(uri, "uniform", MADE)
    keys = [bytes(key.reveal()) for key in (opened.key(1), opened.key(2), open_fingerprint_key(uri, MADE))]
    texts = [json.dumps(asdict(report)).encode() + repr(report).encode() for report in reports]
    for haystack in (*texts, *contents(directory).values()):
        for key in keys:
            assert not any(form in haystack for form in (key, key.hex().encode(), base64.b64encode(key).rstrip(b"=")))
