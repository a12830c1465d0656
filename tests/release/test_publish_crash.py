"""What a supplier sees, and what the next run does, when a publish stops at any of its steps."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.release.commit import Step
from pipelines.release.events import Action
from pipelines.release.offline import verify_release
from pipelines.release.publish import publish
from pipelines.release.record import open_head
from pipelines.release.store import ReleaseStore
from transforms.errors import StoreUnavailable, SupplierViewsError, store_unavailable

if TYPE_CHECKING:
    from conftest import World

DAY = date(2026, 11, 23)
NOON = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
ID = "2026-11-24-7f3a9c"
STEPS, MANIFEST = 16, 9  # of a release with four files, and where its manifest is written; the first test holds them to the truth
InChild = Callable[[Callable[[], int]], int]


class At:
    """Acts at the n-th step of a publish."""

    def __init__(self, position: int, act: Callable[[], object]) -> None:
        self._left = position
        self._act = act

    def __call__(self, step: Step) -> None:
        if self._left == 0:
            self._act()
        self._left -= 1


@pytest.fixture
def world(new_world: Callable[[str], World]) -> World:
    """A store with yesterday's release in it."""
    world = new_world("world")
    world.publish(world.clean())
    return world


@pytest.fixture
def expected(new_world: Callable[[str], World]) -> dict[str, tuple[bytes, int, float]]:
    """What a supplier sees when nothing stops the run."""
    undisturbed = new_world("undisturbed")
    undisturbed.publish(undisturbed.clean())
    tomorrow(undisturbed)
    return undisturbed.visible()


def tomorrow(world: World, on_step: Callable[[Step], None] = lambda step: None) -> str:
    return world.publish(world.clean(DAY + timedelta(days=1)), now=NOON + timedelta(days=1), on_step=on_step).status


def assert_finished(world: World, expected: dict[str, tuple[bytes, int, float]]) -> None:
    assert world.visible() == expected
    assert {path.name for path in world.shelf.iterdir()} == {"2026-11-23-7f3a9c", ID}
    assert {path.name for path in world.records.iterdir()} == {f"{ID}.json", "2026-11-23-7f3a9c.json", "head.json", "lock"}
    head = open_head((world.records / "head.json").read_bytes(), (world.signer.public_bytes(),), world.records)
    assert head.sequence == 2
    disclosed = [event.release_id for event in world.store.events.events() if event.action is Action.DISCLOSURE]
    assert disclosed == ["2026-11-23-7f3a9c", ID]


def test_a_publish_reports_every_step_once_and_every_file(world: World) -> None:
    seen: list[Step] = []
    tomorrow(world, seen.append)
    assert (len(seen), seen.index(Step.MANIFEST_WRITTEN)) == (STEPS, MANIFEST)
    assert set(seen) == set(Step)
    assert seen.count(Step.FILE_PLACED) == 4


