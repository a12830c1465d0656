from __future__ import annotations

import os
import pickle
import stat
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.release.commit import Step
from pipelines.release.events import Action
from pipelines.release.offline import verify_release
from pipelines.release.publish import publish
from pipelines.release.record import open_record
from pipelines.release.store import ReleaseStore
from transforms.errors import KeyUnavailable, Refused, StoreUnavailable, Unavailable
from transforms.keyring.secret import SecretKey
from transforms.keyring.signing import SigningKey

if TYPE_CHECKING:
    from conftest import World

DAY = date(2026, 11, 23)
ID = "2026-11-23-7f3a9c"
NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
InChild = Callable[[Callable[[], int]], int]


def test_a_release_holds_the_staged_files_and_a_manifest_that_verifies(world: World) -> None:
    clean = world.clean()
    outcome = world.publish(clean)
    manifest = verify_release(outcome.directory, world.signer.public_bytes())
    assert (outcome.status, outcome.directory, manifest.sequence) == ("published", world.shelf / ID, 1)
    names = {path.relative_to(outcome.directory).as_posix() for path in outcome.directory.rglob("*") if path.is_file()}
    assert names == {file.path for file in clean.files} | {"manifest.json"}


def test_a_rerun_changes_no_byte_mode_or_time_and_says_already_published(world: World) -> None:
    first = world.publish(world.clean())
    before = world.visible()
    again = world.publish(world.clean(), now=NOON + timedelta(hours=1))
    assert (again.status, replace(again, status="published")) == ("already-published", first)
    assert world.visible() == before


def test_two_forces_with_the_same_view_publish_the_same_bytes_whenever_they_run(new_world: Callable[[str], World]) -> None:
    early, late = new_world("early"), new_world("late")
    early.publish(early.clean(), actor="one")
    late.publish(late.clean(), now=NOON + timedelta(days=3), actor="other")
    assert early.visible() == late.visible()


def test_modes_and_times_of_a_release_say_nothing_about_the_run(world: World) -> None:
    world.publish(world.clean())
    midnight = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
    seen = world.visible()
    assert len(seen) == 7
    for _, mode, mtime in seen.values():
        assert stat.S_IMODE(mode) == (0o750 if stat.S_ISDIR(mode) else 0o640)
        assert mtime == midnight


def test_changed_content_on_a_published_date_is_refused_and_overwrites_nothing(world: World) -> None:
    world.publish(world.clean())
    before = world.visible()
    changed = {"people.csv": b"person_token\r\nWC1-00000000000000000\r\n", "README.txt": b"what this is\n"}
    with pytest.raises(Refused) as caught:
        world.publish(world.clean(files=changed))
    assert caught.value.code == "already-published-different"
    assert world.visible() == before


def test_changed_terms_on_a_published_date_are_refused(world: World) -> None:
    world.publish(world.clean())
    stricter = world.with_policy(replace(world.policy, delete_after_days=7))
    with pytest.raises(Refused) as caught:
        stricter.publish(stricter.clean())
    assert caught.value.code == "already-published-different"


def test_a_second_release_id_on_a_published_date_is_refused(world: World) -> None:
    world.publish(world.clean())
    with pytest.raises(Refused) as caught:
        world.publish(world.clean(tag="000000"))
    assert caught.value.code == "date-already-published"


