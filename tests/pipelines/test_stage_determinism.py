"""The bytes that a supplier gets depend on the export's rows and on nothing else [P18, R8, R10]."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Site


def test_a_second_run_stages_the_same_bytes(site: Site, undisturbed: dict[str, str]) -> None:
    site.stage()
    assert site.staged() == undisturbed
    assert sum(name.startswith("card-printer/release/photos/") for name in undisturbed) > 0


def test_shuffled_rows_give_the_same_bytes(site: Site, undisturbed: dict[str, str]) -> None:
    rows = site.rows()
    random.Random(1).shuffle(rows)  # noqa: S311
    assert rows != site.rows()
    shuffled = site.with_rows(rows)
    shuffled.stage()
    assert shuffled.staged() == undisturbed


def test_an_export_in_three_files_of_unlike_size_gives_the_same_bytes(site: Site, undisturbed: dict[str, str]) -> None:
    rows = site.rows()
    for number, part in enumerate((rows[:1], rows[1:8], rows[8:])):
        site.with_rows(part, name=f"part-{number}")
    split = replace(site, export=str(site.root / "exports" / "part-*.csv"))
    split.stage()
    assert split.staged() == undisturbed


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_another_format_of_the_export_gives_the_same_bytes(site: Site, undisturbed: dict[str, str], suffix: str) -> None:
    other = site.with_rows(site.rows(), suffix)
    other.stage()
    assert other.staged() == undisturbed


@pytest.mark.parametrize(
    "options",
    [
        ("--direct_runner_bundle_repeat=1",),
        ("--direct_running_mode=multi_threading", "--direct_num_workers=2"),
    ],
    ids=["every-bundle-twice", "threads"],
)
def test_another_way_to_run_gives_the_same_bytes(site: Site, undisturbed: dict[str, str], options: tuple[str, ...]) -> None:
    site.stage(beam_options=options)
    assert site.staged() == undisturbed


def test_two_worker_processes_give_the_same_bytes(site: Site, undisturbed: dict[str, str]) -> None:
    # In a process of its own: when a step fails, Beam at times waits for its workers for ever.
    run = site.start_stage(beam_options=("--direct_running_mode=multi_processing", "--direct_num_workers=2"))
    try:
        run.communicate(timeout=120)
    finally:
        run.kill()
    assert run.returncode == 0
    assert site.staged() == undisturbed


def test_every_file_and_directory_of_a_release_carries_the_business_date(staged_site: Site) -> None:
    midnight = 1_795_392_000  # 2026-11-23T00:00:00Z
    releases = [staged_site.area(supplier).release for supplier in ("card-printer", "shift-rostering", "uniform")]
    times = {path.stat().st_mtime for release in releases for path in (release, *release.rglob("*"))}
    assert times == {midnight}


def test_photos_are_named_by_the_token_of_their_row_and_by_nothing_else(staged_site: Site) -> None:
    photos = staged_site.area("card-printer").release / "photos"
    rows = staged_site.view("card-printer")
    assert sorted(path.name for path in photos.iterdir()) == sorted(row["photo"] for row in rows)
    assert all(row["photo"] == f"{row['person_token']}.jpg" for row in rows)
    assert all(path.is_file() for path in photos.iterdir())


def test_rows_of_a_view_are_in_the_order_of_their_tokens(staged_site: Site) -> None:
    tokens = [row["person_token"] for row in staged_site.view("shift-rostering")]
    # Crockford's digits and letters sort as their values do.
    assert tokens == sorted(tokens)
    assert len(tokens) == len(set(tokens)) > 200


def test_nobody_else_can_read_what_is_staged(staged_site: Site) -> None:
    paths = (staged_site.out, *staged_site.out.rglob("*"))
    assert {path.stat().st_mode & 0o077 for path in paths} == {0}
