"""An archive of photos as a stranger takes it apart from its first byte: each is an entry's, or a finding [R9, I13, I19]."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO

from transforms.leaks.findings import Check
from transforms.leaks.words import Words

ARCHIVE_NAME = re.compile(r"photos-([0-9]{3})\.zip")
_LARGEST = 1_000_000_000
_LARGEST_ENTRY = 1 << 24
_MOST_HIDDEN = 1 << 16
_ZERO_TIME = b"\0\0\x21\0"  # 00:00 on 1 January 1980
_LOCAL, _CENTRAL, _END = b"PK\3\4", b"PK\1\2", b"PK\5\6"

Saw = Callable[[bytes], None]


class ArchiveStructure(Check):
    """An archive is not entries, their directory and its end, all of them in agreement."""

    rule = "zip-structure"


class ArchiveEntries(Check):
    """An entry of an archive is compressed, encrypted, or its checksum is wrong."""

    rule = "zip-entry"


class ArchiveTimes(Check):
    """An entry carries a time [I13]."""

    rule = "zip-time"


class ArchiveExtras(Check):
    """An entry or an archive carries a comment, an extra field, attributes, or the system that made it."""

    rule = "zip-extra"


class ArchiveGaps(Check):
    """Bytes of an archive belong to no entry: before, between or behind them, or after the end."""

    rule = "zip-gap"


class ArchiveNames(Check):
    """An entry has a name that is no photo's, or one that is there already."""

    rule = "zip-name"


class ArchiveOrder(Check):
    """Entries are not in the order of their names, which says something of the export's order [I19]."""

    rule = "zip-order"


class ArchiveSize(Check):
    """An archive has more than 1 GB."""

    rule = "zip-size"


