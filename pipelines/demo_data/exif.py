"""Writes the EXIF block of a synthetic photo: everything that a camera tells and a supplier must never hear.

TIFF 6.0 and CIPA DC-008: a main directory, its Exif and GPS directories, and a second directory with a thumbnail. Pillow reads
thumbnails but does not write them, so the bytes are laid out here.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL = 1, 2, 3, 4, 5
_HEADER = b"II*\x00\x08\x00\x00\x00"
_EXIF_IFD, _GPS_IFD, _THUMBNAIL_AT, _THUMBNAIL_BYTES = 0x8769, 0x8825, 0x0201, 0x0202

Entry = tuple[int, int, int, bytes]  # tag, type, count, value


@dataclass(frozen=True, slots=True)
class Exif:
    """What one photo says about itself; degrees north and east, date as `YYYY:MM:DD HH:MM:SS`."""

    make: str
    model: str
    serial: str
    artist: str
    date: str
    unique_id: str
    orientation: int
    latitude: float
    longitude: float
    thumbnail: bytes


def encode(exif: Exif) -> bytes:
    """The block as JPEG's APP1 and Pillow want it, with its `Exif` prefix."""
    main = [
        _text(0x010F, exif.make),
        _text(0x0110, exif.model),
        _short(0x0112, exif.orientation),
        _text(0x0131, "demo-data"),
        _text(0x0132, exif.date),
        _text(0x013B, exif.artist),
    ]
    details = [_text(0x9003, exif.date), _text(0xA420, exif.unique_id), _text(0xA431, exif.serial)]
    gps = [
        (0x0000, _BYTE, 4, b"\x02\x03\x00\x00"),
        _text(0x0001, "N" if exif.latitude >= 0 else "S"),
        _degrees(0x0002, exif.latitude),
        _text(0x0003, "E" if exif.longitude >= 0 else "W"),
        _degrees(0x0004, exif.longitude),
        _text(0x001D, exif.date[:10]),
    ]
    small = [_short(0x0103, 6), _long(_THUMBNAIL_AT, 0), _long(_THUMBNAIL_BYTES, len(exif.thumbnail))]

    # Sizes do not depend on the offsets that are filled in, so a first layout with zeros finds them.
    main_at = len(_HEADER)
    links = [_long(_EXIF_IFD, 0), _long(_GPS_IFD, 0)]
    details_at = main_at + len(_directory(main + links, main_at, 0))
    gps_at = details_at + len(_directory(details, details_at, 0))
    small_at = gps_at + len(_directory(gps, gps_at, 0))
    thumbnail_at = small_at + len(_directory(small, small_at, 0))
    small[1] = _long(_THUMBNAIL_AT, thumbnail_at)
    links = [_long(_EXIF_IFD, details_at), _long(_GPS_IFD, gps_at)]
    return b"".join(
        (
            b"Exif\x00\x00",
            _HEADER,
            _directory(main + links, main_at, small_at),
            _directory(details, details_at, 0),
            _directory(gps, gps_at, 0),
            _directory(small, small_at, 0),
            exif.thumbnail,
        )
    )


def _directory(entries: Sequence[Entry], at: int, following: int) -> bytes:
    """One directory that starts at byte `at`, with the values that do not fit into four bytes behind it."""
    behind_at = at + 2 + 12 * len(entries) + 4
    table, behind = struct.pack("<H", len(entries)), b""
    for tag, kind, count, value in entries:
        if len(value) <= 4:
            field = value.ljust(4, b"\x00")
        else:
            field = struct.pack("<L", behind_at + len(behind))
            behind += value + b"\x00" * (len(value) % 2)
        table += struct.pack("<HHL", tag, kind, count) + field
    return table + struct.pack("<L", following) + behind


def _text(tag: int, value: str) -> Entry:
    data = value.encode("ascii") + b"\x00"
    return tag, _ASCII, len(data), data


def _short(tag: int, value: int) -> Entry:
    return tag, _SHORT, 1, struct.pack("<H", value)


def _long(tag: int, value: int) -> Entry:
    return tag, _LONG, 1, struct.pack("<L", value)


def _degrees(tag: int, value: float) -> Entry:
    seconds = round(abs(value) * 3600 * 100)
    return tag, _RATIONAL, 3, struct.pack("<6L", seconds // 360000, 1, seconds // 6000 % 60, 1, seconds % 6000, 100)
