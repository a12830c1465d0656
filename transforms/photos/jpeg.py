"""Reads the structure of a JPEG (ITU-T T.81) without decoding it."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field

from transforms.photos.model import Limits, PhotoRefused, RefusalCode
from transforms.photos.source import Source, check_size, exif_orientation

MAGIC = b"\xff\xd8\xff"

_SOF0, _SOF1, _SOF2, _DHT, _EOI, _SOS, _DQT, _DRI = 0xC0, 0xC1, 0xC2, 0xC4, 0xD9, 0xDA, 0xDB, 0xDD
_APP0, _APP1, _APP2, _APP14, _COM = 0xE0, 0xE1, 0xE2, 0xEE, 0xFE
_OTHER_CODINGS = frozenset({0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCC, 0xCD, 0xCE, 0xCF, 0xDC, 0xDE, 0xDF})
_MAX_SEGMENTS = 1000  # progressive files of 100 scans have some 220; a camera's APP segments add some 160 in 10 MB
_MAX_ICC_BYTES = 2**21
_FILL = re.compile(rb"\xff+")
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# A decoder that has no end marker stops and asks for more where data were cut off, instead of painting the rest grey.
# Its bit buffer reads 8 bytes ahead; with that much padding a whole scan decodes to the end.
_READ_AHEAD = bytes(8)


@dataclass(slots=True)
class _Frame:
    """The frame header, and how precisely each coefficient of each component has been sent so far."""

    progressive: bool
    width: int
    height: int
    components: tuple[int, ...]
    coefficient_bytes: int
    sent: dict[int, list[int | None]] = field(default_factory=dict)

    def scan(self, payload: bytes) -> int:
        """Notes what a scan header says it sends; returns how many components the scan has."""
        count = payload[0] if payload else 0
        if not 1 <= count <= 4 or len(payload) != 4 + 2 * count:
            raise PhotoRefused(RefusalCode.MALFORMED)
        first, last, bits = payload[1 + 2 * count :]
        if not first <= last <= 63:
            raise PhotoRefused(RefusalCode.MALFORMED)
        for component in payload[1 : 1 + 2 * count : 2]:
            if component not in self.sent:
                raise PhotoRefused(RefusalCode.MALFORMED)
            span = slice(first, last + 1) if self.progressive else slice(0, 64)
            precision = bits & 15 if self.progressive else 0
            self.sent[component][span] = [precision] * len(range(64)[span])
        return count

    def complete(self) -> bool:
        return all(bits == 0 for coefficients in self.sent.values() for bits in coefficients)


def read_jpeg(data: bytes, limits: Limits) -> Source:
    """Walks the markers of a JPEG and keeps what pixels depend on.

    Only 8-bit baseline, extended sequential and progressive Huffman coding with 1, 3 or 4 components is read. What follows
    the first end marker (further frames, archives) is not looked at. A picture is whole only if its scans send every
    coefficient of every component.

    Raises:
        PhotoRefused: a limit, a coding that is not read, a broken or a truncated structure.
    """
    frame: _Frame | None = None
    kept: list[bytes | memoryview] = [b"\xff\xd8"]
    view = memoryview(data)
    icc: dict[int, tuple[int, bytes]] = {}
    orientation: int | None = None
    scans = 0
    single_scan = False
    position = 2
    for _ in range(_MAX_SEGMENTS):
        fill = _FILL.match(data, position)
        if fill is None:
            raise PhotoRefused(RefusalCode.MALFORMED if position < len(data) else RefusalCode.TRUNCATED)
        start = fill.end()
        if start >= len(data):
            raise PhotoRefused(RefusalCode.TRUNCATED)
        marker = data[start]
        if marker == _EOI:
            break
        if marker in _OTHER_CODINGS:
            raise PhotoRefused(RefusalCode.CODING)
        if marker < _SOF0 or 0xD0 <= marker <= 0xD8 or 0xF0 <= marker < _COM:
            raise PhotoRefused(RefusalCode.MALFORMED)
        if start + 3 > len(data):
            raise PhotoRefused(RefusalCode.TRUNCATED)
        end = start + 1 + int.from_bytes(view[start + 1 : start + 3])
        if end < start + 3:
            raise PhotoRefused(RefusalCode.MALFORMED)
        if end > len(data):
            raise PhotoRefused(RefusalCode.TRUNCATED)
        payload = data[start + 3 : end]
        position = end
        if marker in (_SOF0, _SOF1, _SOF2):
            if frame is not None:
                raise PhotoRefused(RefusalCode.MALFORMED)
            frame = _read_frame(marker, payload, limits)
        elif marker == _SOS:
            scans += 1
            if frame is None:
                raise PhotoRefused(RefusalCode.MALFORMED)
            if scans > limits.scans:
                raise PhotoRefused(RefusalCode.TOO_MANY_SCANS)
            count = frame.scan(payload)
            if (frame.progressive or count < len(frame.components)) and frame.coefficient_bytes > limits.coefficient_bytes:
                raise PhotoRefused(RefusalCode.TOO_MANY_PIXELS)
            single_scan = count == len(frame.components) and not frame.progressive
            after = _MARKER_IN_SCAN.search(data, end)
            if after is None:
                raise PhotoRefused(RefusalCode.TRUNCATED)
            position = after.start()
        elif marker == _APP1 and orientation is None and payload.startswith(b"Exif\0"):
            orientation = exif_orientation(payload[6:])
        elif marker == _APP2 and payload.startswith(b"ICC_PROFILE\0") and len(payload) > 14:
            icc.setdefault(payload[12], (payload[13], payload[14:]))
        if marker in (_SOF0, _SOF1, _SOF2, _SOS, _DHT, _DQT, _DRI):
            kept += (b"\xff", view[start:position])
        elif marker == _APP0 and payload.startswith(b"JFIF\0") and len(payload) >= 14:
            kept.append(b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0")  # says that the colours are YCbCr
        elif marker == _APP14 and payload.startswith(b"Adobe") and len(payload) >= 12:
            kept += (b"\xff\xee\0\x0e", payload[:12])  # says which transform the colours have
    else:
        raise PhotoRefused(RefusalCode.MALFORMED)
    if frame is None or not scans:
        raise PhotoRefused(RefusalCode.MALFORMED)
    if not frame.complete():
        raise PhotoRefused(RefusalCode.TRUNCATED)
    kept.append(_READ_AHEAD if single_scan and scans == 1 else b"\xff\xd9")
    return Source("jpeg", b"".join(kept), frame.width, frame.height, orientation or 1, _join_profile(icc))


def _read_frame(marker: int, payload: bytes, limits: Limits) -> _Frame:
    if len(payload) < 6:
        raise PhotoRefused(RefusalCode.MALFORMED)
    precision, height, width, count = struct.unpack_from(">BHHB", payload)
    if len(payload) != 6 + 3 * count:
        raise PhotoRefused(RefusalCode.MALFORMED)
    if precision != 8 or count not in (1, 3, 4):
        raise PhotoRefused(RefusalCode.CODING)
    check_size(width, height, limits.jpeg_pixels, limits)
    components = tuple(payload[6::3])
    if len(set(components)) != count:
        raise PhotoRefused(RefusalCode.MALFORMED)
    held = _coefficient_bytes(width, height, payload[7::3])
    return _Frame(marker == _SOF2, width, height, components, held, {c: [None] * 64 for c in components})


def _coefficient_bytes(width: int, height: int, sampling: bytes) -> int:
    """What a decoder holds in memory when a picture comes in several scans, at any scale: two bytes for each coefficient."""
    across, down = [factors >> 4 for factors in sampling], [factors & 15 for factors in sampling]
    if not all(1 <= factor <= 4 for factor in (*across, *down)):
        raise PhotoRefused(RefusalCode.MALFORMED)
    blocks = sum(-(-width * h // (8 * max(across))) * -(-height * v // (8 * max(down))) for h, v in zip(across, down, strict=True))
    return 128 * blocks


def _join_profile(parts: dict[int, tuple[int, bytes]]) -> bytes | None:
    """The ICC profile (ICC.1 annex B.4) if all its chunks are there, else None."""
    if not parts or set(parts) != set(range(1, len(parts) + 1)) or {total for total, _ in parts.values()} != {len(parts)}:
        return None
    profile = b"".join(parts[number][1] for number in sorted(parts))
    return profile if len(profile) <= _MAX_ICC_BYTES else None
