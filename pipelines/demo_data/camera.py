"""Takes photographs of drawn faces: framing, exposure, grain, the camera's metadata, and the file's bytes.

A face is drawn once and photographed many times; two photographs never have the same bytes, because each has its own number in
the metadata and its own grain.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipelines.demo_data import exif

_GRAIN = 6  # the noise is at most this far from zero, of 255
_TILE = 1024  # noise repeats after so many pixels, and every photograph starts somewhere else
_QUALITY = 85
_THUMBNAIL = (120, 160)
_CAMERAS = (
    ("Fotovia", "FV-200"),
    ("Fotovia", "FV-350 II"),
    ("Halden", "Portrait 5"),
    ("Kestrel Optics", "K10"),
    ("Orrelin", "OS-24"),
)
_ORIENTATIONS = (1, 3, 6, 8)
_ORIENTATION_SHARES = (0.85, 0.04, 0.07, 0.04)
# What undoes, on the sensor, the turn that the tag asks of the viewer.
_SENSOR = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}


class Damage(StrEnum):
    """What is wrong with a photo file, on purpose."""

    MISSING = "missing-photo"
    TRUNCATED = "truncated-photo"
    NOT_AN_IMAGE = "not-an-image"


@dataclass(frozen=True, slots=True)
class Shot:
    """One photograph to take: its row in the export, its path below the photo folder, what the comment says, what is wrong."""

    row: int
    path: str
    comment: str
    damage: Damage | None = None


@dataclass(frozen=True, slots=True)
class Sitter:
    """A drawn face as luma and chroma planes, and its thumbnail upright."""

    luma: Image.Image
    blue: Image.Image
    red: Image.Image
    small: Image.Image


def seat(drawn: NDArray[np.uint8]) -> Sitter:
    """Prepares a drawn face (height, width, 3) for many photographs."""
    image = Image.fromarray(drawn)
    luma, blue, red = image.convert("YCbCr").split()
    return Sitter(luma=luma, blue=blue, red=red, small=image.resize(_THUMBNAIL, Image.Resampling.BILINEAR))


def size_of(megapixels: float) -> tuple[int, int]:
    """Width and height in pixels of a 3:4 portrait of about so many megapixels."""
    unit = max(4, round((megapixels * 1e6 / 12) ** 0.5))
    return 3 * unit, 4 * unit


def grain(width: int, height: int) -> NDArray[np.uint8]:
    """Noise for photographs of that size, upright or turned: 0 to twice `_GRAIN`, to be sliced at any offset below `_TILE`."""
    rng = np.random.Generator(np.random.PCG64(20))
    rough = rng.normal(0, _GRAIN * 0.55, (_TILE, _TILE)).astype(np.float32)
    soft = (rough + np.roll(rough, 1, 0) + np.roll(rough, 1, 1)) * 0.6  # a sensor's noise is not quite white
    tile = np.clip(np.rint(soft) + _GRAIN, 0, 2 * _GRAIN).astype(np.uint8)
    side = max(width, height) + _TILE
    return np.pad(tile, (0, side - _TILE), mode="wrap")


def take(sitter: Sitter, shot: Shot, seed: int, size: tuple[int, int], noise: NDArray[np.uint8]) -> bytes:
    """The bytes of one photograph: JPEG, or PNG where the path says so; the same for the same arguments."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, 2, shot.row])))
    png = shot.path.endswith(".png")
    orientation = (
        1 if png else int(rng.choice(_ORIENTATIONS, p=_ORIENTATION_SHARES))
    )  # what writes PNG has turned the pixels already
    turn = _SENSOR.get(orientation)
    image = _expose(sitter, rng, size, turn, noise)
    small = sitter.small.transpose(turn) if turn is not None else sitter.small
    block = exif.encode(_metadata(rng, shot.row, orientation, _jpeg(small, 70)))
    out = io.BytesIO()
    if png:
        notes = PngInfo()
        notes.add_itxt("Comment", shot.comment)
        image.convert("RGB").save(out, "PNG", compress_level=1, exif=block, pnginfo=notes)
    else:
        image.save(out, "JPEG", quality=_QUALITY, exif=block, comment=shot.comment.encode())
    return _spoil(out.getvalue(), shot.damage)


def _expose(
    sitter: Sitter, rng: np.random.Generator, size: tuple[int, int], turn: Image.Transpose | None, noise: NDArray[np.uint8]
) -> Image.Image:
    width, height = sitter.luma.size
    zoom = rng.uniform(0.86, 1.0)
    crop_w, crop_h = int(width * zoom), int(height * zoom)
    left, top = int(rng.integers(0, width - crop_w + 1)), int((height - crop_h) * rng.uniform(0.0, 0.5))
    flip = rng.random() < 0.5
    stored = size if turn in (None, Image.Transpose.ROTATE_180) else size[::-1]
    gain, bias = rng.uniform(0.92, 1.06), rng.uniform(-7, 7)
    # Luma leaves room for the noise at both ends, and bilinear filtering never overshoots: the sum below cannot wrap.
    tone = np.clip((np.arange(256) - 128) * gain + 128 + bias, _GRAIN, 255 - _GRAIN) - _GRAIN
    tints = (np.arange(256) + shift for shift in rng.uniform(-3, 3, 2))
    tables = [tone, *(np.clip(tint, 0, 255) for tint in tints)]
    planes: list[Image.Image] = []
    for plane, table in zip((sitter.luma, sitter.blue, sitter.red), tables, strict=True):
        part = plane.crop((left, top, left + crop_w, top + crop_h)).point(np.rint(table).astype(int).tolist())
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else part
        part = part.transpose(turn) if turn is not None else part
        if planes:  # JPEG halves the chroma anyway
            part = part.resize(((stored[0] + 1) // 2, (stored[1] + 1) // 2), Image.Resampling.BILINEAR)
        planes.append(part.resize(stored, Image.Resampling.NEAREST if planes else Image.Resampling.BILINEAR))
    at_x, at_y = (int(v) for v in rng.integers(0, _TILE, 2))
    grainy = np.asarray(planes[0]) + noise[at_y : at_y + stored[1], at_x : at_x + stored[0]]
    return Image.merge("YCbCr", (Image.fromarray(grainy), planes[1], planes[2]))


def _metadata(rng: np.random.Generator, row: int, orientation: int, thumbnail: bytes) -> exif.Exif:
    make, model = _CAMERAS[int(rng.integers(0, len(_CAMERAS)))]
    year, month, day, hour, minute, second = (
        int(rng.integers(low, high)) for low, high in ((2012, 2027), (1, 11), (1, 29), (8, 18), (0, 60), (0, 60))
    )
    return exif.Exif(
        make=make,
        model=model,
        serial=f"{int(rng.integers(10**8, 10**9))}",
        artist=f"Photographic Section {int(rng.integers(1, 10))}",
        date=f"{year}:{month:02}:{day:02} {hour:02}:{minute:02}:{second:02}",
        unique_id=f"{row:032x}",
        orientation=orientation,
        latitude=float(rng.uniform(52.2, 52.9)),  # a stretch of the North Sea: nobody's home
        longitude=float(rng.uniform(2.2, 3.0)),
        thumbnail=thumbnail,
    )


def _jpeg(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def _spoil(data: bytes, damage: Damage | None) -> bytes:
    if damage is Damage.TRUNCATED:
        return data[: len(data) * 2 // 5]
    if damage is Damage.NOT_AN_IMAGE:
        return b"<!DOCTYPE html><html><title>Sign in</title><p>Your session has ended.</p></html>\n"
    return data
