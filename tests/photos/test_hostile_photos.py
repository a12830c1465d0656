"""Files that are no photo, or not whole, or built to hurt: refused with a code, before they cost anything."""

import io
import random
import re
import struct
import time
import traceback
import zlib
from collections import Counter
from typing import Any

import numpy as np
import pytest
from PIL import Image

from transforms.photos.minimise import minimise
from transforms.photos.model import Limits, PhotoRefused, PrintSpec, RefusalCode, Rendition
from transforms.photos.worker import PhotoWorker

SPEC = PrintSpec(width_px=295, height_px=378, dpi=300, max_bytes=60_000)


def portrait(width: int = 640, height: int = 800) -> Image.Image:
    cells = np.random.default_rng(9).integers(0, 256, (height // 30, width // 30, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def code(data: bytes, limits: Limits | None = None) -> str:
    """The refusal of a photo, in less than two seconds."""
    started = time.monotonic()
    with pytest.raises(PhotoRefused) as refusal:
        minimise(data, [SPEC], limits)
    assert time.monotonic() - started < 2
    return refusal.value.code.value


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, depth: int = 8, colour: int = 2, body: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")


def with_frame_size(jpeg: bytes, width: int, height: int) -> bytes:
    at = re.search(rb"\xff[\xc0\xc2]", jpeg)
    assert at is not None
    return jpeg[: at.start() + 5] + struct.pack(">HH", height, width) + jpeg[at.start() + 9 :]


def repeated_scan(jpeg: bytes, times: int) -> bytes:
    start = jpeg.index(b"\xff\xda")
    data = start + 2 + int.from_bytes(jpeg[start + 2 : start + 4])
    after = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]").search(jpeg, data)
    assert after is not None
    return jpeg[:start] + jpeg[start : after.start()] * times + jpeg[after.start() :]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty"),
        (b"just some text in a file named .jpg", "unsupported-format"),
        (b"%PDF-1.7\n" + encoded(Image.new("RGB", (9, 9))), "unsupported-format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported-format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "unsupported-format"),
        (b"push graphic-context\nviewbox 0 0 640 480\n", "unsupported-format"),
        (encoded(portrait(), "GIF"), "unsupported-format"),
        (encoded(portrait(), "WEBP"), "unsupported-format"),
        (encoded(portrait(), "TIFF"), "unsupported-format"),
        (encoded(portrait(), "BMP"), "unsupported-format"),
        (b"\xff\xd8\xff", "truncated"),
        (b"\xff\xd8\xff\xd9", "malformed"),
        (b"\xff\xd8\xff\xe0\x00\x01", "malformed"),
        (b"\xff\xd8" + b"\xff" * 5_000_000, "truncated"),
        (b"\xff\xd8" + b"\xff\xe5\x00\x02" * 2_000_000, "malformed"),
        (b"\x89PNG\r\n\x1a\n", "truncated"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"") + chunk(b"IEND", b""), "malformed"),
        (png(640, 800)[:33] + chunk(b"zzZz", b"") * 600_000, "malformed"),
    ],
)
def test_what_is_no_photo_is_refused(data: bytes, expected: str) -> None:
    assert code(data) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (png(20_000, 20_000), "side-too-long"),
        (png(10_000, 10_000, depth=1, colour=0), "too-many-pixels"),
        (png(7_900, 7_900, depth=16, colour=6), "too-many-pixels"),
        (png(2**31 - 1, 2**31 - 1), "side-too-long"),
        (png(0, 100), "malformed"),
        (png(300, 700), "aspect-out-of-range"),
        (png(700, 300), "aspect-out-of-range"),
        (png(640, 800, depth=3), "unsupported-coding"),
        (with_frame_size(encoded(portrait()), 65_500, 65_500), "side-too-long"),
        (with_frame_size(encoded(portrait()), 8_000, 7_999), "too-many-pixels"),
        (with_frame_size(encoded(portrait()), 640, 0), "malformed"),
        (with_frame_size(encoded(portrait()), 300, 700), "aspect-out-of-range"),
    ],
)
def test_a_header_over_a_limit_is_refused_before_anything_is_decoded(data: bytes, expected: str) -> None:
    assert len(data) < 100_000
    assert code(data) == expected


def test_more_bytes_than_the_limit_are_refused() -> None:
    assert code(b"\xff\xd8\xff" + bytes(10_000_000)) == "too-many-bytes"


