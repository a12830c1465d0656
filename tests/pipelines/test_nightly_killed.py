"""A run that is killed, wherever that happens: a supplier sees whole releases or nothing, and the next run finishes [R13, R16]."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pipelines.release.events import Action, EventLog
from pipelines.release.offline import verify_release

if TYPE_CHECKING:
    from conftest import Ended, Site

SUPPLIERS = ("card-printer", "shift-rostering", "uniform")
# How often a run has asked for the time when all views are verified, and when one, two and three of them are published.
VERIFIED, AFTER_FIRST, AFTER_SECOND, AFTER_LAST = 6, 8, 9, 10

Facts = dict[str, tuple[str, int, int]]

# A run that kills itself when it asks for the time, or says how far it is, for the n-th time.
_RUN = """
import os, pickle, signal, sys
from datetime import UTC, datetime
from pipelines.nightly import run

settings, asked_for, said = pickle.loads(bytes.fromhex(sys.argv[1]))
asked = 0

def clock():
    global asked
    asked += 1
    if asked == asked_for:
        os.kill(os.getpid(), signal.SIGKILL)
    return datetime.now(UTC)

def report(what, done, total):
    if (what, done) == said:
        os.kill(os.getpid(), signal.SIGKILL)

run(settings, clock, report)
"""


def _run_until_killed(site: Site, asked_for: int = 0, said: tuple[str, int] | None = None) -> None:
    told = pickle.dumps((site.settings(), asked_for, said)).hex()
    done = subprocess.run([sys.executable, "-c", _RUN, told], capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.fixture
def undisturbed(first_run: tuple[Site, Ended]) -> Facts:
    return first_run[0].visible()


def _whole_releases(site: Site, undisturbed: Facts) -> set[str]:
    """What is there is a part of the undisturbed run made of whole releases; their suppliers."""
    visible = site.visible()
    suppliers = {path.split("/")[0] for path in visible}
    assert visible == {path: facts for path, facts in undisturbed.items() if path.split("/")[0] in suppliers}
    for supplier in suppliers:
        verify_release(site.release(supplier), site.public_key)
    # What is hidden beside them is closed to suppliers until it is whole.
    for hidden in site.out.glob("[!.]*/.incoming-*"):
        assert hidden.stat().st_mode & 0o077 == 0 or (hidden / "manifest.json").is_file()
    return suppliers


def _assert_the_next_run_finishes(site: Site, undisturbed: Facts) -> None:
    outcomes = {view["outcome"] for view in site.run()["suppliers"].values()}
    assert outcomes <= {"published", "already-published"}
    assert site.visible() == undisturbed
    assert {path.name for path in site.out.iterdir()} == {*SUPPLIERS, ".records", ".staging"}
    assert not list(site.out.glob("[!.]*/.*"))
    assert not list(site.records.rglob("pending.json"))
    assert site.left_in_staging() == []
    disclosed = [event.recipient for event in EventLog(site.records).events() if event.action is Action.DISCLOSURE]
    assert sorted(disclosed) == sorted(SUPPLIERS)


def test_a_run_asks_for_the_time_where_the_next_tests_kill_it(site: Site) -> None:
    published: list[int] = []

    def clock() -> datetime:
        published.append(len(list(site.out.glob("[!.]*/[!.]*/manifest.json"))))
        return datetime.now(UTC)

    said: list[tuple[str, int]] = []
    site.run(clock=clock, report=lambda what, done, total: said.append((what, done)))
    assert (published.index(1) + 1, published.index(2) + 1, published.index(3) + 1) == (AFTER_FIRST, AFTER_SECOND, AFTER_LAST)
    assert published[VERIFIED - 1] == 0
    assert {("views read", 0), ("rows searched", len(site.rows()))} <= set(said)


@pytest.mark.parametrize(
    ("asked_for", "visible"),
    [(AFTER_FIRST, {"card-printer"}), (AFTER_LAST, set(SUPPLIERS))],
    ids=["after-the-first-supplier", "after-the-last"],
)
def test_a_kill_between_suppliers_leaves_whole_releases_and_the_next_run_finishes(
    site: Site, undisturbed: Facts, asked_for: int, visible: set[str]
) -> None:
    _run_until_killed(site, asked_for=asked_for)
    assert _whole_releases(site, undisturbed) == visible
    _assert_the_next_run_finishes(site, undisturbed)


def test_kills_in_a_row_do_not_add_up_and_the_next_run_finishes(site: Site, undisturbed: Facts) -> None:
    _run_until_killed(site, said=("views read", 0))
    assert len(list(site.staging.glob("*/*/stage.json"))) == 3
    assert _whole_releases(site, undisturbed) == set()
    _run_until_killed(site, asked_for=VERIFIED)
    assert _whole_releases(site, undisturbed) == set()
    assert not [path for path in site.out.iterdir() if not path.name.startswith(".")]
    _run_until_killed(site, asked_for=AFTER_SECOND)
    assert _whole_releases(site, undisturbed) == {"card-printer", "shift-rostering"}
    _assert_the_next_run_finishes(site, undisturbed)


def _first_rows(site: Site) -> bool:
    return any((site.staging / site.date.isoformat() / ".attempts").glob("*/*"))


def _first_report(site: Site) -> bool:
    return site.area("card-printer").report.exists()


@pytest.mark.parametrize("happened", [_first_rows, _first_report], ids=["first-rows", "first-report"])
def test_a_kill_from_outside_while_staging_leaves_nothing_and_the_next_run_finishes(
    site: Site, undisturbed: Facts, wait_until: Callable[[Callable[[], bool]], None], happened: Callable[[Site], bool]
) -> None:
    process = site.start("run")
    wait_until(lambda: happened(site) or process.poll() is not None)
    process.kill()
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL, (stdout, stderr)
    assert stdout == ""
    assert _whole_releases(site, undisturbed) == set()
    _assert_the_next_run_finishes(site, undisturbed)
