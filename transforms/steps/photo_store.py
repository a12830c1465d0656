"""Reading one photo from the photo store, by a reference that nobody should trust."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from transforms.photos.model import PhotoRefused, RefusalCode


def read_photo(store: str, reference: str | None, max_bytes: int) -> bytes:
    """The bytes of a photo.

    A reference is a relative POSIX path. One that is absolute, has `..` or an empty part, or leads out of the store through a
    symbolic link is refused, and so is anything but a regular file.

    Args:
        store: a directory, or a URL that one of Beam's filesystems knows.
        reference: the export's cell; None if it is blank.
        max_bytes: a file of more bytes is refused without being read.

    Raises:
        PhotoRefused: `missing`, `path` or `too-many-bytes`.
    """
    if reference is None:
        raise PhotoRefused(RefusalCode.MISSING)
    parts = reference.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in reference or "\0" in reference:
        raise PhotoRefused(RefusalCode.PATH)
    if "://" in store:
        return _read_remote(FileSystems.join(store, *parts), max_bytes)
    return _read_local(Path(store), PurePosixPath(reference), max_bytes)


def _read_local(store: Path, reference: PurePosixPath, max_bytes: int) -> bytes:
    root = store.resolve()
    try:
        path = (root / reference).resolve(strict=True)
    except OSError:
        raise PhotoRefused(RefusalCode.MISSING) from None
    except RuntimeError:  # a loop of links
        raise PhotoRefused(RefusalCode.PATH) from None
    if not path.is_relative_to(root):
        raise PhotoRefused(RefusalCode.PATH)
    try:
        # Without O_NONBLOCK a named pipe in the store would hold the run up for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        raise PhotoRefused(RefusalCode.MISSING) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise PhotoRefused(RefusalCode.PATH)
        if status.st_size > max_bytes:
            raise PhotoRefused(RefusalCode.TOO_MANY_BYTES)
        with os.fdopen(descriptor, "rb", closefd=False) as photo:  # only now: it does not take a directory
            data = photo.read(max_bytes + 1)  # it may have grown since
    except OSError:  # the disk has the name and not the bytes
        raise PhotoRefused(RefusalCode.MISSING) from None
    finally:
        os.close(descriptor)
    if len(data) > max_bytes:
        raise PhotoRefused(RefusalCode.TOO_MANY_BYTES)
    return data


def _read_remote(url: str, max_bytes: int) -> bytes:
    try:
        with FileSystems.open(url, compression_type=CompressionTypes.UNCOMPRESSED) as photo:
            data: bytes = photo.read(max_bytes + 1)
    except OSError:
        raise PhotoRefused(RefusalCode.MISSING) from None
    if len(data) > max_bytes:
        raise PhotoRefused(RefusalCode.TOO_MANY_BYTES)
    return data
