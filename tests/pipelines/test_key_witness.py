"""A key store that was put back as a whole, which nothing in the store can see, is found by the records of the run."""

import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.key_witness import check_seen, witness_keysets
from transforms.errors import KeyUnavailable, Refused
from transforms.keyring.admin import init, new_epoch
from transforms.keyring.rewrap import rewrap

NOW = datetime(2026, 11, 24, 2, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    init(f"file:{tmp_path / 'keys'}", ["uniform"], NOW)
    return tmp_path / "keys"


@pytest.fixture
def records(tmp_path: Path) -> Path:
    return tmp_path / "records"


def put_back(store: Path, copy: Path) -> None:
    shutil.rmtree(store)
    shutil.copytree(copy, store)


def test_a_store_put_back_as_a_whole_is_refused(store, records, tmp_path):
    shutil.copytree(store, tmp_path / "copy")
    new_epoch(f"file:{store}", "uniform", NOW)
    witness_keysets(f"file:{store}", records, NOW)
    put_back(store, tmp_path / "copy")
    for look in (witness_keysets, check_seen):
        with pytest.raises(KeyUnavailable, match="saw revision 2 of the keyset of uniform") as refusal:
            look(f"file:{store}", records, NOW)
        assert refusal.value.code == "keyset-rolled-back"


def test_a_store_that_goes_on_is_let_through(store, records):
    for _ in range(3):
        witness_keysets(f"file:{store}", records, NOW)
        new_epoch(f"file:{store}", "uniform", NOW)
    witness_keysets(f"file:{store}", records, NOW)


def test_a_rewrapped_store_counts_as_the_same(store, records, tmp_path):
    shutil.copytree(store, tmp_path / "copy")
    new_epoch(f"file:{store}", "uniform", NOW)
    witness_keysets(f"file:{store}", records, NOW)
    rewrap(f"file:{store}", f"file:{tmp_path / 'to'}", NOW)
    witness_keysets(f"file:{tmp_path / 'to'}", records, NOW)
    rewrap(f"file:{tmp_path / 'copy'}", f"file:{tmp_path / 'old'}", NOW)
    with pytest.raises(KeyUnavailable):
        witness_keysets(f"file:{tmp_path / 'old'}", records, NOW)


def test_another_store_does_not_pass_for_the_one_that_runs_have_seen(store, records, tmp_path):
    witness_keysets(f"file:{store}", records, NOW)
    init(f"file:{tmp_path / 'other'}", ["uniform"], NOW)
    with pytest.raises(Refused) as refusal:
        witness_keysets(f"file:{tmp_path / 'other'}", records, NOW)
    assert refusal.value.code == "signature-invalid"


def test_what_runs_saw_cannot_be_edited(store, records):
    witness_keysets(f"file:{store}", records, NOW)
    path = records / "keysets.json"
    path.write_bytes(path.read_bytes().replace(b"sig", b"gis"))
    with pytest.raises(Refused) as refusal:
        witness_keysets(f"file:{store}", records, NOW)
    assert refusal.value.code == "signature-invalid"


def test_a_check_writes_nothing(store, records):
    check_seen(f"file:{store}", records, NOW)
    assert not records.exists()


def test_a_run_refuses_a_store_that_was_put_back_after_an_earlier_run_saw_it(site, call, tmp_path):
    shutil.copytree(site.keys.removeprefix("file:"), tmp_path / "store")
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    uri = f"file:{tmp_path / 'store'}"
    quick = replace(site, keys=uri).with_export("header.csv", Path(site.export).read_bytes().splitlines(keepends=True)[0])
    new_epoch(uri, "uniform", datetime.now(UTC))
    assert call(quick.arguments("run")).status == 0
    put_back(tmp_path / "store", tmp_path / "copy")
    ended = call(quick.arguments("run"))
    assert (ended.status, ended.summary["code"]) == (30, "keyset-rolled-back")
