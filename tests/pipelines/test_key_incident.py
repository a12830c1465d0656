"""What an exposed key reaches, by the records of a year, and the signed record of a key that was destroyed [C13, L9]."""

import hashlib
import json
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.incident import DESTRUCTION_TYPE, check_destroyed, compromise_keyset, destroy_keyset
from pipelines.release.dsse import open_envelope
from pipelines.release.record import Record, sign_record
from transforms.errors import KeyUnavailable
from transforms.keyring.admin import init, list_keysets, new_epoch
from transforms.keyring.lifecycle import compromise, deactivate
from transforms.keyring.open import open_keyset, open_signing_key, open_verification_keys
from transforms.keyring.signing import SigningKey

MADE = date(2026, 1, 1)
NOW = datetime(2026, 12, 31, 22, 15, 30, 5, tzinfo=UTC)
ROTATED_AFTER = 200


@pytest.fixture
def uri(tmp_path: Path) -> str:
    uri = f"file:{tmp_path / 'keys'}"
    init(uri, ["card-printer", "shift-rostering", "uniform"], MADE)
    new_epoch(uri, "uniform", MADE)
    return uri


@pytest.fixture
def records(tmp_path: Path, uri: str) -> Path:
    """A year of nightly releases of each supplier: 200 of epoch 1, then 165 of epoch 2, night n with 40,000 + n people."""
    directory = tmp_path / "records"
    directory.mkdir(mode=0o700)
    for supplier in ("card-printer", "shift-rostering", "uniform"):
        write_year(directory / supplier, open_signing_key(uri, MADE))
    return directory


def write_year(directory: Path, signer: SigningKey) -> None:
    directory.mkdir(mode=0o700)
    previous = None
    for night in range(365):
        day = MADE + timedelta(days=night)
        digest = hashlib.sha256(str(night).encode()).hexdigest()
        record = Record(
            supplier=directory.name, date=day, release_id=f"{day.isoformat()}-{digest[:6]}", sequence=night + 1, previous=previous,
            manifest_sha256=digest, published_at=datetime(day.year, day.month, day.day, 2, tzinfo=UTC), actor="operator",
            delete_by=day + timedelta(days=30), dpia=None, full_population="needs all", files=3, bytes=1000, rows=40_000 + night,
            counts={"released": 40_000 + night}, checks=("closed-world",), contract_sha256=digest, policy_sha256=digest,
            export_sha256=digest, key_id=f"{directory.name}/{1 if night < ROTATED_AFTER else 2}", signing_key=signer.key_id,
            software={"supplier-views": "0.1.0"}, notices=(),
        )  # fmt: skip
        (directory / f"{record.release_id}.json").write_bytes(sign_record(record, signer))
        previous = digest


def test_a_compromised_epoch_names_its_releases_of_a_year(uri, records):
    report = compromise_keyset(uri, records, "uniform", 1, NOW)
    assert len(report["releases"]) == ROTATED_AFTER
    first = report["releases"][0]
    assert (first["view"], first["epoch"], first["date"], first["people"]) == ("uniform", 1, "2026-01-01", 40_000)
    assert (first["published_at"], first["delete_by"]) == ("2026-01-01T02:00:00Z", "2026-01-31")
    assert report["dates"] == ["2026-01-01", "2026-07-19"]
    assert report["people_at_least"] == 40_199
    assert report["people_at_most"] == sum(40_000 + night for night in range(ROTATED_AFTER))
    assert (report["unverified"], report["missing"]) == ([], [])


# Names every file of the records that is opened while the report is made, as often as it is opened.
COUNTED = """
import sys
from datetime import datetime
from pathlib import Path
from pipelines.incident import compromise_keyset
uri, records, now = sys.argv[1], sys.argv[2], datetime.fromisoformat(sys.argv[3])
opened = []
sys.addaudithook(lambda event, arguments: opened.append(str(arguments[0])) if event == "open" else None)
compromise_keyset(uri, Path(records), "uniform", 1, now)
print(*(path for path in opened if path.startswith(records) and Path(path).is_file()), sep="\\n")
"""


