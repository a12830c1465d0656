"""Photographs for the photo bench: drawn faces with a sensor's grain, at as many bytes a megapixel as real cameras write."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from pipelines.demo_data import camera, faces
from transforms.photos.model import Limits

# Megabytes a megapixel of 58 photographs from real cameras, by size; what a JPEG costs to read is its bytes.
BYTES_PER_PIXEL = {2: 0.28, 5: 0.28, 8: 0.28, 12: 0.225, 50: 0.225}
_ORIENTATION = 0x0112
_PROFILES = (2, 5)  # of eight photos, one embeds sRGB and one a wider space


def photos_of(folder: Path, megapixels: int, count: int) -> list[Path]:
    """So many distinct JPEGs, made once and kept: half lie on their side as phones hold them, a few have a profile."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{megapixels}mp-{number}.jpg" for number in range(count)]
    if not all(path.exists() for path in paths):
        noise = camera.grain(*camera.size_of(megapixels))
        quality = 0
        for number, path in enumerate(paths):
            picture = drawn(megapixels, number, noise)
            quality = quality or _quality_of(picture, BYTES_PER_PIXEL[megapixels])
            path.write_bytes(_taken(picture, number, quality))
    return paths


def drawn(megapixels: int, number: int, noise: np.ndarray | None = None) -> Image.Image:
    """A portrait as the demo's studio takes it, before any JPEG."""
    size = camera.size_of(megapixels)
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([7, number])))
    sitter = camera.seat(faces.draw(faces.invent(rng), rng))
    shot = camera.Shot(row=number, path=f"{number}.png", comment="studio 3")
    png = camera.take(sitter, shot, 7, size, camera.grain(*size) if noise is None else noise)
    picture = Image.open(io.BytesIO(png))
    picture.load()
    return picture


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    """The bytes of a file of that kind."""
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def large_photos(folder: Path) -> dict[str, Path]:
    """The largest photos that the default limits let in, one of each kind, by a name for it."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {}
    for name, megapixels, mode, kind, options in (
        ("50 MP JPEG", 49.9, "RGB", "JPEG", {"subsampling": 2}),
        ("50 MP progressive JPEG", 49.9, "RGB", "JPEG", {"subsampling": 2, "progressive": True}),
        ("50 MP progressive JPEG, 4:2:2", 49.9, "RGB", "JPEG", {"subsampling": 1, "progressive": True}),
        ("25 MP PNG", 24.9, "RGB", "PNG", {"compress_level": 1}),
        ("25 MP PNG with alpha", 24.9, "RGBA", "PNG", {"compress_level": 1}),
    ):
        path = folder / name.lower().replace(" ", "-").replace(":", "")
        if not path.exists():
            picture = drawn(1, 0).resize(camera.size_of(megapixels), Image.Resampling.NEAREST).convert(mode)
            path.write_bytes(encoded(picture, kind, **(options | ({"quality": 70} if kind == "JPEG" else {}))))
            assert path.stat().st_size < Limits().max_bytes, f"{name} is too large a file"
        made[name] = path
    return made


def copies(originals: list[Path], folder: Path, count: int) -> Iterator[Path]:
    """So many files of distinct bytes and few distinct pictures: each has a comment of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        data = originals[number % len(originals)].read_bytes()
        path = folder / f"{number:06}.jpg"
        path.write_bytes(data[:2] + b"\xff\xfe" + struct.pack(">HI", 6, number) + data[2:])
        yield path


def _taken(picture: Image.Image, number: int, quality: int) -> bytes:
    exif = picture.getexif()
    if number % 2:
        exif[_ORIENTATION] = 6
        picture = picture.transpose(Image.Transpose.ROTATE_90)
    profile = _profile(number) if number % 8 in _PROFILES else None
    return encoded(picture, "JPEG", quality=quality, subsampling=2, exif=exif.tobytes(), icc_profile=profile)


def _profile(number: int) -> bytes:
    """An ICC profile: sRGB, or one whose red lies where Display P3 has it."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    if number % 8 == _PROFILES[1]:
        tags = (struct.unpack_from(">4sII", profile, 132 + 12 * tag) for tag in range(struct.unpack_from(">I", profile, 128)[0]))
        place = next(offset for name, offset, _size in tags if name == b"rXYZ")
        struct.pack_into(">3i", profile, place + 8, *(round(part * 65536) for part in (0.5151, 0.2412, -0.0011)))
    return bytes(profile)


def _quality_of(picture: Image.Image, bytes_per_pixel: float) -> int:
    """The lowest quality at which this picture has so many bytes."""
    wanted = bytes_per_pixel * picture.width * picture.height
    low, high = 50, 98
    while low < high:
        middle = (low + high) // 2
        if len(encoded(picture, "JPEG", quality=middle, subsampling=2)) >= wanted:
            high = middle
        else:
            low = middle + 1
    return low
