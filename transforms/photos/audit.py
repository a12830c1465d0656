"""A marker parser of our own over every JPEG that is about to leave; it shares no code with what wrote it [I4, I12]."""

from __future__ import annotations

from transforms.photos.model import PhotoRefused, PrintSpec, RefusalCode

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_APP0, _DQT, _SOF0, _DHT, _SOS = 0xE0, 0xDB, 0xC0, 0xC4, 0xDA
_POLYGLOTS = (b"PK\x03\x04", b"%PDF", b"<?php", b"<script", b"MZ")
# SOI, APP0, the tables, SOF0, the tables, SOS, each class once and in this order, as ISO/IEC 10918-1 figure B.2 has it.
_STAGES = {_APP0: 0, _DQT: 1, _SOF0: 2, _DHT: 3, _SOS: 4}
_SCAN = b"\x3f\x00"  # Se, Ah and Al of a sequential scan: all coefficients at full precision


def audit(jpeg: bytes, spec: PrintSpec, size: tuple[int, int] | None = None) -> None:
    """Checks that a JPEG holds a picture and nothing else.

    Exactly SOI, one 16-byte JFIF APP0 with the spec's density and no thumbnail, DQT, one SOF0 with the expected size and three
    8-bit components without subsampling, DHT, one SOS, entropy-coded data without a marker, EOI, and not a byte more; no
    string in the header that another kind of file starts with; no more bytes than the spec's budget.

    Args:
        jpeg: the output.
        spec: the print that it is for.
        size: width and height in pixels where they are not the spec's: a small source keeps its own pixels.

    Raises:
        PhotoRefused: with the code `failed-output-audit`, whatever is wrong.
    """
    if not _holds(jpeg, spec, size or (spec.width_px, spec.height_px)):
        raise PhotoRefused(RefusalCode.AUDIT)


def _holds(jpeg: bytes, spec: PrintSpec, size: tuple[int, int]) -> bool:
    if len(jpeg) > spec.max_bytes or not jpeg.startswith(_SOI):
        return False
    position, stage, seen = 2, 0, []
    while True:
        if len(jpeg) < position + 4 or jpeg[position] != 0xFF:
            return False
        marker = jpeg[position + 1]
        end = position + 2 + int.from_bytes(jpeg[position + 2 : position + 4])
        payload = jpeg[position + 4 : end]
        if end > len(jpeg) or _STAGES.get(marker, -1) < stage or not _segment_holds(marker, payload, spec, size):
            return False
        stage = _STAGES[marker]
        seen.append(marker)
        position = end
        if marker == _SOS:
            break
    header_holds = set(seen) == set(_STAGES) and all(seen.count(once) == 1 for once in (_APP0, _SOF0, _SOS))
    # In entropy-coded data a 0xFF is followed by a zero: the first that is not ends the scan, and must end the file.
    scan = jpeg[position:-2]
    scan_holds = jpeg.endswith(_EOI) and len(scan) > 0 and scan.count(b"\xff") == scan.count(b"\xff\x00")
    return header_holds and scan_holds and not any(string in jpeg[:position] for string in _POLYGLOTS)


def _segment_holds(marker: int, payload: bytes, spec: PrintSpec, size: tuple[int, int]) -> bool:
    if marker == _APP0:
        density = spec.dpi.to_bytes(2)
        return payload == b"JFIF\x00\x01\x01\x01" + density + density + b"\x00\x00"
    if marker == _SOF0:
        width, height = size
        components = payload[6:]
        return (
            payload[:6] == b"\x08" + height.to_bytes(2) + width.to_bytes(2) + b"\x03"
            and len(components) == 9
            and components[1::3] == b"\x11\x11\x11"
        )
    if marker == _DQT:
        return _quantisers_hold(payload)
    if marker == _DHT:
        return _codes_hold(payload)
    return len(payload) == 10 and payload[0] == 3 and payload[-3:] == b"\x00" + _SCAN


def _quantisers_hold(payload: bytes) -> bool:
    """8-bit tables of 64 steps each fill the segment, so that it has no room for anything else."""
    return len(payload) > 0 and len(payload) % 65 == 0 and all(table in range(4) for table in payload[::65])


def _codes_hold(payload: bytes) -> bool:
    """Huffman tables whose counts add up to the symbols that follow fill the segment."""
    position = 0
    while position < len(payload):
        table, counts = payload[position], payload[position + 1 : position + 17]
        if len(counts) != 16 or table not in (0x00, 0x01, 0x10, 0x11) or not 0 < sum(counts) <= 162:
            return False
        position += 17 + sum(counts)
    return position == len(payload) > 0