def test_the_report_of_a_year_opens_each_record_of_that_supplier_once_and_no_other(uri, records):
    line = [sys.executable, "-c", COUNTED, uri, str(records), NOW.isoformat()]
    done = subprocess.run(line, capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == sorted(map(str, (records / "uniform").glob("*.json")))


def test_a_whole_compromised_keyset_names_the_releases_of_every_epoch(uri, records):
    report = compromise_keyset(uri, records, "uniform", None, NOW)
    assert {row["epoch"] for row in report["releases"]} == {1, 2}
    assert len(report["releases"]) == 365


def test_the_report_can_be_made_again_and_says_the_same(uri, records):
    first = compromise_keyset(uri, records, "uniform", 1, NOW)
    again = compromise_keyset(uri, records, "uniform", 1, NOW)
    assert again == {**first, "moved": ()}


def test_no_other_supplier_is_named_or_moved(uri, records):
    report = compromise_keyset(uri, records, "card-printer", None, NOW)
    assert {row["view"] for row in report["releases"]} == {"card-printer"}
    assert open_keyset(uri, "uniform", NOW).active.number == 2


def test_records_that_were_edited_or_taken_away_are_named_and_not_believed(uri, records):
    paths = sorted((records / "uniform").iterdir())
    paths[3].write_bytes(paths[4].read_bytes().replace(b"sig", b"gis"))
    paths[10].unlink()
    report = compromise_keyset(uri, records, "uniform", 1, NOW)
    assert report["unverified"] == [str(paths[3])]
    assert report["missing"] == [4, 11]
    assert len(report["releases"]) == ROTATED_AFTER - 2


def test_a_key_is_marked_as_compromised_before_the_records_are_read(uri, records):
    (records / "uniform").chmod(0)
    (records / "uniform").rename(records / "elsewhere")
    (records / "uniform").symlink_to(records / "uniform")
    compromise_keyset(uri, records, "uniform", None, NOW)
    with pytest.raises(KeyUnavailable, match="no epoch is active"):
        open_keyset(uri, "uniform", NOW)


def test_a_destroyed_key_leaves_a_signed_record(uri, tmp_path):
    report = destroy_keyset(uri, tmp_path / "records", "uniform", 1, "custodian", NOW)
    (path,) = map(Path, report["destruction_records"])
    payload = open_envelope(path.read_bytes(), open_verification_keys(uri, NOW.date()), DESTRUCTION_TYPE)
    assert json.loads(payload) == {
        "actor": "custodian",
        "epoch": 1,
        "keyset": "uniform",
        "recorded_at": "2026-12-31T22:15:30Z",
        "revision": 3,
        "signing_key": open_signing_key(uri, NOW.date()).key_id,
    }


def test_a_record_that_a_dead_custodian_left_out_is_written_by_the_next_and_never_twice(uri, tmp_path):
    records = tmp_path / "records"
    (path,) = map(Path, destroy_keyset(uri, records, "uniform", 1, "custodian", NOW)["destruction_records"])
    path.unlink()
    destroy_keyset(uri, records, "uniform", 1, "custodian", NOW)
    written = path.read_bytes()
    destroy_keyset(uri, records, "uniform", 1, "another", NOW + timedelta(hours=1))
    assert path.read_bytes() == written


def test_nothing_is_destroyed_where_no_record_could_be_signed(uri, tmp_path):
    deactivate(uri, "signing", NOW)
    with pytest.raises(KeyUnavailable):
        destroy_keyset(uri, tmp_path / "records", "uniform", 1, "custodian", NOW)
    assert open_keyset(uri, "uniform", NOW).key(1)


def test_a_key_that_may_not_be_destroyed_leaves_no_record(uri, tmp_path):
    with pytest.raises(KeyUnavailable, match="cannot go from active to destroyed"):
        destroy_keyset(uri, tmp_path / "records", "uniform", 2, "custodian", NOW)
    assert list((tmp_path / "records" / "destroyed").iterdir()) == []


def checked(uri: str, records: Path) -> tuple[str, ...]:
    return check_destroyed(uri, records, list_keysets(uri, None, NOW).keysets, NOW)


def test_a_destroyed_key_with_its_record_passes_the_check(uri, tmp_path):
    destroy_keyset(uri, tmp_path / "records", "uniform", 1, "custodian", NOW)
    assert checked(uri, tmp_path / "records") == ()


def test_a_destroyed_key_without_its_record_is_noticed(uri, tmp_path):
    (path,) = map(Path, destroy_keyset(uri, tmp_path / "records", "uniform", 1, "custodian", NOW)["destruction_records"])
    path.unlink()
    assert checked(uri, tmp_path / "records") == ("uniform, epoch 1, is destroyed and has no record: run keys destroy again",)


@pytest.mark.parametrize("forge", [lambda data: data.replace(b'"sig"', b'"gis"'), lambda data: data[:-9], lambda data: b""])
def test_a_record_that_was_edited_proves_nothing(uri, tmp_path, forge):
    (path,) = map(Path, destroy_keyset(uri, tmp_path / "records", "uniform", 1, "custodian", NOW)["destruction_records"])
    path.write_bytes(forge(path.read_bytes()))
    (notice,) = checked(uri, tmp_path / "records")
    assert str(path) in notice


def test_a_record_under_another_key_s_name_proves_nothing(uri, tmp_path):
    (path,) = map(Path, destroy_keyset(uri, tmp_path / "records", "uniform", 1, "custodian", NOW)["destruction_records"])
    path.rename(path.with_name("card-printer-1.json"))
    assert len(checked(uri, tmp_path / "records")) == 2


def test_a_record_that_a_compromised_signing_key_signed_proves_nothing(uri, tmp_path):
    destroy_keyset(uri, tmp_path / "records", "uniform", 1, "custodian", NOW)
    new_epoch(uri, "signing", NOW)
    compromise(uri, "signing", 1, NOW)
    assert len(checked(uri, tmp_path / "records")) == 1


def test_a_destroyed_key_that_is_back_with_its_whole_store_is_refused(uri, tmp_path):
    store = Path(uri.removeprefix("file:"))
    before = {path: path.read_bytes() for path in store.glob("*.json")}
    destroy_keyset(uri, tmp_path / "records", "uniform", 1, "custodian", NOW)
    for path, content in before.items():
        path.write_bytes(content)
    with pytest.raises(KeyUnavailable) as refusal:
        checked(uri, tmp_path / "records")
    assert refusal.value.code == "keyset-rolled-back"