def test_a_date_whose_release_was_erased_is_not_published_again(world: World) -> None:
    outcome = world.publish(world.clean())
    for path in sorted(outcome.directory.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    outcome.directory.rmdir()
    with pytest.raises(Refused) as caught:
        world.publish(world.clean(), now=NOON + timedelta(days=31))
    assert caught.value.code == "already-erased"


def test_a_tampered_release_is_not_called_already_published(world: World) -> None:
    outcome = world.publish(world.clean())
    (outcome.directory / "README.txt").write_bytes(b"something else\n")
    with pytest.raises(Refused) as caught:
        world.publish(world.clean())
    assert caught.value.code == "release-altered"


def test_a_clock_behind_the_last_release_stops_the_next_one(world: World) -> None:
    world.publish(world.clean())
    with pytest.raises(Unavailable) as caught:
        world.publish(world.clean(DAY + timedelta(days=1)), now=NOON - timedelta(seconds=1))
    assert (caught.value.code, caught.value.exit_status) == ("clock-behind", 30)
    assert list(world.shelf.iterdir()) == [world.shelf / ID]


def test_a_clock_that_stands_still_is_not_behind(world: World) -> None:
    world.publish(world.clean())
    assert world.publish(world.clean(DAY + timedelta(days=1)), now=NOON).sequence == 2


def test_a_signer_that_the_store_does_not_know_publishes_nothing(world: World) -> None:
    stranger = replace(world, signer=SigningKey(SecretKey(bytes(32)), epoch=1))
    clean = world.clean()
    with pytest.raises(KeyUnavailable):
        publish(clean, world.policy, world.contract, world.store, stranger.signer, actor="operator", now=NOON)
    assert world.visible() == {}


def test_a_release_is_signed_by_a_new_key_after_the_old_ones(world: World) -> None:
    world.publish(world.clean())
    newer = SigningKey(SecretKey(bytes(32)), epoch=2)
    store = ReleaseStore(world.store.root, world.store.records, (newer.public_bytes(), world.signer.public_bytes()))
    clean = world.clean(DAY + timedelta(days=1))
    outcome = publish(clean, world.policy, world.contract, store, newer, actor="operator", now=NOON)
    assert verify_release(outcome.directory, newer.public_bytes()).sequence == 2


@pytest.mark.parametrize("harm", ["changed", "missing", "extra", "link"])
def test_what_changed_after_verify_is_not_published(world: World, harm: str) -> None:
    clean = world.clean()
    table = clean.staging.release / "people.csv"
    if harm == "changed":
        table.write_bytes(table.read_bytes().replace(b"Staff", b"Stuff"))
    elif harm == "extra":
        (clean.staging.release / "notes.txt").write_bytes(b"unread")
    else:
        table.unlink()
        if harm == "link":
            table.symlink_to(world.root / "elsewhere")
    with pytest.raises(Refused) as caught:
        world.publish(clean)
    assert caught.value.code == ("not-a-regular-file" if harm == "link" else "proof-stale")
    assert list(world.shelf.iterdir()) == []
    assert not (world.records / "pending.json").exists()


def test_a_half_copied_directory_without_a_manifest_is_no_release_and_is_built_anew(world: World) -> None:
    (world.shelf / ID).mkdir(parents=True)
    (world.shelf / ID / "people.csv").write_bytes(b"half")
    assert world.publish(world.clean()).status == "published"
    verify_release(world.shelf / ID, world.signer.public_bytes())


def test_the_force_keeps_counts_checks_and_actor_in_a_signed_private_record(world: World) -> None:
    outcome = world.publish(world.clean())
    path = world.records / f"{ID}.json"
    record = open_record(path.read_bytes(), (world.signer.public_bytes(),), path)
    assert (record.counts["protected"], record.checks, record.actor) == (3, ("closed-world",), "operator")
    assert (record.manifest_sha256, record.published_at) == (outcome.manifest_sha256, NOON.replace(microsecond=0))
    assert {stat.S_IMODE(file.stat().st_mode) for file in world.records.iterdir()} == {0o600}
    assert stat.S_IMODE(world.records.stat().st_mode) == 0o700


def test_the_disclosure_is_logged_once_with_time_actor_and_recipient(world: World) -> None:
    world.publish(world.clean())
    world.publish(world.clean())
    (event,) = world.store.events.events()
    assert (event.action, event.actor, event.recipient) == (Action.DISCLOSURE, "operator", "card-printer")
    assert (event.release_id, event.when) == (ID, NOON.replace(microsecond=0))


def test_records_that_others_can_read_stop_the_release(world: World) -> None:
    (world.root / "records").mkdir(mode=0o755)
    with pytest.raises(StoreUnavailable) as caught:
        world.publish(world.clean())
    assert caught.value.code == "store-not-private"
    assert world.visible() == {}


def test_an_output_root_below_a_file_is_unavailable(world: World) -> None:
    (world.root / "out").write_bytes(b"")
    with pytest.raises(StoreUnavailable) as caught:
        world.publish(world.clean())
    assert (caught.value.code, caught.value.exit_status) == ("store-missing", 30)


def test_an_output_root_without_write_permission_is_unavailable(world: World, in_child: InChild) -> None:
    with tempfile.TemporaryDirectory() as place:
        out = Path(place) / "out"
        out.mkdir()
        out.chmod(0o555)
        Path(place).chmod(0o755)
        clean = world.clean()
        store = ReleaseStore(out, world.store.records, world.store.public_keys)

        def work() -> int:
            if os.geteuid() == 0:
                os.setuid(65534)  # permission bits do not bind root
            try:
                publish(clean, world.policy, world.contract, store, world.signer, actor="operator", now=NOON)
            except StoreUnavailable as error:
                return 0 if error.code == "store-not-writable" else 1
            return 2

        assert in_child(work) == 0
        assert list(out.iterdir()) == []
        out.chmod(0o755)


def test_a_link_in_place_of_the_supplier_directory_is_refused(world: World) -> None:
    (world.root / "out").mkdir()
    (world.root / "elsewhere").mkdir()
    world.shelf.symlink_to(world.root / "elsewhere")
    with pytest.raises(StoreUnavailable) as caught:
        world.publish(world.clean())
    assert caught.value.code == "store-symlink"
    assert list((world.root / "elsewhere").iterdir()) == []


def test_two_processes_cannot_publish_for_one_supplier_at_once(world: World, in_child: InChild) -> None:
    clean = world.clean()
    seen: list[str] = []

    def other(step: Step) -> None:
        if step is Step.FILES_ON_DISK:
            seen.append(str(in_child(lambda: _status_of(world, clean))))

    assert world.publish(clean, on_step=other).status == "published"
    assert seen == ["30"]


def _status_of(world: World, clean: object) -> int:
    try:
        world.publish(clean)  # type: ignore[arg-type]
    except Unavailable as error:
        return error.exit_status if error.code == "run-in-progress" else 1
    return 0


def test_of_many_processes_that_start_together_one_publishes(world: World) -> None:
    clean = world.clean()
    read, write = os.pipe()
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            status = b"x"
            try:
                status = b"p" if world.publish(clean).status == "published" else b"a"
            except Unavailable as error:
                status = b"r" if error.code == "run-in-progress" else b"x"
            finally:
                os.write(write, status)
                os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    os.close(write)
    with os.fdopen(read, "rb") as answers:
        statuses = answers.read()
    assert len(statuses) == 4
    assert (statuses.count(b"p"), statuses.count(b"x")) == (1, 0)
    verify_release(world.shelf / ID, world.signer.public_bytes())


def test_a_clean_release_is_never_pickled(world: World) -> None:
    with pytest.raises(Exception, match="proof"):
        pickle.dumps(world.clean())
