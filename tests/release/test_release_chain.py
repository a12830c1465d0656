from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.release.chain import read_history
from pipelines.release.dsse import open_envelope, sign_envelope
from pipelines.release.record import RECORD_TYPE, open_record, sign_head, sign_record
from transforms.errors import Refused
from transforms.keyring.secret import SecretKey
from transforms.keyring.signing import SigningKey

if TYPE_CHECKING:
    from conftest import World

DAY = date(2026, 11, 23)
NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
IDS = [f"2026-11-{day}-7f3a9c" for day in (23, 24, 25)]


@pytest.fixture
def world(new_world: Callable[[str], World]) -> World:
    """A store with three releases."""
    world = new_world("chain")
    for days in range(3):
        world.publish(world.clean(DAY + timedelta(days=days)), now=NOON + timedelta(days=days))
    return world


def next_release(world: World, days: int = 3) -> str:
    return world.publish(world.clean(DAY + timedelta(days=days)), now=NOON + timedelta(days=days)).status


def record_path(world: World, position: int) -> Path:
    return world.records / f"{IDS[position]}.json"


def resign(world: World, position: int, **changes: object) -> None:
    """Rewrites a record as somebody with the signing key could."""
    path = record_path(world, position)
    record = open_record(path.read_bytes(), (world.signer.public_bytes(),), path)
    path.write_bytes(sign_record(replace(record, **changes), world.signer))  # type: ignore[arg-type]


def test_a_whole_chain_takes_another_release(world: World) -> None:
    assert next_release(world) == "published"


def _swap(world: World, one: int, other: int) -> None:
    first, second = record_path(world, one), record_path(world, other)
    a, b = first.read_bytes(), second.read_bytes()
    first.write_bytes(b)
    second.write_bytes(a)


def _swap_releases(world: World) -> None:
    first, second = (world.shelf / IDS[n] / "manifest.json" for n in (0, 1))
    a, b = first.read_bytes(), second.read_bytes()
    first.write_bytes(b)
    second.write_bytes(a)


def _edit_record(world: World) -> None:
    envelope = json.loads(record_path(world, 1).read_bytes())
    envelope["payload"] = envelope["payload"][:-8] + "AAAA" + envelope["payload"][-4:]
    record_path(world, 1).write_bytes(json.dumps(envelope).encode())


def _forge_record(world: World) -> None:
    stranger = SigningKey(SecretKey(bytes(32)), epoch=1)
    path = record_path(world, 1)
    path.write_bytes(sign_envelope(open_envelope(path.read_bytes(), world.store.public_keys, RECORD_TYPE), RECORD_TYPE, stranger))


def _head_as_record(world: World) -> None:
    shutil.copy(world.records / "head.json", record_path(world, 1))


def _roll_back(world: World) -> None:
    record_path(world, 2).unlink()
    shutil.rmtree(world.shelf / IDS[2])


def _roll_back_head(world: World) -> None:
    path = record_path(world, 1)
    record = open_record(path.read_bytes(), world.store.public_keys, path)
    (world.records / "head.json").write_bytes(sign_head(record, world.signer))


def _copy_release(world: World) -> None:
    shutil.copytree(world.shelf / IDS[2], world.shelf / "2026-11-25-000000")


def _link_release(world: World) -> None:
    (world.shelf / IDS[2]).rename(world.root / "moved")
    (world.shelf / IDS[2]).symlink_to(world.root / "moved")


HARM: dict[str, tuple[Callable[[World], object], str]] = {
    "a record deleted from the middle": (lambda w: record_path(w, 1).unlink(), "chain-broken"),
    "the first record deleted": (lambda w: record_path(w, 0).unlink(), "chain-broken"),
    "the last record deleted": (lambda w: record_path(w, 2).unlink(), "chain-rolled-back"),
    "records swapped": (lambda w: _swap(w, 0, 1), "chain-broken"),
    "a record edited": (_edit_record, "signature-invalid"),
    "a record signed by a stranger": (_forge_record, "signature-invalid"),
    "the head in place of a record": (_head_as_record, "signature-invalid"),
    "a record numbered anew": (lambda w: resign(w, 2, sequence=4), "chain-broken"),
    "two records of one number": (lambda w: resign(w, 2, sequence=2), "chain-broken"),
    "a record with another past": (lambda w: resign(w, 1, previous="0" * 64), "chain-broken"),
    "a record of another supplier": (lambda w: resign(w, 1, supplier="uniform"), "chain-broken"),
    "the last release and its record rolled back": (_roll_back, "chain-rolled-back"),
    "the head rolled back": (_roll_back_head, "chain-rolled-back"),
    "the head deleted": (lambda w: (w.records / "head.json").unlink(), "chain-rolled-back"),
    "all records deleted": (lambda w: shutil.rmtree(w.records), "release-unknown"),
    "a release deleted": (lambda w: shutil.rmtree(w.shelf / IDS[1]), "release-missing"),
    "a manifest deleted": (lambda w: (w.shelf / IDS[1] / "manifest.json").unlink(), "release-missing"),
    "a manifest edited": (lambda w: (w.shelf / IDS[1] / "manifest.json").write_bytes(b"{}"), "release-altered"),
    "manifests swapped": (_swap_releases, "release-altered"),
    "a release copied under another name": (_copy_release, "release-unknown"),
    "a link in place of a release": (_link_release, "release-altered"),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_history_that_does_not_add_up_stops_the_next_release(world: World, harm: str) -> None:
    act, code = HARM[harm]
    act(world)
    with pytest.raises(Refused) as caught:
        next_release(world)
    assert caught.value.code == code
    assert not (world.shelf / "2026-11-26-7f3a9c").exists()


def test_a_release_may_be_erased_after_its_time_and_its_record_not(world: World) -> None:
    shutil.rmtree(world.shelf / IDS[0])
    assert next_release(world, days=31) == "published"
    record_path(world, 0).unlink()
    with pytest.raises(Refused) as caught:
        next_release(world, days=32)
    assert caught.value.code == "chain-broken"


def test_a_release_may_not_be_missing_on_its_very_last_day(world: World) -> None:
    shutil.rmtree(world.shelf / IDS[0])
    with pytest.raises(Refused) as caught:
        next_release(world, days=30)
    assert caught.value.code == "release-missing"


def test_a_pending_record_that_follows_nothing_is_not_adopted(world: World) -> None:
    path = record_path(world, 1)
    (world.records / "pending.json").write_bytes(path.read_bytes())
    with pytest.raises(Refused) as caught:
        next_release(world)
    assert caught.value.code == "chain-broken"


def test_suppliers_have_chains_of_their_own(world: World) -> None:
    other = world.with_policy(replace(world.policy, supplier="uniform"))
    assert other.publish(other.clean(), now=NOON + timedelta(days=3)).sequence == 1
    shutil.rmtree(world.shelf / IDS[1])
    assert other.publish(other.clean(DAY + timedelta(days=1)), now=NOON + timedelta(days=4)).sequence == 2


def test_stray_files_and_directories_without_a_manifest_are_no_releases(world: World) -> None:
    (world.shelf / "notes.txt").write_bytes(b"")
    (world.shelf / "2026-11-25-000000").mkdir()
    with world.store.locked("card-printer") as shelf:
        assert len(read_history(shelf, world.store.public_keys, DAY).records) == 3
