"""Leaks planted in an archive of photos: in names, times, comments, extra fields, gaps, and behind the end."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from transforms.leaks import archive as archive_reader
from transforms.leaks.archive import ArchiveReader
from transforms.leaks.words import Words
from transforms.photos.archive import write_archives

Nights = Callable[..., Any]
LEAK = b"p00120034@force.example"


def archive(staged: Any) -> Path:
    return Path(staged.release) / "photos-000.zip"


def photos(staged: Any) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(archive(staged)) as opened:
        return [(name, opened.read(name)) for name in opened.namelist()]


def plain(name: str) -> zipfile.ZipInfo:
    """An entry as much like the product's as Python's writer can make it: it always gives an attribute."""
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.create_system, info.external_attr, info.create_version, info.extract_version = 0, 0x20, 10, 10
    return info


def zipped(entries: list[tuple[zipfile.ZipInfo, bytes]], comment: bytes = b"") -> bytes:
    """An archive as Python's own writer makes it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for info, data in entries:
            opened.writestr(info, data)
        opened.comment = comment
    return buffer.getvalue()


def replanted(staged: Any, change: Callable[[bytes], bytes]) -> Any:
    staged.write("photos-000.zip", change(archive(staged).read_bytes()))
    return staged.refusal()


def assert_found(refused: Any, *rules: str) -> None:
    for rule in rules:
        assert f"{rule}: " in refused.rule
    assert "00120034" not in str(refused) + repr(refused)


def test_an_archive_as_the_product_writes_it_passes(night: Nights) -> None:
    staged = night("zipped")
    checked = staged.judge()
    assert [name for name, _, _ in checked.files] == ["README.txt", "people.csv", "people.schema.json", "photos-000.zip"]
    assert len(photos(staged)) > 20


def test_an_archive_and_a_folder_are_each_unexpected_where_the_policy_has_the_other(night: Nights) -> None:
    staged = night("zipped")
    folder = night("card-printer")
    folder.write("photos-000.zip", archive(staged).read_bytes())
    assert_found(folder.refusal(), "unexpected-file")
    (staged.release / "photos").mkdir(mode=0o700)
    staged.write("README.txt", (staged.release / "README.txt").read_bytes())
    assert_found(staged.refusal(), "unexpected-file")


def first_name(data: bytes) -> bytes:
    return data[30 : 30 + int.from_bytes(data[26:28], "little")]


def renamed(data: bytes, new: bytes) -> bytes:
    old = first_name(data)
    return data.replace(old, new.ljust(len(old), b"x")[: len(old)])


def test_an_identifier_as_the_name_of_an_entry_is_found(night: Nights) -> None:
    refused = replanted(night("zipped"), lambda data: renamed(data, b"00120034." + b"." * 16))
    assert_found(refused, "zip-name", "photo-without-row")


@pytest.mark.parametrize("name", [LEAK + b".jpg", b"CW/00120034_portrait.jpg", b"../../x", b"photos/", "Ngũgĩ.jpg".encode()])
def test_a_name_that_is_no_photos_is_found(night: Nights, name: bytes) -> None:
    assert_found(replanted(night("zipped"), lambda data: renamed(data, name)), "zip-name")


def test_a_raw_value_in_a_name_is_found_as_what_it_is(night: Nights) -> None:
    staged = night("zipped")
    entries = [(plain("00120034.jpg"), data) if n == 0 else (plain(name), data)
               for n, (name, data) in enumerate(photos(staged))]  # fmt: skip
    assert_found(replanted(staged, lambda _: zipped(entries)), "zip-name", "raw-value")


@pytest.mark.parametrize("at", [10, 12])
def test_a_time_in_an_entry_is_found(night: Nights, at: int) -> None:
    assert_found(replanted(night("zipped"), lambda data: data[:at] + b"\x66\x5b" + data[at + 2 :]), "zip-time")


def test_a_time_in_the_directory_is_found(night: Nights) -> None:
    def change(data: bytes) -> bytes:
        at = data.index(b"PK\1\2") + 12
        return data[:at] + b"\x66\x5b" + data[at + 2 :]

    assert_found(replanted(night("zipped"), change), "zip-time")


@pytest.mark.parametrize("field", ["extra", "comment", "external_attr", "internal_attr", "create_system"])
def test_what_another_writer_adds_to_an_entry_is_found(night: Nights, field: str) -> None:
    staged = night("zipped")
    entries = []
    for number, (name, data) in enumerate(photos(staged)):
        info = plain(name)
        if number == 3:
            value = {"extra": b"\x99\x99" + len(LEAK).to_bytes(2, "little") + LEAK, "comment": LEAK}.get(field, 3)
            setattr(info, field, value)
        entries.append((info, data))
    refused = replanted(staged, lambda _: zipped(entries))
    assert_found(refused, "zip-extra")
    assert ("raw-value: " in refused.rule) == (field in ("extra", "comment"))


def test_a_comment_of_the_archive_is_found(night: Nights) -> None:
    def change(data: bytes) -> bytes:
        return data[:-2] + len(LEAK).to_bytes(2, "little") + LEAK

    assert_found(replanted(night("zipped"), change), "zip-extra", "raw-value")


def test_bytes_after_the_end_are_found(night: Nights) -> None:
    assert_found(replanted(night("zipped"), lambda data: data + LEAK), "zip-gap", "raw-value")


def test_bytes_before_the_first_entry_are_found(night: Nights) -> None:
    assert_found(replanted(night("zipped"), lambda data: LEAK + b" " + data), "zip-gap", "zip-structure", "raw-value")