class ArchiveReader:
    """Takes archives apart, one after the other in the order of their names."""

    def __init__(self, is_photo: Callable[[str], bool], words: Words) -> None:
        self._is_photo = is_photo
        self._words = words
        self._structure = ArchiveStructure()
        self._entries = ArchiveEntries()
        self._times = ArchiveTimes()
        self._extras = ArchiveExtras()
        self._gaps = ArchiveGaps()
        self._names = ArchiveNames()
        self._order = ArchiveOrder()
        self._size = ArchiveSize()
        self._last = ""

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks that every archive goes through."""
        return (
            self._structure, self._entries, self._times, self._extras, self._gaps, self._names, self._order, self._size,
        )  # fmt: skip

    def read(self, source: BinaryIO, size: int, place: str, saw: Saw) -> Iterator[tuple[str, str, bytes]]:
        """The photos of one archive: name, place and bytes; what is no photo is found, and its words are searched.

        Args:
            source: the archive, at its start.
            size: its bytes.
            place: its name.
            saw: is given every byte of the file once.
        """
        for check in (self._structure, self._gaps, self._size):
            check.examine()
        if size > _LARGEST:
            self._size.found(place)
        stream = _Stream(source, saw)
        directory: list[bytes] = []
        while stream.peek(4) == _LOCAL:
            at = stream.position
            head = stream.take(30)
            length, name_length, extra_length = (int.from_bytes(head[a:b], "little") for a, b in ((18, 22), (26, 28), (28, 30)))
            if len(head) < 30 or length > _LARGEST_ENTRY:
                self._structure.found(place)
                break
            name, extra, data = stream.take(name_length), stream.take(extra_length), stream.take(length)
            photo = self._photo_name(name, place)
            where = f"{place}/{photo}" if photo else f"{place}, an entry"
            self._entry(head[4:30], extra, data, place)
            # What the directory must say of this entry: made by nobody, no comment, on the first disk, without attributes.
            directory.append(b"\x0a\0" + head[4:28] + bytes(12) + at.to_bytes(4, "little") + name)
            if photo:
                yield photo, where, data
            else:
                self._hide(data, where)
        self._end(stream, directory, place)
        if rest := stream.take(_MOST_HIDDEN):
            self._gaps.found(place)
            self._hide(rest, f"{place}, after the end")
        while stream.take(1 << 20):  # the digest is of all bytes, also of those that nobody can explain
            pass

    def _photo_name(self, name: bytes, place: str) -> str | None:
        """The name of an entry, if it is that of a photo and has not been there: a place never shows another."""
        self._names.examine()
        self._order.examine()
        text = name.decode("ascii", "replace")
        if not self._is_photo(text) or text == self._last:
            self._names.found(place)
            self._words.add_bytes(name, f"{place}, a name")
            return None
        if text < self._last:
            self._order.found(place)
        self._last = text
        return text

    def _entry(self, head: bytes, extra: bytes, data: bytes, place: str) -> None:
        """The header behind its mark: version, flags, method, time and date, checksum, two sizes, two lengths."""
        for check in (self._entries, self._times, self._extras):
            check.examine()
        version, flags, method, stamp, checksum = head[0:2], head[2:4], head[4:6], head[6:10], head[10:14]
        plain = (flags, method, head[14:18]) == (b"\0\0", b"\0\0", head[18:22])
        if not plain or version != b"\x0a\0" or zlib.crc32(data) != int.from_bytes(checksum, "little"):
            self._entries.found(place)
        if stamp != _ZERO_TIME:
            self._times.found(place)
        if extra:
            self._extras.found(place)
            self._hide(extra, place)

    def _end(self, stream: _Stream, directory: list[bytes], place: str) -> None:
        """The directory and the end of an archive, held to what its entries say."""
        start = stream.position
        self._extras.examine()
        for expected in directory:
            if stream.peek(4) != _CENTRAL:
                break
            head = stream.take(46)
            lengths = [int.from_bytes(head[at : at + 2], "little") for at in (28, 30, 32)]
            name, extra, comment = (stream.take(length) for length in lengths)
            if extra or comment or head[4:6] != b"\x0a\0" or any(head[34:42]):
                self._extras.found(place)
                self._hide(extra + comment, place)
            if head[12:16] != _ZERO_TIME:
                self._times.found(place)
            # Everything but what was looked at just now, so that each thing wrong has its own rule.
            if (head[6:12], head[16:30], head[42:46], name) != (expected[2:8], expected[12:26], expected[38:42], expected[42:]):
                self._structure.found(place)
                self._hide(name, place)
        size, count = stream.position - start, len(directory)
        if stream.peek(4) != _END:
            self._structure.found(place)
            return
        end = stream.take(22)
        counts = count.to_bytes(2, "little") if count < 1 << 16 else b""
        if end[4:20] != bytes(4) + counts * 2 + size.to_bytes(4, "little") + start.to_bytes(4, "little"):
            self._structure.found(place)
        if end[20:] != bytes(2):  # a length that is cut off, or of a comment that may be
            self._extras.found(place)
            self._hide(stream.take(int.from_bytes(end[20:], "little")), place)

    def _hide(self, data: bytes, place: str) -> None:
        """Texts in bytes that should not be there, one byte a character or two, as search words."""
        self._words.add_bytes(data[:_MOST_HIDDEN], place)


class _Stream:
    """A file read once from start to end, with a look ahead."""

    def __init__(self, source: BinaryIO, saw: Saw) -> None:
        self._source = source
        self._saw = saw
        self._ahead = b""
        self.position = 0

    def peek(self, length: int) -> bytes:
        if len(self._ahead) < length:
            more = self._source.read(length - len(self._ahead))
            self._saw(more)
            self._ahead += more
        return self._ahead[:length]

    def take(self, length: int) -> bytes:
        taken = self._ahead[:length]
        self._ahead = self._ahead[length:]
        if len(taken) < length:
            more = self._source.read(length - len(taken))
            self._saw(more)
            taken += more
        self.position += len(taken)
        return taken
