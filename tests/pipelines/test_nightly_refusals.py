"""When a run cannot or must not publish: exit statuses, what it says, and that nothing is left behind [A14, R15, R16]."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from transforms.errors import KeyUnavailable, Refused, Unavailable
from transforms.keyring import admin

if TYPE_CHECKING:
    from conftest import Ended, Site

ROSTER = ("shift-rostering",)
Call = Callable[[list[str]], "Ended"]


def _unknown_supplier(site: Site) -> list[str]:
    return site.arguments("run", "--supplier", "nobody")


def _unset_variable(site: Site) -> list[str]:
    return replace(site, keys="").arguments("run")


def _too_many_broken_rows(site: Site) -> list[str]:
    rows = site.rows()
    for row in rows[:9]:
        row["rank"] = "Zzyzx"
    return site.with_rows(rows).arguments("run")


def _new_column(site: Site) -> list[str]:
    rows = [row | {"shoe_colour": "Zzyzx"} for row in site.rows()]
    return site.with_rows(rows).arguments("run")


def _policy_that_names_vetting(site: Site) -> list[str]:
    column = "  vetting_level: {action: keep, why: they asked for it}\n"
    return site.with_policies(lambda _, text: text.replace("columns:\n", f"columns:\n{column}")).arguments("run")


def _no_export(site: Site) -> list[str]:
    return replace(site, export=str(site.root / "*.csv")).arguments("run")


def _no_keys(site: Site) -> list[str]:
    return replace(site, keys=f"file:{site.root / 'nowhere'}").arguments("run")


def _exposed_keys(site: Site) -> list[str]:
    directory = site.root / "keys"
    admin.init(f"file:{directory}", ("uniform", *ROSTER, "card-printer"), datetime.now(UTC))
    (directory / "kek.key").chmod(0o644)
    return replace(site, keys=f"file:{directory}").arguments("run")


def _output_that_is_a_file(site: Site) -> list[str]:
    site.out.write_text("")
    return site.arguments("run")


def _records_that_others_can_enter(site: Site) -> list[str]:
    site.records.mkdir(parents=True, mode=0o755)
    return site.arguments("run")


CASES = [
    (_unknown_supplier, 2, "wrong-arguments"),
    (_unset_variable, 2, "wrong-arguments"),
    (_too_many_broken_rows, 10, "quarantine-over-limit"),
    (_new_column, 20, "unknown-column"),
    (_policy_that_names_vetting, 20, "restricted-named"),
    (_no_export, 20, "export-missing"),
    (_no_keys, 30, "key-file-missing"),
    (_exposed_keys, 30, "key-file-exposed"),
    (_output_that_is_a_file, 30, "store-missing"),
    (_records_that_others_can_enter, 30, "store-not-private"),
]


@pytest.mark.parametrize(("break_it", "status", "code"), CASES, ids=[case.__name__.strip("_") for case, _, _ in CASES])
def test_a_run_that_cannot_publish_says_why_in_words_and_in_json_and_leaves_nothing(
    site: Site, call: Call, break_it: Callable[[Site], list[str]], status: int, code: str
) -> None:
    ended = call(break_it(site))
    assert (ended.status, ended.summary["exit"], ended.summary["code"]) == (status, status, code)
    assert ended.summary["outcome"] == ("refused" if status == 10 else "failed")
    assert len(ended.stdout.splitlines()) == 1
    said = [line for line in ended.stderr.splitlines() if line.startswith("supplier-views: ")]
    place = f"{ended.summary['place']}: " if ended.summary["place"] else ""
    assert f"supplier-views: error: {place}{ended.summary['rule']}" in said
    assert f"supplier-views: hint: {ended.summary['hint']}" in said
    assert "Zzyzx" not in ended.stdout + ended.stderr
    assert site.visible() == {}
    assert not site.staging.is_dir() or site.left_in_staging() == []


def test_a_bug_is_told_by_its_place_and_never_by_its_text(site: Site) -> None:
    # No stack to import the loader on: an error that nobody foresaw.
    script = "import json, sys; from pipelines.cli import main; sys.setrecursionlimit(60); main(json.loads(sys.argv[1]))"
    line = ["check", "--contract", str(site.contract), "--policies", str(site.policies)]
    done = subprocess.run([sys.executable, "-c", script, json.dumps(line)], capture_output=True, text=True, check=False)
    summary = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, summary["exit"], summary["code"]) == (50, 50, "internal-error")
    assert summary["rule"] == "unexpected RecursionError"
    assert "maximum recursion depth" not in done.stdout + done.stderr
    assert "supplier-views: at " in done.stderr
    assert "supplier-views: error: unexpected RecursionError" in done.stderr


def test_a_second_run_at_once_ends_and_the_first_is_not_disturbed(
    site: Site, call: Call, wait_until: Callable[[Callable[[], bool]], None], first_run: tuple[Site, Ended]
) -> None:
    first = site.start("run")
    attempts = site.staging / site.date.isoformat() / ".attempts"
    wait_until(lambda: attempts.is_dir() or first.poll() is not None)
    first.send_signal(signal.SIGSTOP)
    try:
        second = call(site.arguments("run"))
        # Not for another date either: the staging root has one lock.
        other = call(replace(site, date=site.date + timedelta(days=1)).arguments("run"))
    finally:
        first.send_signal(signal.SIGCONT)
    stdout, stderr = first.communicate(timeout=60)
    assert [(ended.status, ended.summary["code"]) for ended in (second, other)] == [(30, "run-in-progress")] * 2
    assert (first.returncode, json.loads(stdout)["outcome"]) == (0, "published"), stderr
    assert site.visible() == first_run[0].visible()
    assert site.left_in_staging() == []


def test_runs_that_share_nothing_but_the_output_do_not_interleave(
    site: Site, call: Call, wait_until: Callable[[Callable[[], bool]], None]
) -> None:
    """A staging root of its own gets a run past the first lock; the supplier's lock is the second."""
    site.run(suppliers=ROSTER)
    before = site.visible()
    with (site.records / "shift-rostering" / "lock").open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        tomorrow = replace(site, date=site.date + timedelta(days=1))
        ended = call(tomorrow.arguments("run", "--supplier", *ROSTER, "--staging", str(site.root / "elsewhere")))
    assert (ended.status, ended.summary["code"]) == (30, "run-in-progress")
    assert site.visible() == before
    assert {path.name for path in (site.root / "elsewhere").iterdir()} == {"lock", "photo-cache"}


