"""What a supplier, or anybody with the public key, can check of a release without the force [A7].

docs/spec/manifest.md describes the same check for another implementation.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path, PurePosixPath

from pipelines.release.files import hash_files, list_tree, read_file
from pipelines.release.manifest import MANIFEST_NAME, Manifest, digest_of, open_manifest, subjects_of
from transforms.errors import Refused


def verify_release(directory: Path, public_key: bytes) -> Manifest:
    """The manifest of a release whose every byte is what the force signed.

    Args:
        directory: the release as it was received.
        public_key: the force's 32-byte Ed25519 public key, pinned by the supplier.

    Raises:
        Refused: code `manifest-missing`, `signature-invalid`, `manifest-malformed`, or `release-altered` if a file is missing,
            extra, changed, or a directory or link is there that no file needs.
    """
    data = read_file(directory / MANIFEST_NAME)
    if data is None:
        raise Refused(
            "no manifest, so not a release", place=str(directory), hint="wait for it, or ask again", code="manifest-missing"
        )
    manifest = open_manifest(data, (public_key,), str(directory))
    check_files(directory, manifest)
    return manifest


def verify_sequence(directories: Iterable[Path], public_key: bytes) -> tuple[Manifest, ...]:
    """The manifests of releases that follow one another, in their order, each release verified.

    Raises:
        Refused: as `verify_release`; code `chain-broken` if one is missing between the first and the last, if two have the same
            place, or if they are not of one supplier.
    """
    held = []
    for directory in directories:
        manifest = verify_release(directory, public_key)
        held.append((manifest, digest_of(read_file(directory / MANIFEST_NAME) or b"")))
    held.sort(key=lambda pair: pair[0].sequence)
    for (before, digest), (after, _) in pairwise(held):
        expected = (before.terms.supplier, before.sequence + 1, digest)
        if (after.terms.supplier, after.sequence, after.previous) != expected:
            raise Refused("the releases do not follow one another", place=after.terms.release_id, code="chain-broken")
    return tuple(manifest for manifest, _ in held)


def check_files(directory: Path, manifest: Manifest) -> None:
    """Compares a release's files with its manifest.

    Raises:
        Refused: code `release-altered` or `not-a-regular-file`.
    """
    names = tuple(subject.name for subject in manifest.subjects)
    files, directories = list_tree(directory)
    needed = {str(parent) for name in names for parent in PurePosixPath(name).parents} - {"."}
    complete = files == tuple(sorted((*names, MANIFEST_NAME))) and set(directories) == needed
    if not complete or subjects_of(hash_files(directory, names)) != manifest.subjects:
        raise Refused(
            "the files are not the ones that the manifest lists",
            place=str(directory),
            hint="do not use this copy; ask for it again",
            code="release-altered",
        )
