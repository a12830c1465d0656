"""Colours: profiles, 16 bits, transparency, CMYK, palettes."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from transforms.photos.minimise import minimise
from transforms.photos.model import PrintSpec

SPEC = PrintSpec(width_px=100, height_px=128, dpi=300, max_bytes=60_000)


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def printed(data: bytes, spec: PrintSpec = SPEC) -> np.ndarray[Any, Any]:
    image = Image.open(io.BytesIO(minimise(data, [spec]).rendition().jpeg))
    assert image.mode == "RGB"
    return np.asarray(image, dtype=float)


def display_p3() -> bytes:
    """A matrix profile with Display P3's primaries (D50-adapted) and the sRGB curve as a table of 1,024 points."""
    fixed = lambda values: b"".join(struct.pack(">i", round(v * 65536)) for v in values)  # noqa: E731
    xyz = lambda *values: b"XYZ \0\0\0\0" + fixed(values)  # noqa: E731
    grid = np.linspace(0, 1, 1024)
    linear = np.where(grid <= 0.04045, grid / 12.92, ((grid + 0.055) / 1.055) ** 2.4)
    curve = b"curv\0\0\0\0" + struct.pack(">I", 1024) + np.round(linear * 65535).astype(">u2").tobytes()
    text = b"desc\0\0\0\0" + struct.pack(">I", 3) + b"P3\0" + bytes(78 + 1)
    tags = {
        b"desc": text, b"wtpt": xyz(0.9642, 1.0, 0.8249), b"rXYZ": xyz(0.51512, 0.24120, -0.00105),
        b"gXYZ": xyz(0.29198, 0.69225, 0.04189), b"bXYZ": xyz(0.15710, 0.06657, 0.78407),
        b"rTRC": curve, b"gTRC": curve, b"bTRC": curve, b"cprt": b"text\0\0\0\0none\0\0\0\0",
    }  # fmt: skip
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        value += bytes(-len(value) % 4)
        table += name + struct.pack(">II", start + len(body), len(value))
        body += value
    size = start + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"mntr", b"RGB ", b"XYZ ") + bytes(12) + b"acsp" + bytes(28)
    header += fixed((0.9642, 1.0, 0.8249))
    return header + bytes(128 - len(header)) + table + body


def srgb_of_p3(colour: tuple[int, int, int]) -> np.ndarray[Any, Any]:
    """The colour by matrix maths: CSS Color 4's Display P3 to XYZ and XYZ to sRGB, both D65."""
    to_xyz = np.array([[0.4865709, 0.2656677, 0.1982173], [0.2289746, 0.6917385, 0.0792869], [0, 0.0451134, 1.0439444]])
    to_srgb = np.array([[3.2409699, -1.5373832, -0.4986108], [-0.9692436, 1.8759675, 0.0415551], [0.0556301, -0.203977, 1.0569715]])
    value = np.array(colour) / 255
    linear = to_srgb @ to_xyz @ np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return np.clip(np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.abs(linear) ** (1 / 2.4) - 0.055), 0, 1) * 255


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_display_p3_photo_prints_as_the_srgb_colour_it_shows(kind: str) -> None:
    skin = (224, 172, 140)
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    data = encoded(Image.new("RGB", (200, 256), skin), kind, icc_profile=display_p3(), **options)
    assert np.abs(printed(data).mean(axis=(0, 1)) - srgb_of_p3(skin)).max() <= 2.5
    assert np.abs(srgb_of_p3(skin) - np.array(skin)).max() > 5


def test_a_broken_profile_is_ignored() -> None:
    colour = (200, 120, 60)
    for profile in (display_p3()[:200], display_p3()[:16] + b"CMYK" + display_p3()[20:], b"no profile"):
        data = encoded(Image.new("RGB", (200, 256), colour), "PNG", icc_profile=profile)
        assert np.abs(printed(data).mean(axis=(0, 1)) - colour).max() <= 2


def test_sixteen_bit_grey_keeps_its_brightness() -> None:
    ramp = np.tile(np.linspace(0, 65535, 200).astype(np.uint16), (256, 1))
    result = printed(encoded(Image.fromarray(ramp), "PNG"))
    assert abs(result.mean() - 127.5) < 1.5
    assert result[:, :5].mean() < 10
    assert result[:, -5:].mean() > 245


@pytest.mark.parametrize("background", [(255, 255, 255), (10, 200, 90)])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_the_colour_hidden_under_transparent_pixels_is_never_printed(mode: str, background: tuple[int, int, int]) -> None:
    hidden = (255, 0, 0, 0) if mode == "RGBA" else (17, 0)
    spec = PrintSpec(width_px=100, height_px=128, dpi=300, max_bytes=60_000, background=background)
    result = printed(encoded(Image.new(mode, (200, 256), hidden), "PNG"), spec)
    assert np.abs(result - background).max() <= 2


def test_half_transparent_pixels_mix_with_the_background() -> None:
    data = encoded(Image.new("RGBA", (200, 256), (0, 0, 0, 128)), "PNG")
    assert np.abs(printed(data) - 127).max() <= 2


@pytest.mark.parametrize(
    ("image", "key", "kept"),
    [
        (Image.new("L", (200, 256), 90), 90, None),
        (Image.new("L", (200, 256), 90), 91, 90),
        (Image.new("RGB", (200, 256), (9, 80, 200)), (9, 80, 200), None),
        (Image.new("RGB", (200, 256), (9, 80, 200)), (9, 80, 201), (9, 80, 200)),
        (Image.new("1", (200, 256), 1), 1, None),
        (Image.new("I;16", (200, 256), 0x4040), 0x4040, None),
    ],
)
def test_a_transparent_colour_key_shows_the_background(image: Image.Image, key: Any, kept: Any) -> None:
    blue = (0, 0, 255)
    spec = PrintSpec(width_px=100, height_px=128, dpi=300, max_bytes=60_000, background=blue)
    result = printed(encoded(image, "PNG", transparency=key), spec)
    assert np.abs(result - (blue if kept is None else kept)).max() <= 2


def test_transparent_palette_entries_show_the_background() -> None:
    image = Image.new("P", (200, 256), 1)
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    assert np.abs(printed(encoded(image, "PNG", transparency=bytes([255, 0, 255]))) - 255).max() <= 2
    assert np.abs(printed(encoded(image, "PNG")) - (255, 0, 0)).max() <= 2


def test_a_cmyk_jpeg_prints_in_its_colours() -> None:
    data = encoded(Image.new("CMYK", (200, 256), (0, 255, 255, 0)), "JPEG", quality=95)
    assert np.abs(printed(data).mean(axis=(0, 1)) - (255, 0, 0)).max() <= 3


def test_a_ycck_jpeg_prints_in_its_colours() -> None:
    # Adobe stores inks inverted: white is 255 in all four, which YCCK (of 255 less the ink) writes as 0, 128, 128, 255.
    planes = Image.merge("CMYK", [Image.new("L", (200, 256), 255 - v) for v in (0, 128, 128, 255)])
    cmyk = encoded(planes, "JPEG", quality=95)
    adobe = cmyk.index(b"Adobe")
    ycck = cmyk[: adobe + 11] + b"\x02" + cmyk[adobe + 12 :]
    assert np.abs(printed(ycck) - 255).max() <= 3
    assert np.abs(printed(cmyk) - 255).max() > 50


def test_a_grey_jpeg_prints_as_grey() -> None:
    assert np.abs(printed(encoded(Image.new("L", (200, 256), 77), "JPEG")) - 77).max() <= 2
