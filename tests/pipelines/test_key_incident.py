"""What an exposed key reaches, by the records of a year, and the signed record of a key that was destroyed [C13, L9]."""

import hashlib
import json
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.incident import DESTRUCTION_TYPE, compromise_keyset, destroy_keyset
from pipelines.release.dsse import open_envelope
from pipelines.release.record import Record, sign_record
from transforms.errors import KeyUnavailable
from transforms.keyring.admin import init, new_epoch
from transforms.keyring.lifecycle import deactivate
from transforms.keyring.open import open_keyset, open_signing_key, open_verification_keys

MADE = date(2026, 1, 1)
NOW = datetime(2026, 12, 31, 22, 15, 30, 5, tzinfo=UTC)
ROTATED_AFTER = 200


@pytest.fixture
def uri(tmp_path: Path) -> str:
    uri = f"file:{tmp_path / 'keys'}"
    init(uri, ["card-printer", "uniform"], MADE)
    new_epoch(uri, "uniform", MADE)
    return uri


@pytest.fixture
def records(tmp_path: Path, uri: str) -> Path:
    """A year of nightly releases of `uniform`: 200 of epoch 1, then 165 of epoch 2, night n with 40,000 + n people."""
    directory = tmp_path / "records" / "uniform"
    directory.mkdir(parents=True, mode=0o700)
    directory.parent.chmod(0o700)
    signer = open_signing_key(uri, MADE)
    previous = None
    for night in range(365):
        day = MADE + timedelta(days=night)
        digest = hashlib.sha256(str(night).encode()).hexdigest()
        record = Record(
            supplier="uniform", date=day, release_id=f"{day.isoformat()}-{digest[:6]}", sequence=night + 1, previous=previous,
            manifest_sha256=digest, published_at=datetime(day.year, day.month, day.day, 2, tzinfo=UTC), actor="operator",
            delete_by=day + timedelta(days=30), dpia=None, full_population="needs all", files=3, bytes=1000, rows=40_000 + night,
            counts={"released": 40_000 + night}, checks=("closed-world",), contract_sha256=digest, policy_sha256=digest,
            export_sha256=digest, key_id=f"uniform/{1 if night < ROTATED_AFTER else 2}", signing_key=signer.key_id,
            software={"supplier-views": "0.1.0"}, notices=(),
        )  # fmt: skip
        (directory / f"{record.release_id}.json").write_bytes(sign_record(record, signer))
        previous = digest
    return directory.parent


def test_a_compromised_epoch_names_its_releases_of_a_year_in_under_a_minute(uri, records):
    started = time.monotonic()
    report = compromise_keyset(uri, records, "uniform", 1, NOW)
    assert time.monotonic() - started < 60
    assert len(report["releases"]) == ROTATED_AFTER
    first = report["releases"][0]
    assert (first["view"], first["epoch"], first["date"], first["people"]) == ("uniform", 1, "2026-01-01", 40_000)
    assert (first["published_at"], first["delete_by"]) == ("2026-01-01T02:00:00Z", "2026-01-31")
    assert report["dates"] == ["2026-01-01", "2026-07-19"]
    assert report["people_at_least"] == 40_199
    assert report["people_at_most"] == sum(40_000 + night for night in range(ROTATED_AFTER))
    assert (report["unverified"], report["missing"]) == ([], [])


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
    assert report["releases"] == []
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
