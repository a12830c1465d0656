"""A stage that is killed leaves nothing that counts, and the next one is as good as the first [R16]."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.release.files import remove
from transforms.errors import Unavailable

if TYPE_CHECKING:
    from conftest import Site

Wait = Callable[[Callable[[], bool]], None]
Start = Callable[[], subprocess.Popen[bytes]]


@pytest.fixture
def start(site: Site) -> Iterator[Start]:
    started: list[subprocess.Popen[bytes]] = []

    def begin() -> subprocess.Popen[bytes]:
        started.append(site.start_stage())
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def _kill_at(site: Site, start: Start, wait_until: Wait, sign: str) -> None:
    """Kills a stage as soon as a file of that name is there; one that was faster than the look is started again."""
    day = site.staging / site.date.isoformat()
    for _ in range(5):
        remove(site.out)
        process = start()
        wait_until(lambda process=process: process.poll() is not None or any(day.glob(sign)))
        process.kill()
        if process.wait() == -signal.SIGKILL:
            return
        assert process.returncode == 0
    pytest.fail(f"no run could be killed at {sign}")


@pytest.mark.parametrize(
    "sign",
    [".attempts/*/*.arrow", ".attempts/*/*.jpg", ".attempts/*/card-printer-*/release/photos/*.jpg", "*/stage.json"],
    ids=["first-spill", "first-photo", "first-photo-placed", "first-report"],
)
def test_a_killed_stage_is_swept_and_a_rerun_gives_the_same_bytes(
    site: Site, start: Start, wait_until: Wait, undisturbed: dict[str, str], sign: str
) -> None:
    day = site.staging / site.date.isoformat()
    _kill_at(site, start, wait_until, sign)
    dead = _identities(day.rglob("*"))
    assert dead
    half_written = site.quarantine.with_name(f"{site.quarantine.name}.4711")
    half_written.write_text("{")

    site.stage()
    assert site.staged() == undisturbed
    assert {path.name for path in day.iterdir()} == {"card-printer", "shift-rostering", "uniform"}
    assert dead.isdisjoint(_identities(site.out.rglob("*")))
    assert [path.name for path in site.quarantine.parent.iterdir()] == [site.quarantine.name]


def _identities(paths: Iterable[Path]) -> set[tuple[int, int]]:
    """What tells a file from one that took its name, or its inode, later."""
    found = [path.stat() for path in paths if path.is_file()]
    return {(status.st_ino, status.st_ctime_ns) for status in found}


def test_a_second_stage_beside_a_running_one_is_turned_away(
    site: Site, start: Start, wait_until: Wait, undisturbed: dict[str, str]
) -> None:
    first = start()
    wait_until(lambda: first.poll() is not None or (site.staging / site.date.isoformat()).is_dir())
    with pytest.raises(Unavailable) as turned_away:
        site.stage()
    assert (turned_away.value.code, turned_away.value.exit_status) == ("run-in-progress", 30)

    out, _ = first.communicate()
    assert (first.returncode, out) == (0, b"")
    assert site.staged() == undisturbed
