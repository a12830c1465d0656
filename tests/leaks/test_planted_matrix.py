"""Every kind of identifier, planted in every channel that a release and its run have: each is found, wherever it stands.

A channel is a way for text to leave. The other suites hold each rule to what it alone finds; this one holds the gate to the value.
"""

from __future__ import annotations

import json
import os
import shutil
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from transforms.leaks import RunFiles

Nights = Callable[..., Any]
Plant = Callable[[Any, str], None]
Copies = Callable[[str], Any]

KINDS = {
    "a surname": "Featherstonehaugh",
    "a forename": "Bronwen",
    "a pay number": "00120034",
    "a warrant number": "115713",
    "a collar number": "CW3034",
    "an e-mail address": "p00120034@force.example",
    "a telephone number": "07900120034",
    "a vetting date": "2019-03-04",
    "a vetting term": "NPPV 2F",
}
PEOPLE = 60


@pytest.fixture(scope="module")
def templates() -> dict[str, Any]:
    """Views as staged, once a supplier; each test works on a copy."""
    return {}


@pytest.fixture
def staged(night: Nights, templates: dict[str, Any], tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Copies:
    def copy(supplier: str) -> Any:
        if supplier not in templates:
            made = night(supplier, people=PEOPLE, cells={"locker": ["A 1", "B 2"]})
            kept = tmp_path_factory.mktemp("template") / supplier
            shutil.copytree(made.area, kept)
            templates[supplier] = replace(made, area=kept)
        area = tmp_path / "copy" / supplier
        shutil.copytree(templates[supplier].area, area)
        return replace(templates[supplier], area=area)

    return copy


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def quoted(text: str) -> bytes:
    return f'"{text}"'.encode() if set(text) & set(',"') else text.encode()


def in_a_kept_column(night: Any, text: str) -> None:
    night.edit(b",A 1\r\n", b"," + quoted(text) + b"\r\n")


def in_a_vocabulary_column(night: Any, text: str) -> None:
    night.edit(b",Abbey Road,", b"," + quoted(text) + b",")


def in_a_token_column(night: Any, text: str) -> None:
    night.edit(night.lines()[1].split(b",")[0], quoted(text))


def in_the_header(night: Any, text: str) -> None:
    night.edit(b"site,locker", b"site," + quoted(text))


def after_the_last_line(night: Any, text: str) -> None:
    night.write(night.table.name, night.table.read_bytes() + text.encode())


def in_two_byte_text(night: Any, text: str) -> None:
    night.edit(b",A 1\r\n", b"," + text.encode("utf-16-le") + b"\r\n")


def rewrite(night: Any, change: Callable[[pa.Table], pa.Table], **options: Any) -> None:
    plain = {"use_dictionary": False, "write_statistics": False, "store_schema": False, "compression": "zstd"}
    sink = pa.BufferOutputStream()
    pq.write_table(change(pq.read_table(night.table)), sink, **{**plain, **options})
    night.write(night.table.name, sink.getvalue().to_pybytes())


def with_locker(table: pa.Table, cells: pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index("locker"), "locker", cells)


def in_a_page(compression: str) -> Plant:
    def plant(night: Any, text: str) -> None:
        rewrite(night, lambda table: with_locker(table, pa.array([text] + ["A 1"] * (table.num_rows - 1))), compression=compression)

    return plant


def in_a_dictionary(compression: str) -> Plant:
    def plant(night: Any, text: str) -> None:
        def change(table: pa.Table) -> pa.Table:
            codes = pa.array([0] * table.num_rows, pa.int32())
            return with_locker(table, pa.DictionaryArray.from_arrays(codes, pa.array(["A 1", text])))

        rewrite(night, change, use_dictionary=["locker"], compression=compression)

    return plant


def in_statistics(night: Any, text: str) -> None:
    """Of a file whose rows were changed after its statistics were made, so that these alone know the value."""
    options = {"write_statistics": ["locker"], "compression": "none"}
    rewrite(night, lambda table: with_locker(table, pa.array([text] * table.num_rows)), **options)
    data = night.table.read_bytes()
    head = len(text.encode()).to_bytes(4, "little") + text.encode()
    night.write(night.table.name, data.replace(head, head[:4] + b"x" * (len(head) - 4)))


def in_the_page_index(night: Any, text: str) -> None:
    options = {"write_statistics": ["locker"], "write_page_index": True, "compression": "none"}
    rewrite(night, lambda table: with_locker(table, pa.array([text] * table.num_rows)), **options)
    data = night.table.read_bytes()
    head = len(text.encode()).to_bytes(4, "little") + text.encode()
    night.write(night.table.name, data.replace(head, head[:4] + b"x" * (len(head) - 4)))


def in_key_value_metadata(night: Any, text: str) -> None:
    rewrite(night, lambda table: table.replace_schema_metadata({"made for": text}), store_schema=True)


def between_pages_and_footer(night: Any, text: str) -> None:
    data = night.table.read_bytes()
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    night.write(night.table.name, data[:footer] + text.encode() + data[footer:])


def in_the_readme(night: Any, text: str) -> None:
    night.write("README.txt", (night.release / "README.txt").read_bytes() + f"for {text}\n".encode())


def in_the_schema(night: Any, text: str) -> None:
    schema = json.loads((night.release / "people.schema.json").read_bytes())
    night.write("people.schema.json", json.dumps({**schema, "author": text}, indent=2, ensure_ascii=False).encode() + b"\n")


def in_a_file_name(night: Any, text: str) -> None:
    night.write(f"{text}.txt", b"")


def in_a_folder_name(night: Any, text: str) -> None:
    (night.release / text).mkdir(mode=0o700)
    night.write("README.txt", (night.release / "README.txt").read_bytes())


def in_an_extended_attribute(night: Any, text: str) -> None:
    try:
        os.setxattr(night.release / "README.txt", "user.origin", text.encode())
    except OSError:
        pytest.skip("this file system has no extended attributes")


def in_a_photo(change: Callable[[bytes, bytes], bytes]) -> Plant:
    def plant(night: Any, text: str) -> None:
        path = sorted((night.release / "photos").iterdir())[0]
        night.write(f"photos/{path.name}", change(path.read_bytes(), text.encode()))

    return plant


def in_a_photos_name(night: Any, text: str) -> None:
    photo = sorted((night.release / "photos").iterdir())[0]
    night.write(f"photos/{text}.jpg", photo.read_bytes())


def in_an_archive(change: Callable[[zipfile.ZipFile, list[zipfile.ZipInfo], bytes], None]) -> Plant:
    def plant(night: Any, text: str) -> None:
        path = night.release / "photos-000.zip"
        with zipfile.ZipFile(path) as opened:
            entries = [(name, opened.read(name)) for name in opened.namelist()]
        infos = [zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)) for name, _ in entries]
        buffer = BytesIO()
        with zipfile.ZipFile(buffer, "w") as written:
            change(written, infos, text.encode())
            for info, (_, data) in zip(infos, entries, strict=True):
                written.writestr(info, data)
        night.write("photos-000.zip", buffer.getvalue())

    return plant


