"""Files that nobody else may read: refused when they are open to others, written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from transforms.errors import KeyUnavailable, StoreUnavailable
from transforms.keyring.acl import readable_by_us_alone

_TEMPORARY: Final = ".new-"
_LOCK: Final = ".lock"
_OPEN_TO_OTHERS: Final = 0o077


def read_private(path: Path, limit: int, *, what: str) -> bytearray:
    """The bytes of a private file of at most `limit` bytes.

    `what` names the file's role in messages. A private file is a regular file, not a symbolic link, owned by this process's user
    and closed to everybody else; one that root owns and opens to this user alone by an access control list will do, since that is
    how systemd hands out credentials.

    Errors: KeyUnavailable, with the code `key-file-missing`, `key-file-exposed` or `key-file-unreadable`.
    """
    try:
        # NONBLOCK: a pipe put in the file's place must not hang the run.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise KeyUnavailable(
            f"the {what} is missing", place=str(path), hint="check the key URI, or make keys with supplier-views keys init",
            code="key-file-missing",
        ) from None  # fmt: skip
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _exposed(path, f"the {what} is a symbolic link", "put the file itself there") from None
        raise _unreadable(path, what, error) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _exposed(path, f"the {what} is not a regular file", "put the file itself there")
        owned_by_us = status.st_uid == os.geteuid()
        if not (owned_by_us or status.st_uid == 0):
            raise _exposed(path, f"the {what} belongs to another user", "make the user of the run its owner")
        if status.st_mode & _OPEN_TO_OTHERS and not readable_by_us_alone(descriptor):
            raise _exposed(path, f"the {what} is open to group or others", f"chmod 600 {path}")
        content = bytearray(limit + 1)
        size = 0
        while size <= limit and (count := os.readv(descriptor, [memoryview(content)[size:]])):
            size += count
    except OSError as error:
        raise _unreadable(path, what, error) from None
    finally:
        os.close(descriptor)
    if size > limit:
        raise KeyUnavailable(
            f"the {what} is longer than {limit} bytes", place=str(path), hint="this is another file", code="key-file-unreadable"
        )
    del content[size:]
    return content


def check_private_directory(directory: Path) -> None:
    """KeyUnavailable unless this is a directory, not a symbolic link, owned by this process's user and closed to everybody else."""
    try:
        status = os.lstat(directory)
    except FileNotFoundError:
        raise KeyUnavailable(
            "the key directory is missing", place=str(directory),
            hint="check the key URI, or make keys with supplier-views keys init", code="key-file-missing",
        ) from None  # fmt: skip
    except OSError as error:
        raise _unreadable(directory, "key directory", error) from None
    if not stat.S_ISDIR(status.st_mode):
        raise _exposed(directory, "the key directory is a symbolic link or no directory", "name the directory itself")
    if status.st_uid != os.geteuid():
        raise _exposed(directory, "the key directory belongs to another user", "make the user of the run its owner")
    if status.st_mode & _OPEN_TO_OTHERS:
        raise _exposed(directory, "the key directory is open to group or others", f"chmod 700 {directory}")


def make_private_directory(directory: Path) -> None:
    """Makes the directory and its missing parents, each with mode 0700; leaves what exists as it is. Errors: StoreUnavailable."""
    try:
        for part in (*reversed(directory.parents), directory):
            if not part.is_dir():
                with contextlib.suppress(FileExistsError):
                    part.mkdir(mode=0o700)
    except OSError as error:
        raise _unwritable(directory, error) from None


@contextlib.contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Holds the directory's lock; waits for its turn, and a process that dies lets go. Errors: StoreUnavailable."""
    try:
        descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unwritable(directory / _LOCK, error) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise _unwritable(directory / _LOCK, error) from None
        yield
    finally:
        os.close(descriptor)


def sweep(directory: Path) -> None:
    """Removes what writers that died left behind; only under `exclusive`. Errors: StoreUnavailable."""
    try:
        for path in directory.glob(f"{_TEMPORARY}*"):
            path.unlink()
    except OSError as error:
        raise _unwritable(directory, error) from None


def create_whole(path: Path, content: bytes | memoryview, mode: int = 0o600) -> bool:
    """Writes a new file, durably and in one step; False, and nothing is changed, if the path is taken. Errors: StoreUnavailable."""
    with _written(path, content, mode) as temporary:
        try:
            # A link, unlike a rename, never replaces.
            os.link(temporary, path, follow_symlinks=False)
        except FileExistsError:
            return False
    return True


def replace_whole(path: Path, content: bytes | memoryview, mode: int = 0o600, *, overwrite: bool = False) -> None:
    """Writes a file in the place of an older one, durably and in one step. Errors: StoreUnavailable; the older one is whole.

    With `overwrite`, zeros are then written over the older file's bytes. That is the best that can be asked of a file system: one
    that copies on write, a snapshot or a solid-state disk keeps them, still wrapped.
    """
    with _written(path, content, mode) as temporary, contextlib.ExitStack() as older:
        descriptor = None
        if overwrite:
            with contextlib.suppress(FileNotFoundError):
                descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
                older.callback(os.close, descriptor)
        temporary.rename(path)
        if descriptor is not None:
            os.pwrite(descriptor, bytes(os.fstat(descriptor).st_size), 0)
            os.fsync(descriptor)


@contextlib.contextmanager
def _written(path: Path, content: bytes | memoryview, mode: int) -> Iterator[Path]:
    temporary = path.with_name(f"{_TEMPORARY}{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                left = memoryview(content)
                while left:
                    left = left[file.write(left) :]
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise _unwritable(path, error) from None


def _exposed(path: Path, rule: str, hint: str) -> KeyUnavailable:
    return KeyUnavailable(rule, place=str(path), hint=f"{hint}; if others could read it, treat the keys as compromised",
                          code="key-file-exposed")  # fmt: skip


def _unreadable(path: Path, what: str, error: OSError) -> KeyUnavailable:
    return KeyUnavailable(
        f"the {what} cannot be read ({os.strerror(error.errno or 0).lower()})", place=str(path),
        hint="check who owns it and who runs this", code="key-file-unreadable",
    )  # fmt: skip


def _unwritable(path: Path, error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"the key store cannot be written ({os.strerror(error.errno or 0).lower()})",
        place=str(path),
        hint="check the space, the owner and the mode of the directory",
    )
