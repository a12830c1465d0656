"""Files that survive a crash: written whole, flushed, and put in place by one atomic step.

Everything here raises `StoreUnavailable` where the operating system says no (disk full, read-only, no permission), with the
directory as the place, and leaves no temporary file of its own behind unless the process dies.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from transforms.errors import Refused, StoreUnavailable, store_unavailable

# fsync waits for the disk and hashing lets go of the interpreter lock: threads let the file system commit many files at once.
_THREADS = 8
_CHUNK = 1 << 20
_RELEASE_PATH = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}/){0,2}[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")
_TEMPORARY = ".tmp-"

_CANNOT_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS})


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """One file of a release: POSIX path relative to the release directory, size in bytes, SHA-256 in lower-case hex."""

    path: str
    size: int
    sha256: str


def is_release_path(path: str) -> bool:
    """Whether a release may hold a file of this name: portable characters, nothing hidden, nothing that climbs out."""
    return _RELEASE_PATH.fullmatch(path) is not None


@contextmanager
def store_errors(place: Path) -> Iterator[None]:
    """Turns an OSError into `StoreUnavailable` at `place`; its own message is dropped, for it may quote a file name."""
    try:
        yield
    except OSError as error:
        raise store_unavailable(error, place) from None


def make_directory(path: Path, mode: int) -> None:
    """Makes a directory of exactly this mode, whatever the umask, with its parents; leaves one that exists as it is."""
    with store_errors(path):
        if path.is_symlink():
            raise StoreUnavailable("a symbolic link where a directory must be", place=str(path), code="store-symlink")
        if not path.is_dir():
            with suppress(FileExistsError):  # another run may be starting at this very moment, or a file is in the way
                path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
                path.mkdir(mode=mode)
                path.chmod(mode)
            if not path.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "not a directory")
            sync_directory(path.parent)


def make_private_directory(path: Path) -> None:
    """Makes a directory that only this user can enter.

    Raises:
        StoreUnavailable: code `store-not-private` if it exists and others can enter it or own it. Its mode is never changed:
            the path may be a mistake, such as a shared temporary directory.
    """
    make_directory(path, 0o700)
    with store_errors(path):
        found = path.stat()
    if found.st_mode & 0o077 or found.st_uid != os.geteuid():
        raise StoreUnavailable(
            "others can enter this directory", place=str(path), hint="give it to this user with mode 0700", code="store-not-private"
        )


def sync_directory(path: Path) -> None:
    """Flushes a directory's entries to disk. Raises OSError: only the caller knows what an unknown result means."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_file(path: Path) -> bytes | None:
    """The bytes of a regular file, None where there is none."""
    with store_errors(path.parent):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            return None
        with os.fdopen(descriptor, "rb") as source:
            return source.read()


def write_new(path: Path, data: bytes, *, mode: int, temporary: Path, mtime: int | None = None) -> None:
    """Creates a file if and only if nothing has its name: written and flushed as `temporary`, then linked into place.

    Args:
        path: where the file appears, whole, in one step.
        data: its bytes.
        mode: its permission bits, whatever the umask.
        temporary: a name on the same file system that only this process uses; a leftover of that name is replaced.
        mtime: modification time in seconds since the epoch; the time of writing if None.

    Raises:
        StoreUnavailable: code `already-exists` if `path` exists, whatever it holds.
    """
    with store_errors(path.parent):
        try:
            _write_flushed(temporary, data, mode, mtime)
            os.link(temporary, path)
        except FileExistsError:
            raise StoreUnavailable("the file exists already", place=str(path), code="already-exists") from None
        finally:
            temporary.unlink(missing_ok=True)
        sync_directory(path.parent)


def replace(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Writes a file whole in place of what was there; after a crash it is the old one or the new one."""
    temporary = path.with_name(_TEMPORARY + path.name)
    with store_errors(path.parent):
        try:
            _write_flushed(temporary, data, mode, None)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        sync_directory(path.parent)


def list_tree(root: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The regular files and the directories below `root`, as sorted POSIX paths relative to it.

    Raises:
        Refused: code `not-a-regular-file` at a symbolic link, device, socket or pipe.
    """
    files: list[str] = []
    directories: list[str] = []
    with store_errors(root):
        pending = [""]
        while pending:
            prefix = pending.pop()
            with os.scandir(root / prefix) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        directories.append(prefix + entry.name)
                        pending.append(f"{prefix}{entry.name}/")
                    elif entry.is_file(follow_symlinks=False):
                        files.append(prefix + entry.name)
                    else:
                        raise Refused("neither a file nor a directory", place=str(root), code="not-a-regular-file")
    return tuple(sorted(files)), tuple(sorted(directories))


def hash_files(root: Path, paths: Iterable[str]) -> tuple[ReleaseFile, ...]:
    """Size and SHA-256 of files below `root`, in the order of `paths`."""
    with store_errors(root), ThreadPoolExecutor(_THREADS) as threads:
        return tuple(threads.map(lambda path: _hash(root, path), paths))


def settle_files(root: Path, paths: Iterable[str], *, mode: int, mtime: int) -> tuple[ReleaseFile, ...]:
    """Sets mode and modification time of files, flushes them to disk, and says what is in them.

    Mode, time, flush and digest go through one descriptor a file, so the digest is of the very file that was flushed.
    """
    with store_errors(root), ThreadPoolExecutor(_THREADS) as threads:
        return tuple(threads.map(lambda path: _hash(root, path, settle=(mode, mtime)), paths))


def sync_tree(root: Path) -> None:
    """Flushes every file and directory below `root`, and `root` itself."""
    files, directories = list_tree(root)
    with store_errors(root):
        with ThreadPoolExecutor(_THREADS) as threads:
            for _ in threads.map(lambda path: _sync_file(root / path), files):
                pass
        for directory in directories:
            sync_directory(root / directory)
        sync_directory(root)


def link_or_copy(source: Path, target: Path) -> None:
    """Gives a regular file a second name, or copies it where the two names are on different file systems. Raises OSError."""
    if not stat.S_ISREG(source.lstat().st_mode):
        raise Refused("neither a file nor a directory", place=str(source.parent), code="not-a-regular-file")
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        with _open_read(source) as reader, target.open("xb") as writer:
            shutil.copyfileobj(reader, writer, _CHUNK)


def remove(path: Path) -> None:
    """Removes a file, a link (never what it points to) or a directory with all below it; nothing if it is not there."""
    with store_errors(path.parent):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _write_flushed(path: Path, data: bytes, mode: int, mtime: int | None) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as target:
        target.write(data)
        target.flush()
        os.fchmod(descriptor, mode)
        if mtime is not None:
            os.utime(descriptor, (mtime, mtime))
        os.fsync(descriptor)


def _open_read(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")


def _hash(root: Path, path: str, settle: tuple[int, int] | None = None) -> ReleaseFile:
    descriptor = os.open(root / path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb", buffering=0) as source:
        if settle is not None:
            mode, mtime = settle
            os.fchmod(descriptor, mode)
            os.utime(descriptor, (mtime, mtime))
            os.fsync(descriptor)
        digest = hashlib.file_digest(source, "sha256")
        return ReleaseFile(path=path, size=source.tell(), sha256=digest.hexdigest())


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
