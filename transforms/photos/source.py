"""A source photo after its structure was checked and before anything is decoded."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

from transforms.photos.model import Limits, PhotoRefused, RefusalCode

_ORIENTATION_TAG = 0x0112
_SHORT = 3


@dataclass(frozen=True, slots=True)
class Source:
    """A photo cut down to what a decoder needs.

    `stream` is a file that holds only the segments that pixels depend on, so that the library's readers of EXIF, XMP,
    ICC, multi-picture and animation data never run on hostile bytes. `orientation` is EXIF's, 1 to 8. `icc` is the embedded
    profile, or None. `colour_key` (PNG without palette) is the 8-bit sample or samples that mean transparent.
    """

    kind: Literal["jpeg", "png", "webp"]
    stream: bytes
    width: int
    height: int
    orientation: int = 1
    icc: bytes | None = None
    colour_key: tuple[int, ...] | None = None


def check_size(width: int, height: int, pixels: int, limits: Limits) -> None:
    """Raise PhotoRefused unless a header's size is within the limits; sizes in pixels."""
    if width < 1 or height < 1:
        raise PhotoRefused(RefusalCode.MALFORMED)
    if width > limits.side_px or height > limits.side_px:
        raise PhotoRefused(RefusalCode.TOO_LONG_SIDE)
    if width * height > pixels:
        raise PhotoRefused(RefusalCode.TOO_MANY_PIXELS)
    # The two bounds need not mirror each other, and orientation is not always known yet: either way round will do.
    if not any(limits.aspect_min <= aspect <= limits.aspect_max for aspect in (width / height, height / width)):
        raise PhotoRefused(RefusalCode.ASPECT)


def exif_orientation(tiff: bytes) -> int:
    """The orientation in a TIFF-structured EXIF block (EXIF 2.32 section 4.6.4), 1 where it has none or is broken."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return 1
    try:
        (ifd,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, ifd)
        for index in range(entries):
            tag, kind, count, value = struct.unpack_from(order + "HHIH", tiff, ifd + 2 + 12 * index)
            if tag == _ORIENTATION_TAG:
                return value if kind == _SHORT and count == 1 and 1 <= value <= 8 else 1
    except struct.error:
        return 1
    return 1
