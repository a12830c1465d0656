"""Colours: profiles, 16 bits, transparency, CMYK, palettes."""

import io
import struct
import zlib
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


def fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def profile_of(space: bytes, kind: bytes, pcs: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC version 2 profile (ICC.1:2001-04)."""
    text = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78 + 1)
    white = b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249)
    tags = {b"desc": text, b"wtpt": white, **tags, b"cprt": b"text\0\0\0\0none\0\0\0\0"}
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, value in tags.items():
        value += bytes(-len(value) % 4)
        table += name + struct.pack(">II", start + len(body), len(value))
        body += value
    size = start + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, kind, space, pcs) + bytes(12) + b"acsp" + bytes(28)
    header += fixed(0.9642, 1.0, 0.8249)
    return header + bytes(128 - len(header)) + table + body


def matrix_profile(primaries: dict[bytes, tuple[float, float, float]], linear: np.ndarray[Any, Any]) -> bytes:
    """A profile with these primaries (D50-adapted) and a curve as a table of points."""
    curve = b"curv\0\0\0\0" + struct.pack(">I", len(linear)) + np.round(linear * 65535).astype(">u2").tobytes()
    tags = {name: b"XYZ \0\0\0\0" + fixed(*value) for name, value in primaries.items()}
    return profile_of(b"RGB ", b"mntr", b"XYZ ", {**tags, b"rTRC": curve, b"gTRC": curve, b"bTRC": curve})


def display_p3() -> bytes:
    """Display P3: its primaries and the sRGB curve."""
    grid = np.linspace(0, 1, 1024)
    linear = np.where(grid <= 0.04045, grid / 12.92, ((grid + 0.055) / 1.055) ** 2.4)
    primaries = {b"rXYZ": (0.51512, 0.24120, -0.00105), b"gXYZ": (0.29198, 0.69225, 0.04189), b"bXYZ": (0.15710, 0.06657, 0.78407)}
    return matrix_profile(primaries, linear)


def adobe_rgb() -> bytes:
    """Adobe RGB (1998): its primaries and a gamma of 563/256."""
    primaries = {b"rXYZ": (0.60974, 0.31111, 0.01947), b"gXYZ": (0.20528, 0.62567, 0.06087), b"bXYZ": (0.14919, 0.06322, 0.74457)}
    return matrix_profile(primaries, np.linspace(0, 1, 1024) ** (563 / 256))


def press() -> bytes:
    """A press whose solid magenta over solid yellow is a mid grey (L* 50), which no naive conversion gives."""
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + bytes(range(256)) * 4
    for inks in range(16):  # cyan varies slowest
        lightness = {0: 255, 0b0110: 128}.get(inks, 0 if inks & 1 or inks == 0b1110 else 150)
        lut += bytes([lightness, 128, 128])
    return profile_of(b"CMYK", b"prtr", b"Lab ", {b"A2B0": lut + bytes(range(256)) * 3})


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


def test_an_adobe_rgb_photo_prints_as_the_srgb_colour_it_shows() -> None:
    colour = np.array((200, 120, 90))
    to_xyz = np.array([[0.5767309, 0.1855540, 0.1881852], [0.2973769, 0.6273491, 0.0752741], [0.0270343, 0.0706872, 0.9911085]])
    to_srgb = np.array([[3.2409699, -1.5373832, -0.4986108], [-0.9692436, 1.8759675, 0.0415551], [0.0556301, -0.203977, 1.0569715]])
    linear = np.clip(to_srgb @ to_xyz @ (colour / 255) ** (563 / 256), 0, 1)
    expected = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055) * 255
    data = encoded(Image.new("RGB", (200, 256), tuple(colour.tolist())), "PNG", icc_profile=adobe_rgb())
    assert np.abs(printed(data).mean(axis=(0, 1)) - expected).max() <= 2.5
    assert np.abs(expected - colour).max() > 10


def test_a_cmyk_jpeg_with_a_profile_prints_as_its_press_would() -> None:
    image = Image.new("CMYK", (200, 256), (0, 255, 255, 0))
    result = printed(encoded(image, "JPEG", quality=95, icc_profile=press())).mean(axis=(0, 1))
    assert np.abs(result - 119).max() <= 4  # L* 50 in sRGB
    assert printed(encoded(image, "JPEG", quality=95)).mean(axis=(0, 1))[0] > 250


@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_colour_keeps_its_brightness(channels: int) -> None:
    samples = np.zeros((256, 200, channels), dtype=">u2")
    samples[:] = (40_000, 20_000, 10_000, 65_535)[:channels]
    rows = b"".join(b"\0" + row.tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", 200, 256, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n"
    for name, body in chunks:
        data += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    assert np.abs(printed(data).mean(axis=(0, 1)) - np.array((40_000, 20_000, 10_000)) / 257).max() <= 2


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