def archive_comment(written: zipfile.ZipFile, _: list[zipfile.ZipInfo], text: bytes) -> None:
    written.comment = text


def entry_comment(_: zipfile.ZipFile, infos: list[zipfile.ZipInfo], text: bytes) -> None:
    infos[1].comment = text


def entry_extra(_: zipfile.ZipFile, infos: list[zipfile.ZipInfo], text: bytes) -> None:
    infos[1].extra = b"up" + (len(text) + 5).to_bytes(2, "little") + b"\1\0\0\0\0" + text


def entry_name(written: zipfile.ZipFile, _: list[zipfile.ZipInfo], text: bytes) -> None:
    written.writestr(zipfile.ZipInfo(text.decode(), (1980, 1, 1, 0, 0, 0)), b"")


def in_the_lists_of_broken_places(night: Any, text: str) -> None:
    path = night.area / ".." / "broken.jsonl"
    path.write_text(json.dumps({"source": "x.csv", "row": 3, "rule": "cell-invalid", "column": "surname", "value": text}) + "\n")
    night.run_files = RunFiles(path, ("x.csv",))


def as_a_source_of_broken_places(night: Any, text: str) -> None:
    path = night.area / ".." / "broken.jsonl"
    path.write_text(json.dumps({"source": text, "row": 3, "rule": "cell-invalid", "column": "surname"}) + "\n")
    night.run_files = RunFiles(path, ("x.csv",))


