"""The cache of prints changes nothing but the time that a night takes, whatever has become of it."""

from __future__ import annotations

import os
import resource
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from transforms.photos.cache import UNUSED_DAYS

if TYPE_CHECKING:
    from conftest import Site

PRINTER = ("card-printer",)
PHOTOS = 12


def entries(site: Site) -> list[Path]:
    """The files of the cache."""
    return sorted(path for path in site.photo_cache.rglob("*") if path.is_file())


def photos(staged: dict[str, str]) -> dict[str, str]:
    """Of what a supplier would get, the photos: digests by name."""
    return {name: digest for name, digest in staged.items() if name.endswith(".jpg")}


@pytest.fixture
def due(site: Site) -> Site:
    """A site with few people, all of whom get a card."""
    rows = [row for row in site.rows() if row["card_due"] == "yes" and row["protected"] == "no"]
    return site.with_rows(rows[:PHOTOS])


def test_nights_with_and_without_a_cache_stage_the_same_bytes(due: Site) -> None:
    due.stage(suppliers=PRINTER)
    first = due.staged()
    assert len(photos(first)) == len(entries(due)) == PHOTOS
    sealed = {path: path.read_bytes() for path in entries(due)}
    due.stage(suppliers=PRINTER)
    assert due.staged() == first
    assert {path: path.read_bytes() for path in entries(due)} == sealed  # what is made again is sealed to other bytes
    due.stage(suppliers=PRINTER, photo_cache=False)
    assert due.staged() == first
    assert not due.photo_cache.exists()


def test_whatever_became_of_its_files_changes_nothing(due: Site) -> None:
    due.stage(suppliers=PRINTER)
    expected = due.staged()
    planted = next((due.area("card-printer").release / "photos").glob("*.jpg")).read_bytes()
    files = entries(due)
    swapped = files[1].read_bytes()
    for number, file in enumerate(files):
        if not file.exists():  # it stood beside one whose directory is gone
            continue
        if number % 6 == 0:
            os.truncate(file, file.stat().st_size // 2)
        elif number % 6 in (1, 2):
            file.write_bytes(swapped)  # for one of them, its own
        elif number % 6 == 3:
            file.write_bytes(planted)
        elif number % 6 == 4:
            file.unlink()
        else:
            shutil.rmtree(file.parent)
            file.parent.write_bytes(b"in the way")
    due.stage(suppliers=PRINTER)
    assert due.staged() == expected


def test_a_photo_that_changed_is_decoded_again(due: Site) -> None:
    copied = due.copied_photos()
    copied.stage(suppliers=PRINTER)
    before = photos(copied.staged())
    one, other = (copied.photos / row["photo_file"] for row in copied.rows()[:2])
    data = other.read_bytes()
    one.unlink()  # the copies are links to the originals
    one.write_bytes(data)
    copied.stage(suppliers=PRINTER)
    after = photos(copied.staged())
    assert len([name for name, digest in before.items() if after[name] != digest]) == 1
    assert len(set(after.values())) == PHOTOS - 1  # the same photo in the same mark, under two tokens


def test_a_photo_is_flagged_whether_it_was_decoded_or_not(due: Site) -> None:
    first = due.stage(suppliers=PRINTER).flagged
    assert first == {"flagged-photo-small row": PHOTOS}
    assert due.stage(suppliers=PRINTER).flagged == first
    assert len(entries(due)) == PHOTOS


@pytest.mark.parametrize("terms", ["{property: photoFormats, value: [png]}", "{property: photoLimits, value: {maxBytes: 1000}}"])
def test_a_photo_that_the_contract_no_longer_allows_is_refused_though_its_print_is_kept(due: Site, terms: str) -> None:
    due.stage(suppliers=PRINTER)
    assert len(entries(due)) == PHOTOS
    lax = due.with_contract(photoQuarantineLimit=1)
    text = lax.contract.read_text(encoding="utf-8")
    strict = lax.with_contract_text(
        text.replace("  - property: photoQuarantineLimit", f"  - {terms}\n  - property: photoQuarantineLimit")
    )
    assert sum(strict.stage(suppliers=PRINTER).broken.values()) == PHOTOS
    assert not photos(strict.staged())


def test_other_keys_find_no_print_of_these(due: Site, own_keys: Path) -> None:
    due.stage(suppliers=PRINTER)
    before = photos(due.staged())
    other = replace(due, keys=f"file:{own_keys}")
    other.stage(suppliers=PRINTER)
    assert len(entries(other)) == 2 * PHOTOS
    assert not set(photos(other.staged()).values()) & set(before.values())


def test_a_cache_on_a_full_disk_stops_no_night(due: Site) -> None:
    # A sealed print is larger than the print: with this limit every print can be written, and the largest cannot be kept.
    due.stage(suppliers=PRINTER, photo_cache=False)
    expected = due.staged()
    largest = max(path.stat().st_size for path in due.staging.rglob("*.jpg"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))
    try:
        due.stage(suppliers=PRINTER)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert due.staged() == expected
    assert 0 < len(entries(due)) < PHOTOS
    assert not any(path.name.startswith(".tmp-") for path in entries(due))


def test_nobody_else_can_read_the_cache_and_it_is_in_no_release(due: Site) -> None:
    due.run()
    paths = [due.photo_cache, *due.photo_cache.rglob("*")]
    assert len(entries(due)) == PHOTOS
    assert {path.stat().st_mode & 0o077 for path in paths} == {0}
    assert not any("photo-cache" in name for name in due.visible())


def test_what_no_night_used_for_long_is_gone_after_the_next(due: Site) -> None:
    for path in (due.out, due.staging, due.photo_cache, due.photo_cache / "ab"):
        path.mkdir(mode=0o700)
    stray = due.photo_cache / "ab" / "of-somebody-who-left"
    stray.write_bytes(b"sealed")
    (due.staging / "lock").write_bytes(b"supplier-views sweeps this directory after every run.\n")
    used = due.now - timedelta(days=UNUSED_DAYS, hours=1)
    os.utime(stray, (used.timestamp(),) * 2)
    due.stage(suppliers=("uniform",))
    assert not stray.exists()
