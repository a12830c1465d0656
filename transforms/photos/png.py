"""Reads the structure of a PNG (ISO/IEC 15948) without decoding its pixels."""

from __future__ import annotations

import struct
import zlib

from transforms.photos.model import Limits, PhotoRefused, RefusalCode
from transforms.photos.source import Source, check_size, exif_orientation

MAGIC = b"\x89PNG\r\n\x1a\n"

_GREY, _RGB, _PALETTE = 0, 2, 3
_DEPTHS = {_GREY: (1, 2, 4, 8, 16), _RGB: (8, 16), _PALETTE: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_MAX_CHUNKS = 50_000
_MAX_ICC_BYTES = 2**21
_READ = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"iCCP", b"eXIf"})


def read_png(data: bytes, limits: Limits) -> Source:
    """Walks the chunks of a PNG and keeps what the pixels of its first image depend on.

    Animation chunks go, so what is left of an APNG is its default image. Text, time and private chunks are not looked at.

    Raises:
        PhotoRefused: a limit, a kind that PNG does not have, a broken checksum or a truncated structure.
    """
    chunks: dict[bytes, bytes] = {}
    image: list[memoryview] = []
    view = memoryview(data)
    position = len(MAGIC)
    previous = b""
    for number in range(_MAX_CHUNKS):
        if position + 12 > len(data):
            raise PhotoRefused(RefusalCode.TRUNCATED)
        length, name = struct.unpack_from(">I4s", data, position)
        body = view[position + 8 : position + 8 + length]
        position += 12 + length
        if position > len(data):
            raise PhotoRefused(RefusalCode.TRUNCATED)
        if (number == 0) != (name == b"IHDR") or (name == b"IDAT" and image and previous != b"IDAT"):
            raise PhotoRefused(RefusalCode.MALFORMED)
        previous = name
        if name not in _READ:
            if not name[0] & 0x20:  # upper case: critical, so the pixels depend on something unknown
                raise PhotoRefused(RefusalCode.MALFORMED)
            continue
        if zlib.crc32(body, zlib.crc32(name)) != int.from_bytes(view[position - 4 : position]):
            raise PhotoRefused(RefusalCode.MALFORMED)
        if name == b"IEND":
            break
        if name == b"IHDR":
            _check_header(bytes(body), limits)
        if name == b"IDAT":
            image.append(body)
        elif name in chunks:
            raise PhotoRefused(RefusalCode.MALFORMED)
        else:
            chunks[name] = bytes(body)
    else:
        raise PhotoRefused(RefusalCode.MALFORMED)
    width, height, depth, colour = struct.unpack_from(">IIBB", chunks[b"IHDR"])
    palette = chunks.get(b"PLTE", b"")
    if not image or len(palette) % 3 or len(palette) > 768 or (colour == _PALETTE and not palette):
        raise PhotoRefused(RefusalCode.MALFORMED)
    transparency = chunks.get(b"tRNS")
    kept = [MAGIC, _chunk(b"IHDR", chunks[b"IHDR"])]
    if colour == _PALETTE:
        kept.append(_chunk(b"PLTE", palette))
        if transparency:
            kept.append(_chunk(b"tRNS", transparency[: len(palette) // 3]))
    kept += (_chunk(b"IDAT", b"".join(image)), _chunk(b"IEND", b""))
    return Source(
        "png",
        b"".join(kept),
        width,
        height,
        exif_orientation(chunks.get(b"eXIf", b"")),
        _inflate_profile(chunks.get(b"iCCP", b"")),
        _colour_key(colour, depth, transparency),
    )


def _check_header(header: bytes, limits: Limits) -> None:
    if len(header) != 13:
        raise PhotoRefused(RefusalCode.MALFORMED)
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", header)
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise PhotoRefused(RefusalCode.CODING)
    check_size(width, height, limits.png_pixels, limits)


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))


def _colour_key(colour: int, depth: int, transparency: bytes | None) -> tuple[int, ...] | None:
    """The transparent sample values as 8-bit samples; of 16-bit samples the upper half, which is what is decoded."""
    samples = {_GREY: 1, _RGB: 3}.get(colour)
    if samples is None or transparency is None or len(transparency) != 2 * samples:
        return None
    values = struct.unpack(f">{samples}H", transparency)
    if depth == 16:
        return tuple(value >> 8 for value in values)
    top = (1 << depth) - 1
    return tuple((value & top) * 255 // top for value in values)


def _inflate_profile(chunk: bytes) -> bytes | None:
    """The ICC profile of an iCCP chunk; None if it is broken or inflates to more than a profile ever has."""
    _name, separator, rest = chunk.partition(b"\0")
    if not separator or rest[:1] != b"\0":
        return None
    inflater = zlib.decompressobj()
    try:
        profile = inflater.decompress(rest[1:], _MAX_ICC_BYTES)
    except zlib.error:
        return None
    return profile if inflater.eof else None
