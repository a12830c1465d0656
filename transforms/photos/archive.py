"""Photos as ZIP archives that say nothing but names and pixels (APPNOTE.TXT 6.3.10, the part that every reader knows)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

MOST_BYTES = 1_000_000_000  # of one archive: what mail gateways, FAT and 32-bit readers still take
_MOST_ENTRIES = 65_534  # of an archive without ZIP64: one more says to readers that there is a record with the true number
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION = 10  # stored files, no directories; made by host 0, which has no owner and no mode to tell
_TIME, _DATE = 0, 0x0021  # 00:00 on 1 January 1980, the format's zero


def archive_name(number: int) -> str:
    """The file name of the archive of that number, from 0."""
    return f"photos-{number:03}.zip"


def write_archives(folder: Path, photos: Iterable[tuple[str, Path]], most_bytes: int = MOST_BYTES) -> int:
    """Writes photos into `photos-000.zip`, `photos-001.zip` and so on, in the order given; one photo is in memory at a time.

    Entries are stored, not compressed: a JPEG hardly shrinks, and what is in a file can be searched. They have no time, no extra
    field, no attribute and no comment, and nothing lies between them, so the bytes follow from names, photos and order alone.

    Args:
        folder: an existing directory without archives.
        photos: name in the archive (ASCII, no folder) and where the bytes are.
        most_bytes: the most bytes of one archive, its directory included; an archive has one photo at least.

    Returns:
        The number of archives: none without photos.
    """
    number = 0
    writer: _Writer | None = None
    try:
        for name, path in photos:
            data = path.read_bytes()
            if writer is not None and not writer.has_room(name, data, most_bytes):
                writer.close()
                writer = None
            if writer is None:
                writer = _Writer((folder / archive_name(number)).open("xb"))
                number += 1
            writer.add(name, data)
        if writer is not None:
            writer.close()
            writer = None
    finally:
        if writer is not None:
            writer.out.close()
    return number


class _Writer:
    def __init__(self, out: BinaryIO) -> None:
        self.out = out
        self._size = 0
        self._directory: list[bytes] = []
        self._directory_size = 0

    def has_room(self, name: str, data: bytes, most_bytes: int) -> bool:
        entry = _LOCAL.size + len(name) + len(data) + _CENTRAL.size + len(name)
        return self._size + self._directory_size + entry + _END.size <= most_bytes and len(self._directory) < _MOST_ENTRIES

    def add(self, name: str, data: bytes) -> None:
        encoded = name.encode("ascii")
        shared = (_VERSION, 0, 0, _TIME, _DATE, zlib.crc32(data), len(data), len(data), len(encoded), 0)
        central = _CENTRAL.pack(b"PK\1\2", _VERSION, *shared, 0, 0, 0, 0, self._size) + encoded
        self._directory.append(central)
        self._directory_size += len(central)
        self.out.write(_LOCAL.pack(b"PK\3\4", *shared) + encoded)
        self.out.write(data)
        self._size += _LOCAL.size + len(encoded) + len(data)

    def close(self) -> None:
        count = len(self._directory)
        self.out.writelines(self._directory)
        self.out.write(_END.pack(b"PK\5\6", 0, 0, count, count, self._directory_size, self._size, 0))
        self.out.close()
