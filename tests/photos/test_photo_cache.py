"""Prints of earlier runs: found where nothing changed, believed only if nobody else can have made them, and never in the way."""

import io
import os
import resource
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transforms.photos.cache import MAX_BYTES, UNUSED_DAYS, PhotoCache, sweep
from transforms.photos.minimise import minimise
from transforms.photos.model import Minimised, PrintSpec, RefusalCode
from transforms.photos.pool import PhotoPool

SPEC = PrintSpec(width_px=295, height_px=378, dpi=300, max_bytes=60_000)
SMALLER = PrintSpec(width_px=248, height_px=319, dpi=300, max_bytes=60_000)
LABEL = b"supplier and epoch"
KEY = bytes(range(32))
DAY = 86_400


def photo(seed: int) -> bytes:
    cells = np.random.default_rng(seed).integers(0, 256, (13, 10, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(cells).resize((400, 520), Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "cache"
    path.mkdir(mode=0o700)
    return path


def cache_in(directory: Path, key: bytes = KEY, depends: object = None) -> PhotoCache:
    return PhotoCache(directory, key, depends)


def files(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if not path.is_dir())


def kept(directory: Path, seed: int = 1) -> tuple[str, Minimised, Path]:
    """A print in a cache: its name, itself, and the one new file that holds it."""
    data, before = photo(seed), files(directory)
    prints = minimise(data, [SPEC])
    cache = cache_in(directory)
    name = cache.name(data, [SPEC], [LABEL])
    cache.keep(name, prints)
    (file,) = [path for path in files(directory) if path not in before]
    return name, prints, file


def test_what_was_kept_is_found_again_by_another_run(directory: Path) -> None:
    data = photo(1)
    specs = [SPEC, SMALLER]
    prints = minimise(data, specs)
    cache = cache_in(directory)
    assert cache.find(cache.name(data, specs, [LABEL, LABEL]), specs) is None
    cache.keep(cache.name(data, specs, [LABEL, LABEL]), prints)
    other = cache_in(directory)
    assert other.find(other.name(data, specs, [LABEL, LABEL]), specs) == prints


def test_what_somebody_should_look_at_is_found_again_with_the_print(directory: Path) -> None:
    small = minimise(photo(1), [replace(SPEC, width_px=590, height_px=756)])
    without = minimise(photo(1), [replace(SPEC, crop="face")])
    assert (small.rendition().small, without.rendition().without_face) == (True, True)
    for name, prints, spec in (("ab" * 32, small, replace(SPEC, width_px=590, height_px=756)), ("cd" * 32, without, SPEC)):
        cache_in(directory).keep(name, prints)
        assert cache_in(directory).find(name, [spec]) == prints


def test_whatever_a_print_depends_on_is_in_its_name(directory: Path) -> None:
    data, cache = photo(1), cache_in(directory, depends={"limits": 1})
    names = {
        cache.name(data, [SPEC], [LABEL]),
        cache.name(photo(2), [SPEC], [LABEL]),
        cache.name(data, [SMALLER], [LABEL]),
        cache.name(data, [SPEC, SMALLER], [LABEL]),
        cache.name(data, [replace(SPEC, background=(0, 0, 0))], [LABEL]),
        cache.name(data, [replace(SPEC, crop="face")], [LABEL]),
        cache.name(data, [replace(SPEC, crop="face", face=(10, 20, 300, 400))], [LABEL]),
        cache.name(data, [replace(SPEC, crop="detected")], [LABEL]),
        cache.name(data, [replace(SPEC, dpi=301)], [LABEL]),
        cache.name(data, [replace(SPEC, max_bytes=59_999)], [LABEL]),
        cache.name(data, [SPEC], [b"another epoch"]),
        cache.name(data, [SPEC], [LABEL, b""]),
        cache_in(directory, depends={"limits": 2}).name(data, [SPEC], [LABEL]),
        cache_in(directory, bytes(32), {"limits": 1}).name(data, [SPEC], [LABEL]),
    }
    assert len(names) == 14


def test_neither_names_nor_files_show_what_they_hold(directory: Path) -> None:
    _name, prints, file = kept(directory)
    jpeg = prints.rendition().jpeg
    sealed = file.read_bytes()
    assert not any(jpeg[at : at + 8] in sealed for at in range(0, len(jpeg) - 8, 8))
    assert file.stat().st_mode & 0o077 == file.parent.stat().st_mode & 0o077 == 0


def test_the_same_print_is_sealed_anew_each_time(directory: Path) -> None:
    first = kept(directory)[2].read_bytes()
    shutil.rmtree(directory)
    directory.mkdir(0o700)
    assert kept(directory)[2].read_bytes() != first


@pytest.mark.parametrize("length", [0, 1, 27, 28, 1000, -1])
def test_a_truncated_file_is_not_believed(directory: Path, length: int) -> None:
    name, _prints, file = kept(directory)
    file.write_bytes(file.read_bytes()[:length])
    assert cache_in(directory).find(name, [SPEC]) is None


@pytest.mark.parametrize("place", [0, 12, 14, 500, -1])
def test_a_file_with_one_bit_changed_is_not_believed(directory: Path, place: int) -> None:
    name, _prints, file = kept(directory)
    data = bytearray(file.read_bytes())
    data[place] ^= 1
    file.write_bytes(data)
    assert cache_in(directory).find(name, [SPEC]) is None


def test_a_print_under_another_photo_s_name_is_not_believed(directory: Path) -> None:
    name, _prints, file = kept(directory, 1)
    other = kept(directory, 2)[2]
    file.write_bytes(other.read_bytes())
    assert cache_in(directory).find(name, [SPEC]) is None


def test_a_print_that_another_key_sealed_is_not_believed(directory: Path) -> None:
    name, prints, file = kept(directory)
    file.unlink()
    cache_in(directory, bytes(32)).keep(name, prints)
    assert file.exists()
    assert cache_in(directory).find(name, [SPEC]) is None


def test_a_print_is_audited_again_when_it_is_found(directory: Path) -> None:
    rendition = minimise(photo(1), [SPEC]).rendition()
    cache = cache_in(directory)
    cache.keep("ab" * 32, Minimised((replace(rendition, jpeg=rendition.jpeg + b"\0"),)))
    assert len(files(directory)) == 1
    assert cache.find("ab" * 32, [SPEC]) is None


@pytest.mark.parametrize("kind", ["link", "pipe", "directory", "large"])
def test_only_a_small_regular_file_is_read(directory: Path, kind: str) -> None:
    name, _prints, file = kept(directory)
    moved = directory / "moved"
    file.rename(moved)
    if kind == "link":
        file.symlink_to(moved)
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind == "directory":
        file.mkdir()
    else:
        file.write_bytes(moved.read_bytes())
        os.truncate(file, 2**30)
    assert cache_in(directory).find(name, [SPEC]) is None


def test_a_print_that_was_refused_is_not_kept(directory: Path) -> None:
    rendition = minimise(photo(1), [SPEC]).rendition()
    cache_in(directory).keep("ab" * 32, Minimised((rendition, RefusalCode.OVER_BUDGET)))
    assert files(directory) == []


@contextmanager
def no_file_over(size: int) -> Iterator[None]:
    """For the time of a block, no file can grow over so many bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_keeps_nothing_and_stops_nothing(directory: Path) -> None:
    prints = minimise(photo(1), [SPEC])
    with no_file_over(1000):
        cache_in(directory).keep("ab" * 32, prints)
    assert files(directory) == []
    assert cache_in(directory).find("ab" * 32, [SPEC]) is None


@pytest.mark.parametrize("kind", ["gone", "file"])
def test_a_directory_that_cannot_be_used_is_an_empty_cache(directory: Path, kind: str) -> None:
    name, prints, _file = kept(directory)
    shutil.rmtree(directory)
    if kind == "file":
        directory.write_bytes(b"")
    cache = cache_in(directory)
    cache.keep(name, prints)
    assert cache.find(name, [SPEC]) is None
    assert not directory.is_dir()


def test_two_writers_of_one_print_leave_it_whole(directory: Path) -> None:
    prints = minimise(photo(1), [SPEC])
    caches = [cache_in(directory) for _ in range(2)]
    seen: list[Minimised | None] = []

    def write(cache: PhotoCache) -> None:
        for _ in range(100):
            cache.keep("ab" * 32, prints)
            seen.append(cache.find("ab" * 32, [SPEC]))

    threads = [threading.Thread(target=write, args=(cache,)) for cache in caches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [prints] * 200
    assert len(files(directory)) == 1


def test_what_no_run_used_for_long_is_swept(directory: Path) -> None:
    old, recent = kept(directory, 1)[2], kept(directory, 2)[2]
    now = recent.stat().st_mtime
    os.utime(old, (now - UNUSED_DAYS * DAY - 1,) * 2)
    os.utime(recent, (now - UNUSED_DAYS * DAY + 60,) * 2)
    sweep(directory, now)
    assert files(directory) == [recent]


def test_a_print_that_is_found_counts_as_used(directory: Path) -> None:
    name, _prints, file = kept(directory)
    now = file.stat().st_mtime
    os.utime(file, (now - (UNUSED_DAYS - 1) * DAY,) * 2)
    assert cache_in(directory).find(name, [SPEC]) is not None
    sweep(directory, now + 2 * DAY)
    assert files(directory) == [file]


def test_what_a_crash_left_half_written_is_swept_after_a_day(directory: Path) -> None:
    file = kept(directory)[2]
    half = file.with_name(".tmp-0123456789abcdef")
    half.write_bytes(b"half")
    now = half.stat().st_mtime
    sweep(directory, now + DAY / 2)
    assert len(files(directory)) == 2
    sweep(directory, now + DAY * 1.5)
    assert files(directory) == [file]


def test_a_cache_that_is_too_large_loses_what_was_unused_for_longest(directory: Path) -> None:
    made = [kept(directory, seed)[2] for seed in range(3)]
    now = made[0].stat().st_mtime
    for age, file in enumerate(made):
        os.truncate(file, MAX_BYTES // 2 - 1000)
        os.utime(file, (now - age * 60,) * 2)
    sweep(directory, now)
    assert files(directory) == sorted(made[:2])


def test_a_sweep_removes_links_and_follows_none(directory: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"mine")
    os.utime(outside / "file", (0, 0))
    (directory / "ab").symlink_to(outside)
    sweep(directory, DAY * 365)
    assert not (directory / "ab").is_symlink()
    assert (outside / "file").exists()
    sweep(directory / "nowhere", 0.0)


@pytest.mark.skipif(not Path("/proc/self/attr").is_dir(), reason="the system shows no processes as files")
def test_a_sweep_leaves_what_cannot_be_removed_and_goes_on() -> None:
    attributes = sorted(Path("/proc/self/attr").iterdir())
    sweep(Path("/proc/self/attr"), DAY * 365)
    assert sorted(Path("/proc/self/attr").iterdir()) == attributes


def test_a_pool_does_not_decode_again_what_is_kept(directory: Path) -> None:
    photos = [(seed, lambda seed=seed: photo(seed)) for seed in range(3)]
    with PhotoPool(2, cache=cache_in(directory)) as pool:
        first = list(pool.map(photos, [SPEC]))
        assert any(pool.pids)
    with PhotoPool(2, cache=cache_in(directory)) as pool:
        assert list(pool.map(photos, [SPEC])) == first
        assert not any(pool.pids)  # a decoding process starts with the first photo that needs one
        again = list(pool.map([*photos, (3, lambda: photo(3))], [SPEC]))
        assert again[:3] == first
        assert sum(pid is not None for pid in pool.pids) == 1
        assert again[3][1] == minimise(photo(3), [SPEC])
