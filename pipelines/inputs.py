"""What a run reads before any data: contract, policies, and the export's files with their headers."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from pipelines.settings import Settings
from transforms.contract.load import load_contract
from transforms.contract.model import Contract
from transforms.errors import ExportError, Refused, StoreUnavailable, UsageError
from transforms.export.sources import Source, check_header, format_of
from transforms.policy.lint import check_policies
from transforms.policy.load import load_policies
from transforms.policy.model import Policy

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Terms:
    """The contract, the policies of this run in the order of their suppliers, and what `check` noticed about them."""

    contract: Contract
    policies: tuple[Policy, ...]
    notices: tuple[str, ...]


def read_terms(settings: Settings) -> Terms:
    """Loads and lints contract and policies.

    Every policy is linted, also those that the run leaves out: a directory with a bad policy is not to be trusted.

    Raises:
        InvalidInput: a file breaks a rule.
        UsageError: a supplier was named that no policy has.
    """
    contract = load_contract(settings.contract)
    policies = load_policies(settings.policies)
    notices = tuple(f"{notice.place}: {notice.rule}" for notice in check_policies(contract, policies))
    known = {policy.supplier: policy for policy in policies}
    for name in settings.suppliers:
        if name not in known:
            raise UsageError("no policy has a supplier that --supplier names", hint=f"known: {', '.join(known)}")
    wanted = sorted(set(settings.suppliers)) or sorted(known)
    return Terms(contract, tuple(known[name] for name in wanted), notices)


def find_sources(pattern: str, contract: Contract) -> tuple[Source, ...]:
    """The export's files in the order of their paths, each with a header that keeps the contract.

    Raises:
        ExportError: nothing matches, a format is not read, or a header differs: nothing has been staged then [P13].
        StoreUnavailable: a file cannot be opened.
    """
    FileSystems.set_options(PipelineOptions([]))  # S3 refuses to work before; endpoint and credentials are the environment's
    try:
        found = FileSystems.match([pattern])[0].metadata_list
    except Exception:  # noqa: BLE001 - each of Beam's filesystems raises errors of its own
        raise StoreUnavailable("the export cannot be listed", place=pattern, hint="check the path and its permissions") from None
    paths = sorted((metadata.path, metadata.size_in_bytes) for metadata in found)
    if not paths:
        raise ExportError("no file matches", place=pattern, hint="check --export", code="export-missing")
    for path, _ in paths:
        if "://" not in path and not Path(path).is_file():  # opening a named pipe would wait for ever
            raise ExportError("not a regular file", place=path, hint="check --export", code="export-not-a-file")
    sources = tuple(Source(index, path, size, format_of(path)) for index, (path, size) in enumerate(paths))
    for source in sources:
        with open_binary(source.path) as stream:
            check_header(source, stream, contract)
    return sources


def check_photo_store(store: str) -> None:
    """Passes if the photo store can be there; without this a store that is not mounted looks like photos that are all missing.

    Raises:
        UsageError: no filesystem of Beam's knows the URL.
        StoreUnavailable: the directory is not there.
    """
    if store.startswith("s3://") and importlib.util.find_spec("boto3") is None:
        raise UsageError("--photos names a kind of store that is not installed", hint="install supplier-views[s3]")
    if "://" in store:
        try:
            FileSystems.get_filesystem(store)
        except ValueError:
            raise UsageError(
                "--photos names a kind of store that is not installed", hint="name a directory, or install it"
            ) from None
    elif not Path(store).is_dir():
        raise StoreUnavailable(
            "the photo store is no directory", place=store, hint="check --photos, and that it is mounted", code="store-missing"
        )


def export_digest(sources: Iterable[Source]) -> str:
    """SHA-256 (hex) over the SHA-256 digests of the export's files, in their order.

    It ties verify to the export that was staged, and stands in the force's records; no supplier sees it [A5].
    """
    total = hashlib.sha256()
    for source in sources:
        digest = hashlib.sha256()
        with open_binary(source.path) as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
        total.update(digest.digest())
    return total.hexdigest()


@contextmanager
def unchanged(sources: tuple[Source, ...]) -> Iterator[str]:
    """Gives the export's digest, and holds the export to it while the block runs.

    Raises:
        Refused: code `export-changed`: a file has another size or time after the block than before. What was read is then no
            export that HR ever had.
    """
    before = _versions(sources)
    yield export_digest(sources)
    if _versions(sources) != before:
        raise Refused(
            "the export changed while it was read",
            place=sources[0].path,
            hint="run again when HR's export is complete",
            code="export-changed",
        )


def _versions(sources: tuple[Source, ...]) -> list[tuple[int, float]]:
    try:
        found = [FileSystems.match([source.path])[0].metadata_list[0] for source in sources]
    except Exception:  # noqa: BLE001 - each of Beam's filesystems raises errors of its own
        raise StoreUnavailable("the export is gone", place=sources[0].path, hint="run again when it is complete") from None
    return [(metadata.size_in_bytes, metadata.last_updated_in_seconds) for metadata in found]


def open_binary(path: str) -> Any:
    """Opens a file through Beam's filesystems, its bytes as they are.

    Raises:
        StoreUnavailable: it cannot be opened.
    """
    try:
        return FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    except Exception:  # noqa: BLE001 - each of Beam's filesystems raises errors of its own
        raise StoreUnavailable("a file of the export cannot be opened", place=path, hint="check its permissions") from None