def test_a_clock_that_was_set_back_stops_the_run_before_it_publishes(site: Site) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert site.run(clock=lambda: tomorrow, suppliers=ROSTER)["outcome"] == "published"
    before = site.visible()
    with pytest.raises(Unavailable) as refusal:
        replace(site, date=site.date + timedelta(days=1)).run(clock=lambda: tomorrow - timedelta(hours=1), suppliers=ROSTER)
    assert (refusal.value.code, refusal.value.exit_status) == ("clock-behind", 30)
    assert site.visible() == before
    assert site.left_in_staging() == []
    # Once it is right again, the run is as any other.
    assert replace(site, date=site.date + timedelta(days=1)).run(clock=lambda: tomorrow, suppliers=ROSTER)["outcome"] == "published"


@pytest.mark.parametrize(("days", "code"), [(-3, "key-not-yet-active"), (2_000, "key-expired")])
def test_a_key_that_is_not_for_today_stops_the_run_before_it_reads_anything(site: Site, days: int, code: str) -> None:
    with pytest.raises(KeyUnavailable) as refusal:
        site.run(clock=lambda: datetime.now(UTC) + timedelta(days=days), suppliers=ROSTER)
    assert (refusal.value.code, refusal.value.exit_status) == (code, 30)
    assert [path.name for path in site.out.iterdir()] == [".records"]
    assert [path.name for path in site.records.iterdir()] == ["reports"]  # the page that says so


@pytest.mark.parametrize(("left", "announced"), [(31, False), (30, True)])
def test_the_last_thirty_days_of_a_key_are_announced(site: Site, left: int, announced: bool) -> None:
    day = _expiry(site, "shift-rostering") - timedelta(days=left)
    notices = site.run(clock=lambda: day, suppliers=ROSTER)["notices"]
    assert any("shift-rostering" in notice and f"days left: {left}" in notice for notice in notices) == announced


def test_the_last_thirty_days_of_the_signing_key_are_announced(site: Site) -> None:
    own = replace(site, keys=f"file:{site.root / 'keys'}")
    admin.init(own.keys, ROSTER, datetime.now(UTC))
    day = _expiry(own, "signing") - timedelta(days=30)
    for name in ("internal", *ROSTER):
        admin.new_epoch(own.keys, name, day)
    notices = own.run(clock=lambda: day, suppliers=ROSTER)["notices"]
    assert [notice for notice in notices if "signing" in notice and "days left: 30" in notice]


def _expiry(site: Site, name: str) -> datetime:
    (row,) = (row for row in admin.list_keysets(site.keys, None, datetime.now(UTC)).keysets if row.name == name)
    return datetime.fromisoformat(row.epochs[0].expires).replace(hour=12, tzinfo=UTC)


def test_a_refusal_after_the_first_supplier_leaves_that_release_and_says_so_next_time(site: Site) -> None:
    both = ("shift-rostering", "uniform")
    site.run(suppliers=both)
    tomorrow = replace(site, date=site.date + timedelta(days=1))
    head = site.records / "uniform" / "head.json"
    genuine = head.read_bytes()
    head.write_bytes((site.records / "shift-rostering" / "head.json").read_bytes())
    with pytest.raises(Refused) as refusal:
        tomorrow.run(suppliers=both)
    assert refusal.value.code == "chain-rolled-back"
    assert [path.parent.name for path in site.out.glob(f"[!.]*/{tomorrow.date.isoformat()}-*")] == ["shift-rostering"]
    assert site.left_in_staging() == []
    head.write_bytes(genuine)
    outcomes = {supplier: view["outcome"] for supplier, view in tomorrow.run(suppliers=both)["suppliers"].items()}
    assert outcomes == {"shift-rostering": "already-published", "uniform": "published"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_told_to_end_leaves_nothing_staged(
    site: Site, wait_until: Callable[[Callable[[], bool]], None], number: signal.Signals
) -> None:
    process = site.start("run")
    attempts = site.staging / site.date.isoformat() / ".attempts"
    wait_until(lambda: any(attempts.glob("*")) or process.poll() is not None)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, json.loads(stdout)["outcome"]) == (128 + number, "interrupted")
    assert f"supplier-views: error: ended by {number.name}" in stderr
    assert "Traceback" not in stderr
    assert site.left_in_staging() == []
    assert site.visible() == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_account_without_a_name_is_recorded_by_its_number() -> None:
    uid = next(number for number in range(60_000, 50_000, -1) if number not in {entry.pw_uid for entry in pwd.getpwall()})
    script = "import os, sys; from pipelines.actor import actor_name; os.setuid(int(sys.argv[1])); print(actor_name())"
    line = [sys.executable, "-c", script, str(uid)]
    done = subprocess.run(line, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True)
    assert done.stdout == f"uid {uid}\n"
