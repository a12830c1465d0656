"""Prints that an earlier run made of the same bytes, so that a photo that did not change is not decoded again.

A file holds the prints of one photo, sealed. Its name is keyed, so it says nothing, and covers whatever the prints depend on: the
photo's bytes, specs, limits, marks, codecs, and this package's own code. Whoever reads the directory sees how many files it has
and their sizes; whoever writes there can make a photo be decoded again, and cannot put another picture in its place. Everything in
it can be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import stat
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Final, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from transforms.keyring.secret import Unshareable
from transforms.photos.audit import audit
from transforms.photos.model import Minimised, PhotoRefused, PrintSpec, Rendition

UNUSED_DAYS: Final = 14
MAX_BYTES: Final = 8 * 2**30

_LABEL = b"supplier-views/photo-cache/1"
_NONCE_BYTES, _TAG_BYTES = 12, 16
_HEAD = struct.Struct(">H")
_HEAD_ROOM = 4096  # what a file may have besides JPEGs
_DAY = 86_400
_READING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK  # neither a link nor a pipe that nobody writes to
_STARTED = ".tmp-"  # begins the name of a file that is being written
_SPARE = 20  # nothing is kept while less than one part in so many of the disk is free: tonight's release needs it


@final
class PhotoCache(Unshareable):
    """The prints of earlier runs below one directory. Threads and processes may share it: files appear whole or not at all.

    Args:
        directory: private to the user of the run; made by the caller. One that is gone, full or read-only is a cache that
            finds and keeps nothing.
        key: 32 bytes of the force's own keyset; the two keys used here are derived from it by HKDF-SHA-256 (RFC 5869).
        depends: whatever else the prints depend on, such as limits and versions of codecs; JSON.
    """

    __slots__ = ("_depends", "_directory", "_name_key", "_seal")

    def __init__(self, directory: Path, key: bytes | bytearray | memoryview, depends: object) -> None:
        derived = HKDF(algorithm=SHA256(), length=64, salt=None, info=_LABEL).derive(bytes(key))
        self._directory = directory
        self._name_key = derived[:32]
        self._seal = AESGCM(derived[32:])
        self._depends = _canonical([depends, _code_digest()])

    def name(self, data: bytes, specs: Sequence[PrintSpec], labels: Sequence[bytes]) -> str:
        """The name under which the prints of a photo are kept: 64 hexadecimal digits.

        HMAC-SHA-256 (RFC 2104) of the photo's SHA-256 and everything that its prints depend on. A photo's prints are kept in
        one file, so all its specs are in the name.

        Args:
            data: the photo's bytes.
            specs: the prints.
            labels: of each print, what else it depends on; may be secret.
        """
        parts = [hashlib.sha256(data).digest(), self._depends, _canonical([asdict(spec) for spec in specs]), *labels]
        return hmac.new(self._name_key, b"".join(struct.pack(">I", len(p)) + p for p in parts), hashlib.sha256).hexdigest()

    def find(self, name: str, specs: Sequence[PrintSpec]) -> Minimised | None:
        """The prints kept under a name, each audited again; None if there are none, or none to be trusted."""
        path = self._path(name)
        sealed = _read(path, sum(spec.max_bytes for spec in specs) + _HEAD_ROOM)
        if sealed is None or len(sealed) < _NONCE_BYTES + _TAG_BYTES:
            return None
        try:
            body = self._seal.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], name.encode())
            return _unpacked(body, specs)
        except (InvalidTag, PhotoRefused):
            return None

    def keep(self, name: str, prints: Minimised) -> None:
        """Keeps prints under a name, unless one of them was refused, or the disk is full or nearly so."""
        renditions = [outcome for outcome in prints.outcomes if isinstance(outcome, Rendition)]
        if len(renditions) != len(prints.outcomes):
            return
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._seal.encrypt(nonce, _packed(renditions), name.encode())
        path = self._path(name)
        started = path.with_name(_STARTED + secrets.token_hex(8))
        with contextlib.suppress(OSError):
            disk = os.statvfs(self._directory)
            if disk.f_bavail * _SPARE < disk.f_blocks:
                return
            path.parent.mkdir(mode=0o700, exist_ok=True)
            try:
                with os.fdopen(os.open(started, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as out:
                    out.write(sealed)
                started.rename(path)  # not flushed: after a crash of the machine, what is not whole does not open
            finally:
                started.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._directory / name[:2] / name[2:]


def sweep(directory: Path, now: float) -> None:
    """Removes what no run has used for `UNUSED_DAYS`, what a crash left half written, and beyond `MAX_BYTES` the longest unused.

    Args:
        directory: of a `PhotoCache`; need not exist. Links are removed, never followed.
        now: seconds since the epoch.

    Raises:
        OSError: the directory cannot be read.
    """
    found = sorted(_files(directory), reverse=True)  # the last used first
    kept = 0
    for used, size, path in found:
        kept += size
        limit = 1 if path.name.startswith(_STARTED) else UNUSED_DAYS
        if now - used > limit * _DAY or kept > MAX_BYTES:
            kept -= size
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def _files(directory: Path) -> Iterator[tuple[float, int, Path]]:
    if directory.is_symlink() or not directory.is_dir():
        return
    for shard in directory.iterdir():
        with contextlib.suppress(OSError):  # another run sweeps, too; and what cannot be removed is not worth a night
            if shard.is_symlink() or not shard.is_dir():
                shard.unlink(missing_ok=True)
                continue
            for entry in os.scandir(shard):
                status = entry.stat(follow_symlinks=False)
                yield status.st_mtime, status.st_size, Path(entry.path)


def _read(path: Path, most: int) -> bytes | None:
    """The bytes of a regular file of at most so many; its time of use is brought up to date once a day."""
    with contextlib.suppress(OSError), os.fdopen(os.open(path, _READING), "rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            return None
        data = file.read()
        if abs(time.time() - status.st_mtime) > _DAY:
            os.utime(path, follow_symlinks=False)
        return data
    return None


def _packed(renditions: Sequence[Rendition]) -> bytes:
    head = _canonical([{**asdict(rendition), "jpeg": len(rendition.jpeg)} for rendition in renditions])
    return b"".join([_HEAD.pack(len(head)), head, *(rendition.jpeg for rendition in renditions)])


def _unpacked(body: bytes, specs: Sequence[PrintSpec]) -> Minimised:
    """What `_packed` made: the seal has been opened, so it is our own. Raises PhotoRefused if a print fails the audit."""
    (length,) = _HEAD.unpack_from(body)
    position = _HEAD.size + length
    outcomes = []
    for entry, spec in zip(json.loads(body[_HEAD.size : position]), specs, strict=True):
        end = position + entry["jpeg"]
        rendition = Rendition(**{**entry, "jpeg": body[position:end]})
        audit(rendition.jpeg, spec, (rendition.width_px, rendition.height_px))
        outcomes.append(rendition)
        position = end
    return Minimised(tuple(outcomes))


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


@lru_cache(maxsize=1)
def _code_digest() -> str:
    """SHA-256 over the modules of this package: prints that other code made are not this code's."""
    digest = hashlib.sha256()
    for module in sorted(resources.files(__package__ or "").iterdir(), key=lambda module: module.name):
        if module.name.endswith(".py"):
            digest.update(hashlib.sha256(module.read_bytes()).digest())
    return digest.hexdigest()