def test_bytes_between_entries_are_found(night: Nights) -> None:
    def change(data: bytes) -> bytes:
        at = data.index(b"PK\3\4", 4)
        return data[:at] + LEAK + data[at:]

    assert_found(replanted(night("zipped"), change), "zip-gap", "zip-structure", "raw-value")


def test_bytes_between_entries_and_their_directory_are_found(night: Nights) -> None:
    def change(data: bytes) -> bytes:
        at = data.index(b"PK\1\2")
        return data[:at] + LEAK + data[at:]

    assert_found(replanted(night("zipped"), change), "zip-gap", "zip-structure", "raw-value")


def test_bytes_between_the_directory_and_its_end_are_found(night: Nights) -> None:
    assert_found(replanted(night("zipped"), lambda data: data[:-22] + LEAK + data[-22:]), "zip-gap", "zip-structure", "raw-value")


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-22],
        lambda data: data[: len(data) // 2],
        lambda data: data[:-12] + b"\0\0" + data[-10:],
        lambda data: data[: data.index(b"PK\1\2")] + data[-22:],
        lambda data: b"",
        lambda data: b"no archive",
        lambda data: data[:18] + b"\xff\xff\xff\xff" + data[22:],
    ],
    ids=["no end", "half", "counts", "no directory", "empty", "text", "length"],
)
def test_an_archive_that_is_not_whole_is_found(night: Nights, change: Callable[[bytes], bytes]) -> None:
    assert_found(replanted(night("zipped"), change), "zip-structure")


def test_a_directory_that_says_something_else_than_the_entries_is_found(night: Nights) -> None:
    def change(data: bytes) -> bytes:
        at = data.index(b"PK\1\2") + 46
        return data[:at] + b"00120034.jpg" + data[at + 12 :]

    assert_found(replanted(night("zipped"), change), "zip-structure")


def test_a_compressed_entry_is_found(night: Nights) -> None:
    staged = night("zipped")
    entries = [(plain(name), data) for name, data in photos(staged)]
    entries[1][0].compress_type = zipfile.ZIP_DEFLATED
    assert_found(replanted(staged, lambda _: zipped(entries)), "zip-entry")


def test_a_wrong_checksum_is_found(night: Nights) -> None:
    assert_found(replanted(night("zipped"), lambda data: data[:14] + bytes(4) + data[18:]), "zip-entry")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_entries_in_another_order_and_one_that_is_there_twice_are_found(night: Nights, tmp_path: Path) -> None:
    staged = night("zipped")
    entries = [(plain(name), data) for name, data in photos(staged)]
    assert_found(replanted(staged, lambda _: zipped([entries[1], entries[0], *entries[2:]])), "zip-order")
    assert_found(replanted(staged, lambda _: zipped([entries[0], *entries])), "zip-name")


def test_a_missing_entry_and_a_missing_archive_are_found(night: Nights) -> None:
    staged = night("zipped")
    entries = [(plain(name), data) for name, data in photos(staged)]
    assert_found(replanted(staged, lambda _: zipped(entries[1:])), "photo-without-row")
    staged.write("photos-001.zip", zipped(entries))
    archive(staged).unlink()
    staged.write("README.txt", (staged.release / "README.txt").read_bytes())
    assert_found(staged.refusal(), "missing-file")


def test_a_photo_in_an_archive_is_held_to_what_every_photo_is(night: Nights) -> None:
    staged = night("zipped")
    (name, data), *others = photos(staged)
    segment = b"\xff\xfe" + (len(LEAK) + 2).to_bytes(2) + LEAK
    planted = [(name, data[:20] + segment + data[20:] + LEAK), *others]
    entries = [(plain(name), data) for name, data in planted]
    assert_found(replanted(staged, lambda _: zipped(entries)), "jpeg-segment", "jpeg-trailing-bytes", "raw-value")


def test_an_archive_of_more_than_a_gigabyte_is_found() -> None:
    reader = ArchiveReader(lambda name: True, Words())
    assert list(reader.read(io.BytesIO(b""), 1_000_000_001, "photos-000.zip", lambda data: None)) == []
    assert "zip-size" in {finding.rule for check in reader.checks for finding in check.findings()}
    assert archive_reader.ARCHIVE_NAME.fullmatch("photos-000.zip")


def test_no_bit_of_an_archive_can_be_other_than_it_is_and_no_byte_be_missing(tmp_path: Path) -> None:
    photos = [(f"WC1-{number}.jpg", tmp_path / f"{number}") for number in range(2)]
    for _, path in photos:
        path.write_bytes(bytes(range(20)))
    (tmp_path / "out").mkdir()
    write_archives(tmp_path / "out", photos)
    good = (tmp_path / "out" / "photos-000.zip").read_bytes()
    assert _findings(good) == []
    flipped = [bytes([*good[:at], good[at] ^ 1 << bit, *good[at + 1 :]]) for at in range(len(good)) for bit in range(8)]
    cut = [good[:at] + good[at + 1 :] for at in range(len(good))] + [good[:at] for at in range(len(good))]
    assert [index for index, data in enumerate([*flipped, *cut]) if not _findings(data)] == []


def _findings(data: bytes) -> list[Any]:
    reader = ArchiveReader(lambda name: re.fullmatch(r"WC1-[0-9]\.jpg", name) is not None, Words())
    for _ in reader.read(io.BytesIO(data), len(data), "photos-000.zip", lambda seen: None):
        pass
    return [finding for check in reader.checks for finding in check.findings()]
