"""WebP, where a contract names it: the same checks, the same refusals, the same prints."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from transforms.photos.minimise import minimise
from transforms.photos.model import Limits, PhotoRefused, PrintSpec
from transforms.photos.worker import PhotoWorker

SPEC = PrintSpec(width_px=118, height_px=151, dpi=300, max_bytes=60_000)
LIMITS = Limits(formats=("jpeg", "png", "webp"))
SECRET = b"SENTINEL-51.5074N-0.1278W-IMG_4471-SERIAL-88213"


def portrait(width: int = 320, height: int = 410) -> Image.Image:
    cells = np.random.default_rng(9).integers(0, 256, (height // 30, width // 30, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "WEBP", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def printed(data: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(minimise(data, [SPEC], LIMITS).rendition().jpeg)), dtype=float)


def code(data: bytes, limits: Limits = LIMITS) -> str:
    with pytest.raises(PhotoRefused) as refused:
        minimise(data, [SPEC], limits)
    return refused.value.code.value


def transparent() -> Image.Image:
    image = portrait()
    image.putalpha(Image.new("L", image.size, 0))
    return image


@pytest.mark.parametrize("options", [{"quality": 95}, {"lossless": True}, {"quality": 95, "method": 6}])
def test_a_webp_prints_as_the_png_of_the_same_picture(options: dict[str, Any]) -> None:
    assert np.abs(printed(encoded(portrait(), **options)) - printed(encoded(portrait(), "PNG"))).mean() < 3


def test_webp_is_refused_unless_it_is_named() -> None:
    assert code(encoded(portrait()), Limits()) == "unsupported-format"


@pytest.mark.parametrize("lossless", [True, False])
def test_the_colour_hidden_under_transparent_pixels_is_not_printed(lossless: bool) -> None:
    data = encoded(transparent(), lossless=lossless, exact=True)
    assert np.abs(printed(data) - 255).max() <= 2


def test_orientation_is_applied_and_no_metadata_leave() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    exif[0x010F] = SECRET.decode()
    data = encoded(portrait().transpose(Image.Transpose.ROTATE_180), quality=95, exif=exif, xmp=SECRET)
    assert SECRET in data
    result = minimise(data + SECRET, [SPEC], LIMITS).rendition().jpeg
    assert all(SECRET[at : at + 8] not in result for at in range(len(SECRET) - 7))
    assert np.abs(printed(data) - printed(encoded(portrait(), quality=95))).mean() < 3


@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("mended", [True, False])
def test_a_truncated_webp_is_refused_even_if_its_lengths_are_put_right(lossless: bool, share: float, mended: bool) -> None:
    whole = encoded(portrait(), lossless=lossless)
    cut = bytearray(whole[: int(len(whole) * share)])
    if mended:
        cut += bytes(len(cut) % 2)
        cut[4:8] = struct.pack("<I", len(cut) - 8)
        cut[16:20] = struct.pack("<I", len(cut) - 20)
    assert code(bytes(cut)) in ("truncated", "undecodable", "malformed")


def test_an_animation_is_refused() -> None:
    frames = [portrait().rotate(turn) for turn in (0, 90, 180)]
    assert code(encoded(frames[0], save_all=True, append_images=frames[1:])) == "unsupported-coding"


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        (Limits(formats=("webp",), webp_pixels=320 * 410 - 1), "too-many-pixels"),
        (Limits(formats=("webp",), side_px=409), "side-too-long"),
        (Limits(formats=("webp",), aspect_min=0.9, aspect_max=1.1), "aspect-out-of-range"),
    ],
)
@pytest.mark.parametrize("lossless", [True, False])
def test_a_header_over_a_limit_is_refused(limits: Limits, expected: str, lossless: bool) -> None:
    assert code(encoded(portrait(), lossless=lossless), limits) == expected


def test_a_header_that_lies_is_refused() -> None:
    data = bytearray(encoded(transparent(), quality=80))
    at = data.index(b"VP8X")
    data[at + 12] ^= 1  # the canvas is another than the image
    assert code(bytes(data)) == "malformed"
    assert code(b"RIFF\x04\0\0\0WEBP") == "malformed"
    assert code(b"RIFF\xff\xff\xff\x7fWEBP") == "truncated"


def test_the_confined_process_prints_a_webp_as_this_one_does() -> None:
    with PhotoWorker(LIMITS) as worker:
        for image, lossless in ((portrait(), False), (portrait(), True), (transparent(), False)):
            data = encoded(image, lossless=lossless)
            assert worker.minimise(data, [SPEC]) == minimise(data, [SPEC], LIMITS)
