"""Archives of photos: the same bytes for the same photos, which any ZIP reader opens, in shards."""

import io
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from transforms.photos.archive import archive_name, write_archives


@pytest.fixture
def photos(tmp_path: Path) -> list[tuple[str, Path]]:
    (tmp_path / "waiting").mkdir()
    made = []
    for number in range(40):
        path = tmp_path / "waiting" / f"{number}"
        path.write_bytes(bytes([number]) * (500 + 37 * number))
        made.append((f"WC1-{number:017}.jpg", path))
    return made


def written(folder: Path, photos: list[tuple[str, Path]], **options: int) -> list[bytes]:
    folder.mkdir()
    count = write_archives(folder, photos, **options)
    assert sorted(path.name for path in folder.iterdir()) == [archive_name(number) for number in range(count)]
    return [(folder / archive_name(number)).read_bytes() for number in range(count)]


def test_an_archive_has_every_photo_stored_in_the_order_given_without_time_comment_extra_or_attribute(
    tmp_path: Path, photos: list[tuple[str, Path]]
) -> None:
    (data,) = written(tmp_path / "out", photos)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [name for name, _ in photos]
        assert archive.comment == b""
        for entry, (_, path) in zip(archive.infolist(), photos, strict=True):
            assert archive.read(entry) == path.read_bytes()
            assert (entry.compress_type, entry.date_time, entry.flag_bits) == (zipfile.ZIP_STORED, (1980, 1, 1, 0, 0, 0), 0)
            assert (entry.comment, entry.extra, entry.external_attr, entry.internal_attr, entry.create_system) == (
                b"",
                b"",
                0,
                0,
                0,
            )
    # every byte is explained: headers, names, photos, directory, end
    assert len(data) == sum(30 + 46 + 2 * len(name) + path.stat().st_size for name, path in photos) + 22


def test_the_same_photos_make_the_same_bytes(tmp_path: Path, photos: list[tuple[str, Path]]) -> None:
    first = written(tmp_path / "first", photos, most_bytes=9_000)
    for _, path in photos:
        path.touch()
    assert written(tmp_path / "second", photos, most_bytes=9_000) == first


def test_archives_are_cut_before_their_limit_and_lose_nothing(tmp_path: Path, photos: list[tuple[str, Path]]) -> None:
    archives = written(tmp_path / "out", photos, most_bytes=9_000)
    assert len(archives) > 3
    assert all(len(data) <= 9_000 for data in archives)
    names = []
    for data in archives:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.testzip() is None
            names += archive.namelist()
    assert names == [name for name, _ in photos]


def test_an_archive_of_exactly_the_limit_is_not_cut(tmp_path: Path, photos: list[tuple[str, Path]]) -> None:
    (whole,) = written(tmp_path / "whole", photos)
    assert len(written(tmp_path / "exact", photos, most_bytes=len(whole))) == 1
    assert len(written(tmp_path / "less", photos, most_bytes=len(whole) - 1)) == 2


def test_an_archive_never_has_the_number_of_entries_that_stands_for_too_many(tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(b"x")
    first, second = written(tmp_path / "out", [(f"WC1-{number:05}.jpg", tmp_path / "photo") for number in range(65_535)])
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert len(archive.namelist()) == 65_534  # APPNOTE.TXT 4.4.1.4: 65,535 sends a reader to a record that is not there
    with zipfile.ZipFile(io.BytesIO(second)) as archive:
        assert archive.namelist() == ["WC1-65534.jpg"]


def test_without_photos_there_is_no_archive(tmp_path: Path) -> None:
    assert written(tmp_path / "out", []) == []


@pytest.mark.skipif(shutil.which("unzip") is None, reason="no unzip on this machine")
def test_unzip_tests_and_unpacks_an_archive(tmp_path: Path, photos: list[tuple[str, Path]]) -> None:
    written(tmp_path / "out", photos)
    archive = tmp_path / "out" / archive_name(0)
    subprocess.run(["unzip", "-tqq", archive], check=True)
    subprocess.run(["unzip", "-qq", archive, "-d", tmp_path / "unpacked"], check=True)
    for name, path in photos:
        assert (tmp_path / "unpacked" / name).read_bytes() == path.read_bytes()