def in_a_temporary_file(night: Any, text: str) -> None:
    (night.area / "rows.tmp").write_bytes(b"\1\2" + text.encode() + b"\0")


def in_a_temporary_files_name(night: Any, text: str) -> None:
    (night.area / f"{text}.tmp").touch()


def in_what_an_attempt_left(night: Any, text: str) -> None:
    attempts = night.area.parent / ".attempts"
    attempts.mkdir()
    (attempts / "a.log").write_text(f"row of {text} failed")


CHANNELS: dict[str, tuple[str, Plant]] = {
    "a kept column": ("lockers", in_a_kept_column),
    "a vocabulary column": ("lockers", in_a_vocabulary_column),
    "a token column": ("lockers", in_a_token_column),
    "the header": ("lockers", in_the_header),
    "after the last line": ("lockers", after_the_last_line),
    "two-byte text": ("lockers", in_two_byte_text),
    **{f"a page in {codec}": ("parquet", in_a_page(codec)) for codec in ("snappy", "zstd", "gzip")},
    **{f"a dictionary in {codec}": ("parquet", in_a_dictionary(codec)) for codec in ("snappy", "zstd", "gzip")},
    "statistics": ("parquet", in_statistics),
    "the page index": ("parquet", in_the_page_index),
    "key-value metadata": ("parquet", in_key_value_metadata),
    "bytes that no page covers": ("parquet", between_pages_and_footer),
    "the README": ("lockers", in_the_readme),
    "the schema": ("lockers", in_the_schema),
    "a file name": ("lockers", in_a_file_name),
    "a folder name": ("lockers", in_a_folder_name),
    "an extended attribute": ("lockers", in_an_extended_attribute),
    "a photo's name": ("card-printer", in_a_photos_name),
    "a photo's comment": ("card-printer", in_a_photo(lambda data, text: data[:20] + segment(0xFE, text) + data[20:])),
    "a photo's EXIF in two-byte text": (
        "card-printer",
        in_a_photo(lambda data, text: data[:20] + segment(0xE1, b"Exif\0\0" + text.decode().encode("utf-16-le")) + data[20:]),
    ),
    "after a photo's end": ("card-printer", in_a_photo(lambda data, text: data + text)),
    "an archive's comment": ("zipped", in_an_archive(archive_comment)),
    "an entry's comment": ("zipped", in_an_archive(entry_comment)),
    "an entry's extra field": ("zipped", in_an_archive(entry_extra)),
    "an entry's name": ("zipped", in_an_archive(entry_name)),
    "the list of broken places": ("lockers", in_the_lists_of_broken_places),
    "a source of broken places": ("lockers", as_a_source_of_broken_places),
    "a temporary file": ("lockers", in_a_temporary_file),
    "a temporary file's name": ("lockers", in_a_temporary_files_name),
    "what an attempt left": ("lockers", in_what_an_attempt_left),
}


CASES = [pytest.param(channel, kind, id=f"{kind} in {channel}") for channel in CHANNELS for kind in KINDS]


