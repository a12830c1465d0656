"""Reads the structure of a WebP file (RFC 9649) without decoding its pixels."""

from __future__ import annotations

from transforms.photos.model import Limits, PhotoRefused, RefusalCode
from transforms.photos.source import Source, check_size, exif_orientation

_ANIMATED, _ALPHA = 0x02, 0x10  # flags of VP8X, RFC 9649 section 2.7
_MAX_CHUNKS = 1000
_MAX_ICC_BYTES = 2**21


def is_webp(data: bytes) -> bool:
    """Whether a file begins as a WebP file does."""
    return data[:4] == b"RIFF" and data[8:12] == b"WEBP"


def read_webp(data: bytes, limits: Limits) -> Source:
    """Walks the chunks of a WebP file and keeps the image and its alpha.

    What follows the container is not looked at. Animations are refused: their first frame need not be the picture.

    Raises:
        PhotoRefused: a limit, an animation, a broken or a truncated structure.
    """
    chunks = _chunks(data)
    extended = chunks.get(b"VP8X")
    if extended is not None and len(extended) != 10:
        raise PhotoRefused(RefusalCode.MALFORMED)
    if b"ANIM" in chunks or b"ANMF" in chunks or (extended is not None and extended[0] & _ANIMATED):
        raise PhotoRefused(RefusalCode.CODING)
    lossy, lossless = chunks.get(b"VP8 "), chunks.get(b"VP8L")
    if lossy is not None and lossless is None:
        width, height = _lossy_size(lossy)
        image = _chunk(b"VP8 ", lossy)
        if extended is not None and b"ALPH" in chunks:
            canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
            image = _chunk(b"VP8X", bytes([_ALPHA, 0, 0, 0]) + canvas) + _chunk(b"ALPH", chunks[b"ALPH"]) + image
    elif lossless is not None and lossy is None:
        width, height = _lossless_size(lossless)
        image = _chunk(b"VP8L", lossless)
    else:
        raise PhotoRefused(RefusalCode.MALFORMED)
    if extended is not None and (width, height) != tuple(1 + int.from_bytes(extended[at : at + 3], "little") for at in (4, 7)):
        raise PhotoRefused(RefusalCode.MALFORMED)
    check_size(width, height, limits.webp_pixels, limits)
    profile = chunks.get(b"ICCP", b"")
    return Source(
        "webp",
        b"RIFF" + (4 + len(image)).to_bytes(4, "little") + b"WEBP" + image,
        width,
        height,
        exif_orientation(chunks.get(b"EXIF", b"").removeprefix(b"Exif\0\0")),
        profile if 0 < len(profile) <= _MAX_ICC_BYTES else None,
    )


def _chunks(data: bytes) -> dict[bytes, bytes]:
    """Every chunk of the container by its name; a name that pixels depend on has one chunk only."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise PhotoRefused(RefusalCode.TRUNCATED)
    found: dict[bytes, bytes] = {}
    position = 12
    for _ in range(_MAX_CHUNKS):
        if position >= end:
            return found
        name, length = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        if position + 8 + length > end:
            raise PhotoRefused(RefusalCode.TRUNCATED)
        if name in found and name != b"ANMF":
            raise PhotoRefused(RefusalCode.MALFORMED)
        found[name] = data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2
    raise PhotoRefused(RefusalCode.MALFORMED)


def _lossy_size(chunk: bytes) -> tuple[int, int]:
    """Width and height of a VP8 key frame (RFC 6386 section 9.1); the first partition has to be there."""
    if len(chunk) < 10 or chunk[0] & 1 or chunk[3:6] != b"\x9d\x01\x2a":
        raise PhotoRefused(RefusalCode.MALFORMED)
    if int.from_bytes(chunk[:3], "little") >> 5 > len(chunk) - 10:
        raise PhotoRefused(RefusalCode.TRUNCATED)
    return int.from_bytes(chunk[6:8], "little") & 0x3FFF, int.from_bytes(chunk[8:10], "little") & 0x3FFF


def _lossless_size(chunk: bytes) -> tuple[int, int]:
    """Width and height of a lossless image (RFC 9649 section 3.4): 14 bits each, less one."""
    bits = int.from_bytes(chunk[1:5], "little")
    if len(chunk) < 6 or chunk[0] != 0x2F or bits >> 29:
        raise PhotoRefused(RefusalCode.MALFORMED)
    return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + len(body).to_bytes(4, "little") + body + bytes(len(body) % 2)
