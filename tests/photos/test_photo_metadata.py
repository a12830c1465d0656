"""Whatever a source carries besides its pixels, the output has none of it [I5]."""

import io
import struct
import zipfile
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from transforms.photos.minimise import minimise
from transforms.photos.model import PrintSpec

SPEC = PrintSpec(width_px=295, height_px=378, dpi=300, max_bytes=60_000)
SENTINEL = b"SENTINEL-51.5074N-0.1278W-IMG_4471-SERIAL-88213"


def portrait() -> Image.Image:
    cells = np.random.default_rng(5).integers(0, 256, (26, 21, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((640, 800), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def segment(marker: int, payload: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


def exif_with_gps_and_thumbnail() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = SENTINEL.decode()
    exif[0x0112] = 1
    exif.get_ifd(0x8825)[1] = SENTINEL.decode()
    exif.get_ifd(0x8769)[0x927C] = SENTINEL
    return exif.tobytes() + encoded(Image.new("RGB", (160, 120)), "JPEG", comment=SENTINEL)


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        opened.writestr("motion.mp4", SENTINEL)
    return buffer.getvalue()


def profile_with_sentinel() -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return struct.pack(">I", len(profile) + len(SENTINEL)) + profile[4:] + SENTINEL


PLACES = {
    "exif-gps-maker-thumbnail": segment(0xE1, exif_with_gps_and_thumbnail()),
    "xmp": segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>" + SENTINEL),
    "extended-xmp": segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 32 + struct.pack(">II", 47, 0) + SENTINEL),
    "icc": segment(0xE2, b"ICC_PROFILE\0\1\1" + profile_with_sentinel()),
    "multi-picture": segment(0xE2, b"MPF\0II*\0\x08\0\0\0" + SENTINEL),
    "flashpix": segment(0xE2, b"FPXR\0" + SENTINEL),
    "jfif-extension": segment(0xE0, b"JFXX\0\x10" + encoded(Image.new("RGB", (80, 60)), "JPEG", comment=SENTINEL)),
    "app3": segment(0xE3, b"META\0" + SENTINEL),
    "jumbf-c2pa": segment(0xEB, b"JP\0\1\0\0\0\1\0\0\0\x40jumb" + SENTINEL),
    "photoshop-iptc": segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x40" + SENTINEL),
    "adobe-with-more": segment(0xEE, b"Adobe\0\x64\0\0\0\0\1" + SENTINEL),
    "comment": segment(0xFE, SENTINEL),
    "app15": segment(0xEF, SENTINEL),
}


@pytest.mark.parametrize("place", [*PLACES, "trailing-zip", "second-frame", "jfif-thumbnail", "all"])
def test_nothing_that_a_jpeg_carries_besides_its_pixels_leaves(place: str) -> None:
    plain = encoded(portrait(), "JPEG", quality=92)
    head, body = plain[:2], plain[2:]
    after = {"trailing-zip": archive(), "second-frame": encoded(portrait(), "JPEG", comment=SENTINEL)}
    if place == "all":
        source = head + b"".join(PLACES.values()) + body + b"".join(after.values())
    elif place == "jfif-thumbnail":
        small = SENTINEL + bytes(-len(SENTINEL) % 3)
        source = head + segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1" + bytes([len(small) // 3, 1]) + small) + body[18:]
    else:
        source = head + PLACES.get(place, b"") + body + after.get(place, b"")
    assert SENTINEL in source
    result = minimise(source, [SPEC]).rendition().jpeg
    assert all(SENTINEL[i : i + 8] not in result for i in range(len(SENTINEL) - 7))
    # The pixels are those of the plain file, but for the rounding of the profile's transform.
    expected = np.asarray(Image.open(io.BytesIO(minimise(plain, [SPEC]).rendition().jpeg)), dtype=float)
    assert np.abs(np.asarray(Image.open(io.BytesIO(result)), dtype=float) - expected).mean() < 1


def test_nothing_that_a_png_carries_besides_its_pixels_leaves() -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    plain = encoded(portrait(), "PNG")
    extra = (
        chunk(b"tEXt", b"Author\0" + SENTINEL)
        + chunk(b"zTXt", b"Comment\0\0" + zlib.compress(SENTINEL))
        + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + SENTINEL)
        + chunk(b"iCCP", b"p\0\0" + zlib.compress(profile_with_sentinel()))
        + chunk(b"eXIf", exif_with_gps_and_thumbnail()[6:])
        + chunk(b"prVt", SENTINEL)
    )
    result = minimise(plain[:33] + extra + plain[33:] + archive(), [SPEC]).rendition().jpeg
    assert all(SENTINEL[i : i + 8] not in result for i in range(len(SENTINEL) - 7))
    assert result[:4] == b"\xff\xd8\xff\xe0"


def test_only_the_first_frame_of_a_multi_picture_file_is_printed() -> None:
    red, green = Image.new("RGB", (640, 800), (255, 0, 0)), Image.new("RGB", (640, 800), (0, 255, 0))
    source = encoded(red, "MPO", save_all=True, append_images=[green])
    result = np.asarray(Image.open(io.BytesIO(minimise(source, [SPEC]).rendition().jpeg)), dtype=float)
    assert np.abs(result - (255, 0, 0)).max() <= 3


def test_only_the_first_frame_of_an_animated_png_is_printed() -> None:
    red, green = Image.new("RGB", (640, 800), (255, 0, 0)), Image.new("RGB", (640, 800), (0, 255, 0))
    source = encoded(red, "PNG", save_all=True, append_images=[green] * 3)
    assert b"acTL" in source
    result = np.asarray(Image.open(io.BytesIO(minimise(source, [SPEC]).rendition().jpeg)), dtype=float)
    assert np.abs(result - (255, 0, 0)).max() <= 3
