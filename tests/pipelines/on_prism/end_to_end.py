"""Stage, verify and publish on Prism, Beam's Go runner, with workers that have the installed package only: `make test-prism`."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.pipelines.conftest import Ended, Site
    from tests.pipelines.on_prism.conftest import Cluster

COUNTS = ("in", "accepted", "quarantined", "broken", "flagged")


def test_workers_have_the_installed_package_and_not_the_checkout(prism: Cluster) -> None:
    line = [str(prism.worker_python), "-c", "import pipelines, transforms; print(pipelines.__file__, transforms.__file__)"]
    found = subprocess.run(line, cwd="/", env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True).stdout
    assert all(Path(path).is_relative_to(prism.worker_python.parents[1]) for path in found.split()), found


def test_the_phases_on_prism_release_what_a_run_in_process_releases_byte_for_byte(
    site: Site, prism: Cluster, first_run: tuple[Site, Ended]
) -> None:
    in_process, alone = first_run
    staged = site.command("stage", *prism.options)
    assert staged.status == 0, staged.stderr
    for phase in ("verify", "publish"):
        done = site.command(phase, *prism.options)
        assert done.status == 0, done.stderr
    assert len(site.visible()) > 100
    assert site.visible() == in_process.visible()
    assert {name: staged.summary[name] for name in COUNTS} == {name: alone.summary[name] for name in COUNTS}
    assert site.left_in_staging() == []
    assert site.quarantine.read_bytes() == in_process.quarantine.read_bytes()


def test_an_error_of_a_worker_keeps_its_code_its_hint_and_its_exit_status(site: Site, prism: Cluster) -> None:
    lines = Path(site.export).read_bytes().splitlines(keepends=True)
    torn = site.with_export("torn.csv", b"".join(lines[:50]) + b'"31415926,Zyxwvutsrq')
    here, there = torn.named("here").command("stage"), torn.command("stage", *prism.options)
    assert there.summary == here.summary
    assert (there.status, there.summary["code"]) == (20, "unclosed-quote")
    assert there.stderr == here.stderr
    assert not any(b"Zyxwvutsrq" in data for _, data in prism.kept())
    assert torn.left_in_staging() == []


def test_a_path_that_only_the_launcher_knows_is_refused_before_anything_is_staged(site: Site, prism: Cluster) -> None:
    ended = replace(site, export="export.csv").command("stage", *prism.options)
    assert (ended.status, ended.summary["code"], ended.summary["place"]) == (2, "path-relative", "export")
    assert not site.staging.exists() or site.left_in_staging() == []


def test_a_runner_that_is_not_there_is_told_within_a_minute(site: Site, prism: Cluster) -> None:
    options = [re.sub("job_endpoint=.*", "job_endpoint=localhost:1", option) for option in prism.options]
    ended = site.command("stage", *options, "--job_server_timeout=3")
    assert (ended.status, ended.summary["code"]) == (30, "runner-failed")
    assert site.left_in_staging() == []


def test_neither_prism_nor_a_worker_keeps_a_value_or_a_key(site: Site, prism: Cluster) -> None:
    assert site.command("stage", *prism.options).status == 0
    rows = site.rows()
    needles = {row[name].encode() for row in rows for name in ("pay_number", "email", "phone", "warrant_number") if row[name]}
    needles |= {Path(site.keys.removeprefix("file:"), "kek.key").read_bytes().strip()}
    words = {word for word in needles if len(word) >= 6}
    assert len(words) > len(rows)
    seen = dict(prism.kept())
    assert {"prism.log", "workers.log"} <= seen.keys()
    for name, data in seen.items():
        found = words.intersection(re.findall(rb"[^\s\"',;:|<>()\[\]{}]+", data))
        assert not found, f"{name} holds {len(found)} values"
    assert json.loads(seen["prism.log"].splitlines()[0])["msg"]
