"""A release as the file system shows it: names, kinds, modes, times and extended attributes [I13, R9, R10]."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import BinaryIO

from transforms.errors import StoreUnavailable
from transforms.leaks.findings import Check
from transforms.leaks.words import Words

PHOTOS = "photos"
_OTHERS = 0o7077  # set-id and sticky bits, and whatever group and others may do
_SECURITY_LABEL = "security.selinux"  # set by the host on every file, and stays there


@dataclass(frozen=True, slots=True)
class Listing:
    """What lies in a release: `files` are the expected files beside the photos, `photos` the names in the folder of photos,
    `archives` the names of archives of them; all sorted."""

    root: Path
    files: tuple[str, ...]
    photos: tuple[str, ...]
    archives: tuple[str, ...] = ()


class ExpectedFiles(Check):
    """A file or directory that the policy does not name lies in the release: hidden, left over or planted [R9]."""

    rule = "unexpected-file"


class MissingFiles(Check):
    """A file that the policy promises is not in the release."""

    rule = "missing-file"


class RegularFiles(Check):
    """Something in the release is neither a regular file nor a directory, such as a symbolic link."""

    rule = "irregular-file"


class FileModes(Check):
    """Others than the owner may do something with a staged file."""

    rule = "file-mode"


class FileTimes(Check):
    """A modification time is not midnight (UTC) of the business date [I13]."""

    rule = "file-time"


class ExtendedAttributes(Check):
    """A file carries an extended attribute, which archives and network file systems take along."""

    rule = "extended-attribute"


class FileLister:
    """Lists a release and checks what stands beside the bytes of its files."""

    def __init__(
        self,
        expected: tuple[str, ...],
        is_photo: Callable[[str], bool] | None,
        day: date,
        words: Words,
        is_archive: Callable[[str], bool] | None = None,
    ) -> None:
        """`is_photo` tells which files may lie in a folder of photos, `is_archive` which may be archives of them; None: no such."""
        self._expected = expected
        self._is_photo = is_photo
        self._is_archive = is_archive
        self._time = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000_000
        self._words = words
        self._unexpected = ExpectedFiles()
        self._missing = MissingFiles()
        self._irregular = RegularFiles()
        self._modes = FileModes()
        self._times = FileTimes()
        self._attributes = ExtendedAttributes()

    @property
    def checks(self) -> tuple[Check, ...]:
        """The checks that listing runs."""
        return (self._unexpected, self._missing, self._irregular, self._modes, self._times, self._attributes)

    def read(self, root: Path) -> Listing:
        """Lists a release.

        Raises:
            StoreUnavailable: the directory cannot be read.
        """
        files: list[str] = []
        photos: list[str] = []
        archives: list[str] = []
        try:
            self._check_entry(root, "the release directory", root.lstat(), directory=True)
            for entry in sorted(os.scandir(root), key=lambda entry: entry.name):
                if entry.name == PHOTOS and self._is_photo is not None and entry.is_dir(follow_symlinks=False):
                    self._check_entry(Path(entry), PHOTOS, entry.stat(follow_symlinks=False), directory=True)
                    photos = self._photos(Path(entry))
                elif self._is_archive is not None and self._is_archive(entry.name):
                    if self._is_file(entry, True, "the release directory", entry.name):
                        archives.append(entry.name)
                elif self._is_file(entry, entry.name in self._expected, "the release directory", entry.name):
                    files.append(entry.name)
            if self._is_photo is not None and not (root / PHOTOS).is_dir():
                self._missing.found(PHOTOS)
        except OSError:
            # The message of an OSError quotes a file name, and a file name may be what leaked.
            raise StoreUnavailable("the staged release cannot be read", place=str(root), hint="stage again") from None
        self._missing.examine(len(self._expected))
        for name in self._expected:
            if name not in files:
                self._missing.found(name)
        return Listing(root, tuple(files), tuple(photos), tuple(archives))

    def _photos(self, folder: Path) -> list[str]:
        is_photo = self._is_photo or bool
        found: list[str] = []
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if self._is_file(entry, is_photo(entry.name), PHOTOS, f"{PHOTOS} file {len(found) + 1}"):
                found.append(entry.name)
        return found

    def _is_file(self, entry: os.DirEntry[str], expected: bool, folder: str, known_as: str) -> bool:
        """Whether an entry is an expected regular file; its place never shows an unexpected name."""
        self._unexpected.examine()
        place = known_as if expected else f"{folder}, a file that is not expected"
        regular = entry.is_file(follow_symlinks=False)
        if not expected:
            self._unexpected.found(folder)
            self._words.add(entry.name, f"{folder}, a file name")
        self._irregular.examine()
        directory = entry.is_dir(follow_symlinks=False)
        if not regular and (expected or not directory):
            self._irregular.found(place)
        self._check_entry(Path(entry), place, entry.stat(follow_symlinks=False), directory=directory)
        return expected and regular

    def _check_entry(self, path: Path, place: str, found: os.stat_result, *, directory: bool) -> None:
        self._modes.examine()
        self._times.examine()
        if not stat.S_ISLNK(found.st_mode) and found.st_mode & (_OTHERS if directory else _OTHERS | 0o100):
            self._modes.found(place)
        if found.st_mtime_ns != self._time:
            self._times.found(place)
        if sys.platform == "linux":  # elsewhere the interpreter cannot list them
            self._attributes.examine()
            for name in os.listxattr(path, follow_symlinks=False):
                if name == _SECURITY_LABEL:
                    continue
                self._attributes.found(place)
                value = os.getxattr(path, name, follow_symlinks=False)
                self._words.add(name, f"{place}, extended attribute")
                self._words.add_bytes(value, f"{place}, extended attribute")


def open_plain(path: Path) -> BinaryIO:
    """Opens a file for reading; never through a symbolic link. Raises OSError."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