@pytest.mark.parametrize(("channel", "kind"), CASES)
def test_an_identifier_is_found_in_every_channel(staged: Copies, channel: str, kind: str) -> None:
    supplier, plant = CHANNELS[channel]
    night = staged(supplier)
    plant(night, KINDS[kind])
    refused = night.refusal()
    rule = "vetting-term" if kind == "a vetting term" else "raw-value"
    assert f"{rule}: " in refused.rule
    assert KINDS[kind] not in str(refused) + repr(refused)


@pytest.mark.parametrize("supplier", sorted({supplier for supplier, _ in CHANNELS.values()}))
def test_the_views_in_which_they_are_planted_are_clean(staged: Copies, supplier: str) -> None:
    assert staged(supplier).judge().supplier == supplier


@pytest.mark.parametrize("text", ["00120034", "see 07900120034 at", "p00120034@force.example", "of Featherstonehaugh"])
def test_text_between_the_last_code_of_a_picture_and_its_end_is_found(staged: Copies, text: str) -> None:
    night = staged("card-printer")
    in_a_photo(lambda data, value: data[:-2] + value + data[-2:])(night, text)
    assert "raw-value: " in night.refusal().rule


def test_a_bloom_filter_is_found(staged: Copies) -> None:
    night = staged("parquet")
    rewrite(night, lambda table: table, bloom_filter_options={"locker": {"ndv": 64, "fpp": 0.01}})
    assert "parquet-bloom-filter: people.parquet column locker" in night.refusal().rule


def test_a_list_of_broken_places_as_the_product_writes_it_is_clean(staged: Copies) -> None:
    night = staged("lockers")
    path = night.area / ".." / "broken.jsonl"
    whole = {"source": "x.csv", "row": 3, "rule": "cell-invalid", "column": "surname"}
    entries = [{"source": None, "row": None, "rule": "photo-missing", "column": None}, whole]
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    night.run_files = RunFiles(path, ("x.csv",))
    assert night.judge().supplier == "lockers"


@pytest.mark.parametrize("plant", [in_a_temporary_file, in_a_temporary_files_name, in_what_an_attempt_left])
def test_anything_that_a_finished_stage_does_not_leave_is_found(staged: Copies, plant: Plant) -> None:
    night = staged("lockers")
    plant(night, "of nobody")
    refused = night.refusal()
    assert "temporary-file: the staging area, file 1 that should not be there (1)" in refused.rule
    assert "raw-value" not in refused.rule


LINES = {
    "a key more": {"source": "x.csv", "row": 3, "rule": "cell-invalid", "column": "surname", "value": "nothing"},
    "a key less": {"source": "x.csv", "row": 3, "rule": "cell-invalid"},
    "another source": {"source": "y.csv", "row": 3, "rule": "cell-invalid", "column": "surname"},
    "a row that is text": {"source": "x.csv", "row": "3", "rule": "cell-invalid", "column": "surname"},
    "a row below zero": {"source": "x.csv", "row": -1, "rule": "cell-invalid", "column": "surname"},
    "a rule with a value": {"source": "x.csv", "row": 3, "rule": "cell-invalid: nothing", "column": "surname"},
    "a column that is none": {"source": "x.csv", "row": 3, "rule": "cell-invalid", "column": "nothing"},
    "a list": ["x.csv", 3, "cell-invalid", "surname"],
}


@pytest.mark.parametrize("entry", LINES.values(), ids=LINES.keys())
def test_a_line_of_broken_places_that_says_anything_else_is_found(staged: Copies, entry: Any) -> None:
    night = staged("lockers")
    path = night.area / ".." / "broken.jsonl"
    path.write_text(json.dumps(entry) + "\n")
    night.run_files = RunFiles(path, ("x.csv",))
    assert "quarantine-line: the list of broken places, line 1 (1)" in night.refusal().rule


@pytest.mark.parametrize("text", ["Featherstonehaugh", "00120034"])
def test_two_byte_text_that_was_read_as_one_byte_a_character_is_found(staged: Copies, text: str) -> None:
    night = staged("lockers")
    in_the_schema(night, "\0".join(text))
    assert "raw-value: people.schema.json" in night.refusal().rule