@pytest.mark.parametrize("position", range(STEPS))
def test_a_kill_at_any_step_leaves_a_whole_release_or_nothing_and_a_rerun_finishes(
    world: World, expected: dict[str, tuple[bytes, int, float]], in_child: InChild, position: int
) -> None:
    before = world.visible()
    kill = At(position, lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert in_child(lambda: bool(tomorrow(world, kill))) == -signal.SIGKILL
    assert world.visible() in (before, expected)
    if world.visible() == expected:
        verify_release(world.shelf / ID, world.signer.public_bytes())
    else:
        # Until the manifest is written nobody but the owner can even enter the directory that is being built.
        assert all(p.stat().st_mode & 0o077 == 0 or (p / "manifest.json").exists() for p in world.shelf.glob(".incoming-*-*"))
    assert tomorrow(world) in ("published", "already-published")
    assert_finished(world, expected)


@pytest.mark.parametrize("position", range(STEPS))
def test_a_very_first_release_that_is_killed_is_finished_by_the_next_run(
    new_world: Callable[[str], World], in_child: InChild, position: int
) -> None:
    world = new_world("first")
    clean = world.clean()
    kill = At(position, lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert in_child(lambda: bool(world.publish(clean, on_step=kill))) == -signal.SIGKILL
    world.publish(world.clean())
    assert verify_release(world.shelf / "2026-11-23-7f3a9c", world.signer.public_bytes()).sequence == 1
    assert tomorrow(world) == "published"


@pytest.mark.parametrize("position", range(STEPS))
def test_a_date_that_was_killed_and_given_up_does_not_stop_the_next_date(world: World, in_child: InChild, position: int) -> None:
    kill = At(position, lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert in_child(lambda: bool(tomorrow(world, kill))) == -signal.SIGKILL
    later = world.publish(world.clean(DAY + timedelta(days=2)), now=NOON + timedelta(days=2))
    assert later.status == "published"
    sequences = [verify_release(path, world.signer.public_bytes()).sequence for path in sorted(world.shelf.iterdir())]
    assert sequences == list(range(1, len(sequences) + 1))


@pytest.mark.parametrize("position", range(STEPS))
def test_an_interrupt_at_any_step_leaves_a_state_that_a_rerun_finishes(
    world: World, expected: dict[str, tuple[bytes, int, float]], position: int
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    before = world.visible()
    with pytest.raises(KeyboardInterrupt):
        tomorrow(world, At(position, interrupt))
    assert world.visible() in (before, expected)
    tomorrow(world)
    assert_finished(world, expected)


@pytest.mark.parametrize("position", range(STEPS))
def test_a_disk_that_fills_at_any_step_is_reported_and_leaves_a_whole_release_or_nothing(
    world: World, expected: dict[str, tuple[bytes, int, float]], in_child: InChild, position: int
) -> None:
    # A limit of no bytes a file is what the kernel says no with, to this process alone and without root.
    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))

    def work() -> int:
        try:
            tomorrow(world, At(position, fill))
        except StoreUnavailable as error:
            return {"store-full": 1, "record-incomplete": 2}[error.code]
        return 0

    before = world.visible()
    status = in_child(work)
    assert world.visible() == (before if status == 1 else expected)
    assert (status == 1) == (position < MANIFEST)
    assert not list(world.shelf.glob(".incoming*"))
    tomorrow(world)
    assert_finished(world, expected)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a file system of 64 KiB; the limit of bytes a file is tested for everybody")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_file_system_gets_no_release_and_keeps_no_trace_of_one(world: World, tiny_disk: Path) -> None:
    store = ReleaseStore(tiny_disk / "out", world.store.records.with_name("other-records"), world.store.public_keys)
    clean = world.clean(files={f"photos/{n}.jpg": os.urandom(10_000) for n in range(10)})
    with pytest.raises(StoreUnavailable) as caught:
        publish(clean, world.policy, world.contract, store, world.signer, actor="operator", now=NOON)
    assert caught.value.code == "store-full"
    assert list((tiny_disk / "out" / "card-printer").iterdir()) == []


def test_a_store_on_another_file_system_gets_the_same_release(world: World, tiny_disk: Path) -> None:
    store = ReleaseStore(tiny_disk / "out", world.store.records.with_name("other-records"), world.store.public_keys)
    outcome = publish(world.clean(), world.policy, world.contract, store, world.signer, actor="operator", now=NOON)
    for path in (world.shelf / "2026-11-23-7f3a9c").rglob("*"):
        copy = outcome.directory / path.relative_to(world.shelf / "2026-11-23-7f3a9c")
        assert (copy.stat().st_mode, copy.stat().st_mtime) == (path.stat().st_mode, path.stat().st_mtime)
        assert path.is_dir() or copy.read_bytes() == path.read_bytes()


def test_a_disk_that_does_not_confirm_the_release_leaves_the_outcome_unknown(
    world: World, expected: dict[str, tuple[bytes, int, float]], in_child: InChild
) -> None:
    # Without a descriptor to spare the process cannot ask the disk, which is one way of never hearing its answer.
    def deafen(step: Step) -> None:
        if step is Step.VISIBLE:
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))

    def work() -> int:
        try:
            tomorrow(world, deafen)
        except SupplierViewsError as error:
            return error.exit_status
        return 0

    assert in_child(work) == 40
    assert tomorrow(world) == "already-published"
    assert_finished(world, expected)


def test_every_refusal_of_the_kernel_has_an_error_that_names_no_file() -> None:
    for number in errno.errorcode:
        error = store_unavailable(OSError(number, os.strerror(number), "/staging/Smith.jpg"), Path("/out"))
        assert "Smith" not in f"{error} {error.hint}"
        assert error.place == "/out"