def test_the_limits_are_configurable() -> None:
    data = encoded(portrait())
    assert isinstance(minimise(data, [SPEC]).outcomes[0], Rendition)
    assert code(data, Limits(jpeg_pixels=640 * 800 - 1)) == "too-many-pixels"
    assert code(data, Limits(side_px=799)) == "side-too-long"
    assert code(data, Limits(aspect_min=0.9, aspect_max=1.1)) == "aspect-out-of-range"
    assert code(data, Limits(max_bytes=len(data) - 1)) == "too-many-bytes"
    assert code(data, Limits(formats=("png",))) == "unsupported-format"
    assert code(encoded(portrait(), "PNG"), Limits(formats=("jpeg",))) == "unsupported-format"


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("ended", [False, True])
@pytest.mark.parametrize("options", [{}, {"subsampling": 2}, {"restart_marker_rows": 1}, {"progressive": True}, {"kind": "PNG"}])
def test_a_truncated_photo_is_refused_even_with_an_end_put_back(options: dict[str, Any], ended: bool, share: float) -> None:
    whole = encoded(portrait(), **options)
    if options.get("progressive"):
        share = min(share, 0.5)  # later on, what is missing is the last bit of some coefficients: see below
    cut = whole[: int(len(whole) * share)]
    if ended and "kind" in options:
        raw = zlib.compress(b"".join(b"\0" + row.tobytes() for row in np.asarray(portrait())))
        cut = whole[:33] + chunk(b"IDAT", raw[: int(len(raw) * share)]) + chunk(b"IEND", b"")
    elif ended:
        cut += b"\xff\xd9"
    assert code(cut) == "truncated"


def test_a_frame_that_claims_more_rows_than_it_has_is_refused() -> None:
    assert code(with_frame_size(encoded(portrait()), 640, 1000)) == "truncated"


def test_a_progressive_photo_that_lacks_its_last_scan_is_refused() -> None:
    whole = encoded(portrait(), progressive=True)
    assert code(whole[: whole.rindex(b"\xff\xda")] + b"\xff\xd9") == "truncated"


def test_harmless_bytes_before_the_end_marker_are_accepted() -> None:
    data = encoded(portrait())
    assert minimise(data[:-2] + bytes(100) + data[-2:], [SPEC]) == minimise(data, [SPEC])


def test_a_picture_that_was_saved_again_after_it_was_cut_is_refused() -> None:
    picture = portrait()
    picture.paste((128, 128, 128), (0, 400, 640, 800))
    assert code(encoded(picture)) == "flat-bottom"


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0)])
def test_a_black_or_white_border_is_not_taken_for_a_cut(colour: tuple[int, int, int]) -> None:
    picture = portrait()
    picture.paste(colour, (0, 700, 640, 800))
    assert isinstance(minimise(encoded(picture), [SPEC]).outcomes[0], Rendition)


def test_more_scans_than_the_limit_are_refused() -> None:
    progressive = encoded(portrait(), progressive=True)
    assert code(repeated_scan(progressive, 1_000)) in ("too-many-scans", "malformed")
    assert code(repeated_scan(progressive, 100)) == "too-many-scans"
    assert isinstance(minimise(repeated_scan(progressive, 10), [SPEC]).outcomes[0], Rendition)


def test_a_photo_of_several_scans_that_memory_would_not_hold_is_refused() -> None:
    limits = Limits(coefficient_bytes=2_000_000)
    with_all_colours = {"subsampling": 0}
    assert code(encoded(portrait(), progressive=True, **with_all_colours), limits) == "too-many-pixels"
    # Half the colours fit, and one scan is decoded row by row.
    for options in ({"progressive": True, "subsampling": 2}, with_all_colours):
        assert minimise(encoded(portrait(), **options), [SPEC], limits).rendition().width_px == SPEC.width_px


@pytest.mark.parametrize("marker", [0xC3, 0xC5, 0xC9, 0xCA, 0xCB])
def test_a_coding_that_is_not_read_is_refused(marker: int) -> None:
    data = encoded(portrait())
    at = data.index(b"\xff\xc0")
    assert code(data[:at] + bytes([0xFF, marker]) + data[at + 2 :]) == "unsupported-coding"


def test_a_twelve_bit_jpeg_is_refused() -> None:
    data = encoded(portrait())
    at = data.index(b"\xff\xc0")
    assert code(data[: at + 4] + b"\x0c" + data[at + 5 :]) == "unsupported-coding"


