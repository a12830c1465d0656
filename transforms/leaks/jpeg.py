"""A photo as a stranger takes it apart: the segments of a JPEG (ITU-T T.81), and room in it for anything but a picture."""

from __future__ import annotations

import re
from collections.abc import Iterator

from transforms.leaks.findings import Check
from transforms.leaks.words import Words
from transforms.policy.model import PhotoSpec

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_APP0, _DQT, _SOF0, _DHT, _SOS = 0xE0, 0xDB, 0xC0, 0xC4, 0xDA
_ALLOWED = (_APP0, _DQT, _SOF0, _DHT, _SOS)
_ONCE = (_APP0, _SOF0, _SOS)
_SCAN_END = re.compile(rb"\xff[^\x00]")
_OTHER_KINDS = (b"PK\x03\x04", b"%PDF", b"<?php", b"<script", b"MZ")
# Picture data spells short words by chance; twelve letters in a row in one end in 800,000, a word that is then nobody's.
_LONG_TEXT = re.compile(rb"[ .,_@0-9A-Za-z-]*(?:[0-9]{7}|[A-Za-z]{12})[ .,_@0-9A-Za-z-]*")
_SCAN_TAIL = 256
_MOST_HIDDEN = 1 << 16


class PhotoSegments(Check):
    """A JPEG has a segment other than APP0, DQT, SOF0, DHT and SOS, such as a comment, EXIF or a profile [I4]."""

    rule = "jpeg-segment"


class PhotoHeader(Check):
    """The JFIF segment says more than the policy's density: a thumbnail, or bytes that are not JFIF's [I4]."""

    rule = "jpeg-jfif"


class PhotoTables(Check):
    """A quantiser or Huffman segment has room for more than its tables."""

    rule = "jpeg-tables"


class PhotoSize(Check):
    """A picture has not the policy's pixels, or another number of components or sampling [I1, I2, I3]."""

    rule = "jpeg-size"


class PhotoBytes(Check):
    """A photo is larger than the policy's byte budget."""

    rule = "jpeg-bytes"


class PhotoEnd(Check):
    """Something follows the end of the picture [I4, I12]."""

    rule = "jpeg-trailing-bytes"


class PhotoStructure(Check):
    """A file is not one whole baseline JPEG."""

    rule = "jpeg-structure"


class PhotoPolyglot(Check):
    """A header segment holds the first bytes of another kind of file [I12]."""

    rule = "jpeg-polyglot"


class PhotoReader:
    """Takes photos apart, one after the other."""

    def __init__(self, spec: PhotoSpec, words: Words) -> None:
        self._spec = spec
        self._words = words
        self._segments = PhotoSegments()
        self._jfif = PhotoHeader()
        self._tables = PhotoTables()
        self._size = PhotoSize()
        self._bytes = PhotoBytes()
        self._end = PhotoEnd()
        self._structure = PhotoStructure()
        self._polyglot = PhotoPolyglot()

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks that every photo goes through."""
        return (
            self._segments, self._jfif, self._tables, self._size, self._bytes, self._end, self._structure, self._polyglot,
        )  # fmt: skip

    def read(self, data: bytes, place: str) -> None:
        """Checks one photo."""
        for check in self.checks:
            check.examine()
        if len(data) > self._spec.max_bytes:
            self._bytes.found(place)
        seen: list[int] = []
        scan = len(data)
        for marker, start, payload in _segments(data):
            seen.append(marker)
            scan = start + 4 + len(payload)
            self._check_segment(marker, payload, place)
        if any(string in data[:scan] for string in _OTHER_KINDS):
            self._polyglot.found(place)
        in_order = [marker for marker in seen if marker in (_APP0, _SOF0, _SOS)]
        if in_order != list(_ONCE) or seen[0] != _APP0 or not {_DQT, _DHT} <= set(seen):
            self._structure.found(place)
        end = _SCAN_END.search(data, scan)
        if end is None or end.start() == scan or not data.startswith(_EOI, end.start()):
            self._structure.found(place)
        self._search_scan(data[scan : end.start() if end else len(data)], place)
        # What follows is looked at wherever the picture ends, and the whole of a file that has no picture.
        trailing = data[end.start() + 2 :] if end else b""
        if trailing:
            self._end.found(place)
            self._hidden(trailing, f"{place}, after the end")
        if not seen:
            self._hidden(data, place)

    def _search_scan(self, entropy: bytes, place: str) -> None:
        """Texts between the last code of a picture and its end marker, which decoders skip."""
        for run in _LONG_TEXT.findall(entropy[-_SCAN_TAIL:]):
            self._words.add(run.decode("ascii"), f"{place}, the end of the picture")

    def _check_segment(self, marker: int, payload: bytes, place: str) -> None:
        if marker not in _ALLOWED:
            self._segments.found(place)
            self._hidden(payload, f"{place}, a segment")
        elif marker == _APP0 and payload != b"JFIF\0\1\1\1" + self._spec.dpi.to_bytes(2) * 2 + b"\0\0":
            self._jfif.found(place)
            self._hidden(payload, f"{place}, a segment")
        elif (marker == _DQT and not _is_quantisers(payload)) or (marker == _DHT and not _is_codes(payload)):
            self._tables.found(place)
            self._hidden(payload, f"{place}, a segment")
        elif marker == _SOF0 and not self._is_frame(payload):
            self._size.found(place)
        elif marker == _SOS and (len(payload) != 10 or payload[0] != 3 or payload[7:] != b"\0\x3f\0"):
            self._structure.found(place)

    def _is_frame(self, payload: bytes) -> bool:
        """Whether a frame has three 8-bit components without subsampling and the print's size, or less in its aspect [I2]."""
        if len(payload) != 15 or payload[0] != 8 or payload[5] != 3 or payload[7::3] != b"\x11\x11\x11":
            return False
        height, width = int.from_bytes(payload[1:3]), int.from_bytes(payload[3:5])
        most_wide, most_high = self._spec.width_px, self._spec.height_px
        if not (0 < width <= most_wide and 0 < height <= most_high):
            return False
        # Each side of a small picture is rounded to a pixel, so the aspect is off by half a pixel a side at most.
        return abs(width * most_high - height * most_wide) * 2 <= most_wide + most_high

    def _hidden(self, data: bytes, place: str) -> None:
        """Texts in bytes that should not be there, as search words."""
        self._words.add_bytes(data[:_MOST_HIDDEN], place)


def _segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Marker, offset and payload of each segment up to the first scan, as far as there are any."""
    position = 2 if data.startswith(_SOI) else len(data)
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4])
        if not 0xC0 <= marker <= 0xFE or end > len(data) or end < position + 4:
            return
        yield marker, position, data[position + 4 : end]
        if marker == _SOS:
            return
        position = end


def _is_quantisers(payload: bytes) -> bool:
    return len(payload) > 0 and len(payload) % 65 == 0 and all(table < 4 for table in payload[::65])


def _is_codes(payload: bytes) -> bool:
    position = 0
    while position + 17 <= len(payload) and payload[position] in (0x00, 0x01, 0x10, 0x11):
        position += 17 + sum(payload[position + 1 : position + 17])
    return 0 < position == len(payload)
