"""A worker, the launcher or Prism itself is killed at a moment that a seed picks: `make test-prism` (RUNS of them, six by default).

Whatever dies, the release is absent or the whole one, the next run finishes, and the counts are those of an undisturbed run.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.pipelines.conftest import Ended, Site
    from tests.pipelines.on_prism.conftest import Cluster

RUNS = int(os.environ.get("RUNS", "6"))
VICTIMS = ("worker", "launcher", "prism")
PHASES = ("stage", "verify")
COUNTS = ("in", "accepted", "quarantined", "broken", "flagged")
# Seconds after the first sign of a phase, at random: a stage of the default force works for a few.
LATEST = 3.0

Patient = Callable[[Callable[[], bool]], bool]


def _cases() -> list[tuple[int, str, str]]:
    """Every victim while staging and while verifying, and round again."""
    pairs = [(victim, phase) for phase in PHASES for victim in VICTIMS]
    return [(seed, *pairs[seed % len(pairs)]) for seed in range(RUNS)]


@pytest.mark.parametrize(("seed", "victim", "phase"), _cases())
def test_whatever_is_killed_nothing_half_made_is_released_and_the_next_run_finishes(
    site: Site, prism: Cluster, first_run: tuple[Site, Ended], patient: Patient, seed: int, victim: str, phase: str
) -> None:
    undisturbed, alone = first_run
    moment = random.Random(seed).uniform(0, LATEST)  # noqa: S311 - picks a moment
    if phase == "verify":
        assert site.command("stage", *prism.options).status == 0
    launcher = site.start(phase, *prism.options)
    if phase == "stage":
        day = site.staging / site.date.isoformat()
        assert patient(lambda: prism.worker() is not None and any(day.glob(".attempts/*"))), launcher.poll()
        time.sleep(moment)
    else:
        time.sleep(1 + moment)
    _kill(prism, launcher, victim)
    _, stderr = launcher.communicate(timeout=120)
    status = launcher.returncode

    assert site.visible() == {}
    if victim == "launcher":
        assert status in (0, -signal.SIGKILL)
    elif phase == "verify":
        assert status == 0, stderr  # no part of it is Beam's
    else:
        assert status == 0 or (status == 30 and "the runner gave up" in stderr), (status, stderr)
        assert status == 0 or site.left_in_staging() == []

    prism.start()
    done = site.command("run", *prism.options)  # a job of the dead launcher may still be at work beside it
    assert done.status == 0, done.stderr
    assert site.visible() == undisturbed.visible()
    assert {name: done.summary[name] for name in COUNTS} == {name: alone.summary[name] for name in COUNTS}
    assert done.summary["in"] == done.summary["accepted"] + done.summary["quarantined"]
    assert site.left_in_staging() == []


def _kill(prism: Cluster, launcher: subprocess.Popen[str], victim: str) -> None:
    if victim == "launcher":
        launcher.kill()
    elif victim == "prism":
        prism.kill("prism")
    elif (worker := prism.worker()) is not None:
        os.kill(worker, signal.SIGKILL)
    else:
        prism.kill("workers")  # between jobs a pool has no worker, so it goes itself