def test_a_png_with_a_broken_checksum_or_an_unknown_critical_chunk_is_refused() -> None:
    data = encoded(portrait(), "PNG")
    assert code(data[:40] + bytes([data[40] ^ 1]) + data[41:]) == "malformed"
    assert code(data[:33] + chunk(b"CgBI", b"\x50\0\x20\x02") + data[33:]) == "malformed"


def test_a_profile_that_inflates_without_end_is_ignored() -> None:
    data = encoded(portrait(), "PNG")
    bomb = chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(200_000_000), 9))
    started = time.monotonic()
    assert minimise(data[:33] + bomb + data[33:], [SPEC]) == minimise(data, [SPEC])
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("prefix", [b"PK\x03\x04", b"%PDF-1.7", b"<?php system(1)", b"<script>alert(1)</script>", b"MZ\x90\0"])
def test_no_polyglot_survives(prefix: bytes) -> None:
    data = encoded(portrait())
    result = minimise(data[:2] + struct.pack(">BBH", 0xFF, 0xFE, len(prefix) + 2) + prefix + data[2:] + prefix * 9, [SPEC])
    rendition = result.rendition().jpeg
    assert prefix[:4] not in rendition[: rendition.index(b"\xff\xda")]
    assert rendition == minimise(data, [SPEC]).rendition().jpeg


def test_a_refusal_says_its_code_and_nothing_of_the_decoder_or_the_file() -> None:
    # The image data inflate well and then break, so that it is the library that raises.
    data = png(64, 64, body=b"\x07secret" * 10)
    with pytest.raises(PhotoRefused) as refusal:
        minimise(data, [SPEC])
    assert refusal.value.args == (refusal.value.code.value,)
    assert refusal.value.__cause__ is None
    assert refusal.value.__suppress_context__
    assert "secret" not in "".join(traceback.format_exception(refusal.value))


def mutated(data: bytes, chance: random.Random) -> bytes:
    result = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(result))
        match chance.randrange(6):
            case 0:
                result[at] ^= 1 << chance.randrange(8)
            case 1:
                result[at : at + chance.randint(1, 40)] = b""
            case 2:
                result[at:at] = chance.randbytes(chance.randint(1, 40))
            case 3:
                result[at : at + 8] = chance.choice([bytes(8), b"\xff" * 8, b"\x7f\xff\xff\xff", b"\x80\0\0\0"])
            case 4:
                other = chance.randrange(len(result))
                result[at : at + 64] = result[other : other + 64]
            case _:  # the head is where the structure is
                result[chance.randrange(min(700, len(result)))] = chance.randrange(256)
        if not result:
            return b"\0"
    return bytes(result)


def checked_again(data: bytes) -> bytes:
    """A mutated PNG with its checksums put right, so that the mutation gets past them."""
    result, at = data[:8], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4])
        if at + 12 + length > len(data):
            break
        result += chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + length])
        at += 12 + length
    return result + data[at:]


def test_mutated_photos_end_clean_or_refused_and_none_takes_the_decoder_down() -> None:
    small = portrait(160, 200)
    transparent = small.copy()
    transparent.putalpha(Image.linear_gradient("L").resize(small.size))
    sources = [
        encoded(small, quality=80),
        encoded(small, progressive=True, subsampling=2),
        encoded(small, restart_marker_blocks=3, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0"),
        encoded(small.convert("CMYK")),
        encoded(small.convert("L")),
        encoded(small, "PNG"),
        encoded(transparent, "PNG"),
        encoded(small.quantize(64), "PNG", transparency=bytes(range(64))),
        encoded(Image.fromarray(np.arange(160 * 200, dtype=np.uint16).reshape(200, 160)), "PNG"),
    ]
    chance = random.Random(20261123)  # noqa: S311 mutations are repeatable on purpose
    ends: Counter[str] = Counter()
    with PhotoWorker() as worker:
        for number in range(600):
            data = mutated(sources[number % len(sources)], chance)
            if data.startswith(b"\x89PNG") and number % 2:
                data = checked_again(data)
            try:
                outcome = worker.minimise(data, [SPEC]).outcomes[0]
            except PhotoRefused as refused:
                ends[refused.code.value] += 1
            else:
                assert isinstance(outcome, Rendition)
                ends["clean"] += 1
        assert minimise(sources[0], [SPEC]) == worker.minimise(sources[0], [SPEC])
    assert ends.total() == 600
    assert ends["clean"] > 30
    assert ends["truncated"] > 10
    assert ends["malformed"] > 50
    assert not ends[RefusalCode.CRASHED.value] + ends[RefusalCode.TIMED_OUT.value]
