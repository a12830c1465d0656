"""Leaks planted beside the table: in documents, photos, names, modes, times and attributes."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.release.supplier_files import readme_text, schema_bytes

Nights = Callable[..., Any]
DAY = date(2026, 11, 23)


def assert_found(refused: Any, rule: str, value: str = "\0") -> None:
    assert f"{rule}: " in refused.rule
    assert value not in str(refused) + repr(refused)


def first_photo(staged: Any) -> Path:
    return sorted((staged.release / "photos").iterdir())[0]


def replant(staged: Any, change: Callable[[bytes], bytes]) -> Any:
    """Changes the first photo of a view; returns the refusal."""
    path = first_photo(staged)
    staged.write(f"photos/{path.name}", change(path.read_bytes()))
    return staged.refusal()


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def after_jfif(data: bytes, extra: bytes) -> bytes:
    return data[:20] + extra + data[20:]


@pytest.mark.parametrize("name", ["00120034.txt", "Featherstonehaugh.csv", ".p00120034@force.example", "people_115713.csv"])
def test_an_identifier_in_a_file_name_is_found(night: Nights, name: str) -> None:
    staged = night("card-printer")
    staged.write(name, b"")
    refused = staged.refusal()
    assert_found(refused, "unexpected-file", name)
    assert_found(refused, "raw-value", name)


@pytest.mark.parametrize("name", [".DS_Store", "manifest.json", "people.csv~", "people.parquet", "Thumbs.db", "Constable"])
def test_a_file_that_the_policy_does_not_name_is_found(night: Nights, name: str) -> None:
    staged = night("card-printer")
    staged.write(name, b"")
    assert_found(staged.refusal(), "unexpected-file", name)


def test_a_surname_that_is_a_label_is_found_in_a_file_name(night: Nights) -> None:
    staged = night("card-printer")
    staged.write("Constable", b"")
    assert_found(staged.refusal(), "raw-value", "Constable,")


def test_a_directory_that_the_policy_does_not_name_is_found(night: Nights) -> None:
    staged = night("shift-rostering")
    (staged.release / "photos").mkdir(mode=0o700)
    staged.write("README.txt", (staged.release / "README.txt").read_bytes())
    assert_found(staged.refusal(), "unexpected-file")


@pytest.mark.parametrize(("supplier", "name"), [("shift-rostering", "people.csv"), ("card-printer", "README.txt")])
def test_a_symbolic_link_in_place_of_a_file_is_found(night: Nights, tmp_path: Path, supplier: str, name: str) -> None:
    staged = night(supplier)
    (staged.release / name).rename(tmp_path / "elsewhere")
    (staged.release / name).symlink_to(tmp_path / "elsewhere")
    assert_found(staged.refusal(), "irregular-file")


def staged_with(night: Nights, **terms: str) -> Any:
    """A view whose documents are made of a policy in which somebody wrote something else."""
    staged = night("shift-rostering")
    if "why" in terms:
        *others, last = staged.policy.columns
        terms = {"columns": (*others, replace(last, why=terms["why"]))}  # type: ignore[dict-item]
    staged.policy = replace(staged.policy, **terms)
    staged.write("README.txt", readme_text(staged.policy, staged.contract, DAY).encode())
    staged.write("people.schema.json", schema_bytes(staged.policy, staged.contract))
    return staged


@pytest.mark.parametrize("key", ["purpose", "agreement", "why"])
@pytest.mark.parametrize(
    "said", ["as for 00120034", "see (120034).", "asked by p00120034@force.example,", "mailto:p00120034@force.example", "p00120034"]
)
def test_somebodys_number_in_the_prose_of_a_policy_is_found(night: Nights, key: str, said: str) -> None:
    assert_found(staged_with(night, **{key: said}).refusal(), "raw-value", "120034")


def test_prose_with_references_dates_and_ordinary_words_that_are_names_passes(night: Nights) -> None:
    prose = "plan shifts of the Force in London from 2026-11-23, DPA-2026-014, order 99123456, desk@force.example, +44 20 7946 0000"
    assert staged_with(night, purpose=prose, why=prose).judge().supplier == "shift-rostering"


def test_a_missing_document_is_found(night: Nights) -> None:
    staged = night("uniform")
    (staged.release / "people.schema.json").unlink()
    staged.write("README.txt", (staged.release / "README.txt").read_bytes())
    assert_found(staged.refusal(), "missing-file")


def test_a_missing_photo_is_found(night: Nights) -> None:
    staged = night("card-printer")
    first_photo(staged).unlink()
    staged.write("README.txt", (staged.release / "README.txt").read_bytes())
    refused = staged.refusal()
    assert_found(refused, "photo-without-row")
    assert "rows without a photo (1)" in refused.rule


def test_a_photo_without_a_row_is_found(night: Nights) -> None:
    staged = night("card-printer")
    token = first_photo(staged).stem
    symbols = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    body = token[4:19] + symbols[(symbols.index(token[19]) + 1) % 32]
    remainder = 0
    for symbol in body:
        remainder ^= symbols.index(symbol)
        remainder = remainder << 1 ^ (0b100101 if remainder & 16 else 0)
    staged.write(f"photos/WC1-{body}{symbols[remainder]}.jpg", first_photo(staged).read_bytes())
    assert "photo-without-row: photos without a row (1)" in staged.refusal().rule


@pytest.mark.parametrize("name", ["00120034.jpg", "WC1-00000000000000001.jpg", "SR1-00000000000000000.jpg", "WC1-1.jpeg"])
def test_a_photo_that_is_not_named_by_a_token_of_the_view_is_found(night: Nights, name: str) -> None:
    staged = night("card-printer")
    staged.write(f"photos/{name}", first_photo(staged).read_bytes())
    refused = staged.refusal()
    assert_found(refused, "unexpected-file", name)


@pytest.mark.parametrize("text", ["p00120034@force.example", "Featherstonehaugh", "115713", "Smith"])
def test_an_identifier_in_the_readme_is_found(night: Nights, text: str) -> None:
    staged = night("card-printer")
    staged.write("README.txt", (staged.release / "README.txt").read_bytes() + text.encode() + b"\n")
    refused = staged.refusal()
    assert_found(refused, "readme-text", text)
    assert_found(refused, "raw-value", text)


@pytest.mark.parametrize("text", ["Constable", "Sergeant", "Read", "May"])
def test_a_surname_that_is_also_a_word_of_the_readme_is_found_in_it_once_more(night: Nights, text: str) -> None:
    staged = night("card-printer")
    readme = (staged.release / "README.txt").read_text()
    staged.write("README.txt", f"{readme}{text}\n".encode())
    refused = staged.refusal()
    assert_found(refused, "readme-text", f" {text} ")
    assert_found(refused, "raw-value", f" {text} ")


def test_a_line_that_is_missing_from_the_readme_is_found(night: Nights) -> None:
    staged = night("card-printer")
    lines = (staged.release / "README.txt").read_bytes().splitlines(keepends=True)
    staged.write("README.txt", b"".join(lines[:-1]))
    assert_found(staged.refusal(), "readme-text")


def test_a_readme_of_the_wrong_size_altogether_is_found(night: Nights) -> None:
    staged = night("card-printer")
    staged.write("README.txt", b" " * ((1 << 24) + 1))
    assert_found(staged.refusal(), "file-size")


@pytest.mark.parametrize("hidden", ["\u200b", "\u202e", "\x1b[8m", "\ufeff"])
def test_an_invisible_character_in_the_readme_is_found(night: Nights, hidden: str) -> None:
    staged = night("uniform")
    staged.write("README.txt", (staged.release / "README.txt").read_bytes() + hidden.encode())
    assert_found(staged.refusal(), "readme-text")


def test_a_vetting_term_in_the_readme_is_found(night: Nights) -> None:
    staged = night("uniform")
    staged.write("README.txt", (staged.release / "README.txt").read_bytes() + b"NPPV 3 holders first\n")
    assert_found(staged.refusal(), "vetting-term", "NPPV")


SCHEMA = {
    "an example value": (b'"type": "string",', b'"type": "string",\n      "example": "Featherstonehaugh",'),
    "another description": (b"stands for the person on the roster", b"Featherstonehaugh"),
    "a label more": (b'"Abbey Road",', b'"Abbey Road",\n          "Featherstonehaugh",'),
    "another pattern": (b"SR[0-9]+", b"(SR|Featherstonehaugh)[0-9]+"),
    "a key more": (b'"missingValues"', b'"author": "Featherstonehaugh",\n  "missingValues"'),
}


@pytest.mark.parametrize("change", SCHEMA.values(), ids=SCHEMA.keys())
def test_anything_else_in_the_schema_is_found(night: Nights, change: tuple[bytes, bytes]) -> None:
    staged = night("shift-rostering")
    data = (staged.release / "people.schema.json").read_bytes()
    assert change[0] in data
    staged.write("people.schema.json", data.replace(*change, 1))
    refused = staged.refusal()
    assert_found(refused, "schema-content", "Feather")
    assert_found(refused, "raw-value", "Feather")


@pytest.mark.parametrize("tail", [b" ", b"// Smith", b"\n"])
def test_a_schema_in_another_layout_is_found(night: Nights, tail: bytes) -> None:
    staged = night("shift-rostering")
    staged.write("people.schema.json", (staged.release / "people.schema.json").read_bytes() + tail)
    assert_found(staged.refusal(), "schema-content", "Smith")


def test_a_key_twice_in_the_schema_is_found(night: Nights) -> None:
    staged = night("shift-rostering")
    data = (staged.release / "people.schema.json").read_bytes()
    staged.write("people.schema.json", data.replace(b'"missingValues"', b'"missingValues": "Smith",\n  "missingValues"', 1))
    assert_found(staged.refusal(), "schema-content", "Smith")


@pytest.mark.parametrize("name", ["people.csv", "photos", ".", "photos/first"])
def test_an_extended_attribute_is_found(night: Nights, name: str) -> None:
    staged = night("card-printer")
    path = first_photo(staged) if name == "photos/first" else staged.release / name
    try:
        os.setxattr(path, "user.origin", b"/exports/00120034_Featherstonehaugh.jpg")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    refused = staged.refusal()
    assert_found(refused, "extended-attribute", "Feather")
    assert_found(refused, "raw-value", "Feather")


@pytest.mark.parametrize("name", ["people.csv", "README.txt", "photos", ".", "photos/first"])
def test_a_modification_time_of_its_own_is_found(night: Nights, name: str) -> None:
    staged = night("card-printer")
    path = first_photo(staged) if name == "photos/first" else staged.release / name
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert_found(staged.refusal(), "file-time")


@pytest.mark.parametrize(("name", "mode"), [("people.csv", 0o640), ("README.txt", 0o700), ("photos", 0o711), (".", 0o750)])
def test_a_mode_that_lets_others_in_is_found(night: Nights, name: str, mode: int) -> None:
    staged = night("card-printer")
    (staged.release / name).chmod(mode)
    assert_found(staged.refusal(), "file-mode")


SEGMENTS = {
    "a comment": segment(0xFE, b"taken for p00120034@force.example"),
    "EXIF": segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0 00120034 Featherstonehaugh"),
    "XMP in two-byte text": segment(0xE1, "http://ns.adobe.com/xap/1.0/\0 00120034".encode("utf-16-le")),
    "ICC profile": segment(0xE2, b"ICC_PROFILE\0\1\1 00120034"),
    "IPTC": segment(0xED, b"Photoshop 3.0\0 00120034"),
    "a second JFIF": segment(0xE0, b"JFXX\0\x10 00120034"),
    "a restart interval": segment(0xDD, b"\0\0"),
    "a table with text after it": segment(0xDB, bytes([0] + [1] * 64) + b" 00120034"),
    "a Huffman table with text after it": segment(0xC4, bytes([0, 1] + [0] * 15 + [1]) + b"\x02 00120034"),
}


@pytest.mark.parametrize("kind", SEGMENTS)
def test_anything_but_a_picture_in_a_photos_header_is_found(night: Nights, kind: str) -> None:
    refused = replant(night("card-printer"), lambda data: after_jfif(data, SEGMENTS[kind]))
    rules = {"a second JFIF": "jpeg-jfif"} | {name: "jpeg-tables" for name in SEGMENTS if "table" in name}
    assert_found(refused, rules.get(kind, "jpeg-segment"), "00120034")
    if "interval" not in kind:
        assert_found(refused, "raw-value", "00120034")


def test_a_thumbnail_in_the_jfif_segment_is_found(night: Nights) -> None:
    refused = replant(night("card-printer"), lambda data: data[:4] + b"\0" + data[5:18] + b"\x01\x01" + b"abc" + data[20:])
    assert_found(refused, "jpeg-jfif")


def test_a_full_thumbnail_segment_is_found(night: Nights) -> None:
    thumbnail = segment(0xE0, b"JFIF\0\1\1\1\x01\x2c\x01\x2c\x01\x01abc")
    assert_found(replant(night("card-printer"), lambda data: data[:2] + thumbnail + data[20:]), "jpeg-jfif")


@pytest.mark.parametrize("tail", [b"PK\3\4 00120034", b"00120034", b"\0", b"\xff\xd9"])
def test_bytes_after_the_end_of_a_photo_are_found(night: Nights, tail: bytes) -> None:
    refused = replant(night("card-printer"), lambda data: data + tail)
    assert_found(refused, "jpeg-trailing-bytes", "00120034")
    if b"00120034" in tail:
        assert_found(refused, "raw-value", "00120034")


@pytest.mark.parametrize("string", [b"PK\3\4", b"%PDF-1.7", b"<?php", b"<script", b"MZ"])
def test_the_start_of_another_kind_of_file_in_a_photos_header_is_found(night: Nights, string: bytes) -> None:
    table = bytes([0]) + string.ljust(64, b"\1")
    assert_found(replant(night("card-printer"), lambda data: after_jfif(data, segment(0xDB, table))), "jpeg-polyglot")


def save(size: tuple[int, int], **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (90, 120, 40)).save(buffer, "JPEG", **{"dpi": (300, 300), "subsampling": 0, **options})
    return buffer.getvalue()


@pytest.mark.parametrize(
    "picture",
    [save((591, 756)), save((295, 370)), save((200, 378)), save((295, 378), subsampling=2)],
    ids=["larger", "another height", "another aspect", "subsampled"],
)
def test_a_picture_of_another_size_or_sampling_is_found(night: Nights, picture: bytes) -> None:
    assert_found(replant(night("card-printer"), lambda _: picture), "jpeg-size")


def test_a_small_picture_of_the_prints_aspect_passes(night: Nights) -> None:
    staged = night("card-printer")
    staged.write(f"photos/{first_photo(staged).name}", save((201, 257)))
    assert staged.judge().supplier == "card-printer"


def test_another_density_is_found(night: Nights) -> None:
    assert_found(replant(night("card-printer"), lambda _: save((295, 378), dpi=(301, 300))), "jpeg-jfif")


def test_a_photo_over_its_byte_budget_is_found(night: Nights, portrait: bytes) -> None:
    staged = night("card-printer")
    scan = portrait[:-2] + b"\x55" * 60_001 + b"\xff\xd9"
    assert_found(replant(staged, lambda _: scan), "jpeg-bytes")


STRUCTURES = {
    "progressive": save((295, 378), progressive=True),
    "empty": b"",
    "no picture": b"00120034 Featherstonehaugh",
    "cut off": save((295, 378))[:400],
    "restart markers": save((295, 378)).replace(b"\xff\xd9", b"\xff\xd0\xff\xd9"),
}


@pytest.mark.parametrize("picture", STRUCTURES.values(), ids=STRUCTURES.keys())
def test_a_file_that_is_not_one_whole_baseline_jpeg_is_found(night: Nights, picture: bytes) -> None:
    assert_found(replant(night("card-printer"), lambda _: picture), "jpeg-structure", "Feather")
