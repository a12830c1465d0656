"""Reading one photo from the photo store, by a reference that nobody should trust."""

from __future__ import annotations

import functools
import os
import stat
from pathlib import Path, PurePosixPath
from typing import Any

from apache_beam.io.aws.clients.s3.boto3_client import Client
from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems

from transforms.errors import StoreUnavailable
from transforms.photos.model import PhotoRefused, RefusalCode

_S3 = "s3://"


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
        StoreUnavailable: an S3 store does not answer, or does not let the worker in.
    """
    if reference is None:
        raise PhotoRefused(RefusalCode.MISSING)
    parts = reference.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in reference or "\0" in reference:
        raise PhotoRefused(RefusalCode.PATH)
    if store.startswith(_S3):
        return _read_s3(store, parts, max_bytes)
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


def _read_s3(store: str, parts: list[str], max_bytes: int) -> bytes:
    """One request a photo, on connections that all threads of the process share.

    Beam's own filesystem makes a client for every file that it opens, and asks for its size first.
    """
    bucket, _, prefix = store.removeprefix(_S3).partition("/")
    client = _s3_client()
    try:
        found = client.get_object(Bucket=bucket, Key="/".join([*filter(None, prefix.split("/")), *parts]))
        with found["Body"] as body:
            if found["ContentLength"] > max_bytes:
                raise PhotoRefused(RefusalCode.TOO_MANY_BYTES)
            data: bytes = body.read()
    except client.exceptions.NoSuchKey:
        raise PhotoRefused(RefusalCode.MISSING) from None
    except PhotoRefused:
        raise
    except Exception:  # noqa: BLE001 - the client's errors quote the photo's name; what failed is the store
        raise StoreUnavailable(
            "the photo store does not answer, or does not let the worker in",
            place=store,
            hint="check endpoint, bucket and credentials where the worker runs",
        ) from None
    return data


@functools.cache
def _s3_client() -> Any:
    # Beam's wrapper finds endpoint, region and credentials as every AWS client does; what it wraps is safe to share.
    return Client({}).client
