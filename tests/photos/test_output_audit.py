"""The audit of outputs refuses every byte that is not picture [I4, I12]."""

import functools
import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from transforms.photos.audit import audit
from transforms.photos.minimise import minimise
from transforms.photos.model import PhotoRefused, PrintSpec, RefusalCode

SPEC = PrintSpec(width_px=100, height_px=128, dpi=300, max_bytes=60_000)


def portrait() -> Image.Image:
    cells = np.random.default_rng(7).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((100, 128), Image.Resampling.BICUBIC)


def saved(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **{"quality": 85, "subsampling": 0, "optimize": True, "dpi": (300, 300), **options})
    return buffer.getvalue()


@functools.cache
def output() -> bytes:
    return minimise(saved(portrait()), [SPEC]).rendition().jpeg


def boundaries(jpeg: bytes) -> list[int]:
    """Where each segment starts, from the one after SOI to the scan header."""
    found = [2]
    while jpeg[found[-1] + 1] != 0xDA:
        found.append(found[-1] + 2 + int.from_bytes(jpeg[found[-1] + 2 : found[-1] + 4]))
    return found


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def refuses(jpeg: bytes, spec: PrintSpec = SPEC) -> bool:
    try:
        audit(jpeg, spec)
    except PhotoRefused as refused:
        return refused.code is RefusalCode.AUDIT
    return False


def test_an_output_passes_at_every_quality_that_is_tried() -> None:
    for quality in range(40, 91, 5):
        audit(saved(portrait(), quality=quality), SPEC)
    audit(output(), SPEC)


@pytest.mark.parametrize("marker", [*range(0xE0, 0xF0), 0xFE, 0xDD, 0x01, 0xC1, 0xC2, 0xC9, 0xCC, 0xD0, 0xD8, 0xDC, 0xF0])
def test_any_other_segment_is_refused_wherever_it_stands(marker: int) -> None:
    jpeg = output()
    for at in boundaries(jpeg):
        assert refuses(jpeg[:at] + segment(marker, b"hidden") + jpeg[at:])
    at = boundaries(jpeg)[-1] + 200
    assert refuses(jpeg[:at] + bytes([0xFF, marker]) + jpeg[at:])


@settings(deadline=None)  # the machine may be busy
@given(st.binary(min_size=1, max_size=40))
def test_anything_after_the_end_is_refused(tail: bytes) -> None:
    assert refuses(output() + tail)


@settings(deadline=None)  # the machine may be busy
@given(st.integers(0, 10_000))
def test_an_output_that_was_cut_is_refused(length: int) -> None:
    jpeg = output()
    assert refuses(jpeg[: length % len(jpeg)])


@pytest.mark.parametrize(
    "options",
    [
        {"subsampling": 2},
        {"subsampling": 1},
        {"progressive": True},
        {"dpi": (299, 300)},
        {"dpi": (0, 0)},
        {"comment": b"hidden"},
        {"exif": b"Exif\0\0hidden"},
        {"icc_profile": b"hidden"},
        {"restart_marker_rows": 1},
    ],
)
def test_another_way_of_saving_is_refused(options: dict[str, Any]) -> None:
    assert refuses(saved(portrait(), **options))


@pytest.mark.parametrize("image", [portrait().convert("L"), portrait().convert("CMYK"), portrait().resize((101, 128))])
def test_another_kind_of_picture_is_refused(image: Image.Image) -> None:
    assert refuses(saved(image))


def test_more_bytes_than_the_budget_are_refused() -> None:
    jpeg = output()
    audit(jpeg, PrintSpec(100, 128, 300, len(jpeg)))
    assert refuses(jpeg, PrintSpec(100, 128, 300, len(jpeg) - 1))


def test_a_segment_has_no_room_for_more_than_its_tables() -> None:
    jpeg = output()
    for at in boundaries(jpeg):
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4])
        longer = segment(jpeg[at + 1], jpeg[at + 4 : end] + b"hidden")
        assert refuses(jpeg[:at] + longer + jpeg[end:])


def test_a_repeated_or_missing_segment_is_refused() -> None:
    jpeg = output()
    for at in boundaries(jpeg):
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4])
        if jpeg[at + 1] in (0xE0, 0xC0, 0xDA):  # tables may come in several segments
            assert refuses(jpeg[:end] + jpeg[at:])
            assert refuses(jpeg[:at] + jpeg[end:])


@pytest.mark.parametrize("string", [b"PK\x03\x04", b"%PDF", b"<?php", b"<script", b"MZ"])
def test_a_string_that_another_kind_of_file_starts_with_is_refused(string: bytes) -> None:
    jpeg = output()
    tables = jpeg.index(b"\xff\xdb") + 5
    assert refuses(jpeg[: tables + 10] + string + jpeg[tables + 10 + len(string) :])
    assert not refuses(jpeg[: tables + 10] + b"\x09" * len(string) + jpeg[tables + 10 + len(string) :])
