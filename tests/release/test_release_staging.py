from __future__ import annotations

import os
import signal
import stat
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.release.staging import open_staging
from transforms.errors import InvalidInput, Refused, StoreUnavailable, Unavailable

if TYPE_CHECKING:
    from conftest import World

DAY = date(2026, 11, 23)
InChild = Callable[[Callable[[], int]], int]


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def root(world: World) -> Path:
    return world.root / "staging"


def test_staging_is_private_in_spite_of_a_loose_umask(root: Path) -> None:
    before = os.umask(0)
    try:
        with open_staging(root, now()) as staging:
            area = staging.area(DAY, "card-printer")
            area.begin()
            (area.release / "people.csv").write_bytes(b"x")
            found = [root, *root.rglob("*")]
            assert len(found) == 6
            assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in found)
        assert os.umask(0) == 0
    finally:
        os.umask(before)


def test_a_second_run_is_told_that_one_is_in_progress(root: Path, in_child: InChild) -> None:
    def work() -> int:
        try:
            with open_staging(root, now()):
                return 0
        except Unavailable as error:
            return error.exit_status if error.code == "run-in-progress" else 1

    with open_staging(root, now()):
        assert in_child(work) == 30
    assert in_child(work) == 0


def test_a_killed_run_gives_its_lock_back(root: Path, in_child: InChild) -> None:
    def work() -> int:
        with open_staging(root, now()):
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    assert in_child(work) == -signal.SIGKILL
    with open_staging(root, now()) as staging:
        assert staging.root == root


def test_a_staging_root_that_others_can_enter_is_refused_and_left_as_it_is(root: Path) -> None:
    root.mkdir(mode=0o755)
    with pytest.raises(StoreUnavailable) as caught, open_staging(root, now()):
        pass
    assert caught.value.code == "store-not-private"
    assert stat.S_IMODE(root.stat().st_mode) == 0o755


def test_an_attempt_that_died_before_its_report_is_gone_at_the_next_start(root: Path, in_child: InChild) -> None:
    def work() -> int:
        with open_staging(root, now()) as staging:
            area = staging.area(DAY, "card-printer")
            area.begin()
            (area.release / "people.csv").write_bytes(b"x")
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    assert in_child(work) == -signal.SIGKILL
    assert (root / "2026-11-23" / "card-printer" / "release" / "people.csv").exists()
    with open_staging(root, now()):
        assert [path.name for path in root.iterdir()] == ["lock"]


def test_an_attempt_that_fails_leaves_nothing_at_its_end(root: Path) -> None:
    def attempt() -> None:
        with open_staging(root, now()) as staging:
            staging.area(DAY, "card-printer").begin()
            raise Refused("leak")

    with pytest.raises(Refused):
        attempt()
    assert [path.name for path in root.iterdir()] == ["lock"]


def test_a_staged_view_waits_for_verify_in_another_process(world: World, root: Path) -> None:
    with open_staging(root, now()):
        world.stage()
    with open_staging(root, now()) as staging:
        assert staging.area(DAY, "card-printer").read_report() == world.report()


def test_a_staged_view_that_nobody_published_is_gone_a_day_later(world: World, root: Path) -> None:
    with open_staging(root, now()):
        world.stage()
    with open_staging(root, now() + timedelta(days=1, seconds=5)):
        assert [path.name for path in root.iterdir()] == ["lock"]


def test_staging_anew_starts_from_nothing(world: World) -> None:
    (world.stage().release / "old.txt").write_bytes(b"x")
    area = world.stage(files={"people.csv": b"y"})
    assert [path.name for path in area.release.iterdir()] == ["people.csv"]


def test_a_sweep_removes_links_and_never_what_they_point_to(world: World, root: Path) -> None:
    precious = world.root / "precious"
    precious.mkdir()
    (precious / "file").write_bytes(b"x")
    with open_staging(root, now()):
        pass
    (root / "2026-11-23").mkdir()
    (root / "2026-11-22").symlink_to(precious)
    (root / "2026-11-23" / "card-printer").symlink_to(precious)
    (root / "2026-11-23" / "uniform").mkdir()
    (root / "2026-11-23" / "uniform" / "photos").symlink_to(precious)
    with open_staging(root, now()):
        assert [path.name for path in root.iterdir()] == ["lock"]
    assert (precious / "file").read_bytes() == b"x"


def test_a_sweep_leaves_alone_what_staging_did_not_make(root: Path) -> None:
    with open_staging(root, now()):
        pass
    (root / "notes").mkdir()
    (root / "notes" / "file").write_bytes(b"x")
    with open_staging(root, now()):
        pass
    assert (root / "notes" / "file").exists()


@pytest.mark.parametrize("supplier", ["../out", "", "Card", ".hidden", "a/b", "a" * 64])
def test_a_supplier_name_that_could_leave_its_directory_is_refused(root: Path, supplier: str) -> None:
    with open_staging(root, now()) as staging, pytest.raises(InvalidInput):
        staging.area(DAY, supplier)


@pytest.mark.parametrize("change", [("1", "2"), ('"rows":1', '"rows":1.0'), ("{", '{"x":1,'), ("card-printer", "uniform")])
def test_a_report_of_another_shape_or_view_is_refused(world: World, change: tuple[str, str]) -> None:
    area = world.stage()
    text = area.report.read_text()
    area.report.write_text(text.replace(*change) if change[0] != "1" else text + " ")
    with pytest.raises(Refused) as caught:
        area.read_report()
    assert caught.value.code == "stage-malformed"


def test_a_view_that_was_not_staged_can_be_asked_for_again_later(world: World) -> None:
    area = world.stage()
    area.report.unlink()
    with pytest.raises(Unavailable) as caught:
        area.read_report()
    assert caught.value.code == "not-staged"
