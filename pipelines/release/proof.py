"""The only value that publish accepts: a staged view that an independent reader has found clean.

Only `pipelines.verify` may call `attest`; a test holds it to that. Between processes the value travels as `proof.json`, signed
with the manifest signing key and bound to the digest of every staged file and of `stage.json`.
"""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import InitVar, dataclass
from types import MappingProxyType

from pipelines.release.dsse import Signer, open_envelope, sign_envelope
from pipelines.release.files import ReleaseFile, hash_files, is_release_path, list_tree, read_file, replace
from pipelines.release.manifest import MANIFEST_NAME
from pipelines.release.stage_report import StageReport
from pipelines.release.staging import SupplierStaging
from pipelines.release.strict_json import canonical_json, parse_canonical
from transforms.errors import InternalError, Refused, Unavailable

PROOF_TYPE = "application/vnd.supplier-views.proof.v1+json"

_FEW = 10  # people who are alike; fewer are worth a notice [D1]
_SEAL = object()


@dataclass(frozen=True, slots=True)
class CleanRelease:
    """A staged view without a leak: its report, its files in the order of their names, and the checks that it passed.

    `overlaps` counts, for each column of bare numbers, those that equal a number which was really issued [C8]; suppliers never
    see it. `measures` count whom the view tells apart, by what it keeps and by what changed [D1, D3, D4]; theirs neither.

    Made by `attest` and `load_clean_release` alone; any other way raises InternalError.
    """

    staging: SupplierStaging
    report: StageReport
    files: tuple[ReleaseFile, ...]
    checks: tuple[str, ...]
    overlaps: Mapping[str, int]
    measures: Mapping[str, int]
    seal: InitVar[object]  # never stored, so that no copy with other files can be made of it

    @property
    def counts(self) -> Mapping[str, int]:
        """Stage's counters, and those of the gate beside them."""
        issued = {f"numbers_issued {column}": count for column, count in self.overlaps.items()}
        return {**self.report.counts, **issued, **self.measures}

    @property
    def notices(self) -> tuple[str, ...]:
        """What the force's people should know of what the gate counted."""
        issued = (
            f"{self.report.supplier}: {count:,} of {self.report.rows:,} numbers in {column} equal one that was really issued"
            for column, count in self.overlaps.items()
        )
        return (*issued, *self._told_apart())

    def _told_apart(self) -> Iterator[str]:
        supplier, measures, rows = self.report.supplier, self.measures, self.report.rows
        if (smallest := measures.get("smallest_group", _FEW)) < _FEW:
            small = measures["rows_in_small_groups"]
            yield f"{supplier}: {small:,} of {rows:,} people are alike with too few in all quasi columns, {smallest} at least"
        if few := measures.get("rows_in_small_marginals", 0):
            yield f"{supplier}: {few:,} of {rows:,} people are alike with too few in some two or three kept columns"
        if alone := measures.get("singled_out_by_change", 0):
            changed = sum(measures[f"rows_{how}"] for how in ("joined", "left", "changed"))
            yield f"{supplier}: {alone:,} of {changed:,} changes since the last release have nobody else's beside them"

    def __post_init__(self, seal: object) -> None:
        if seal is not _SEAL:
            raise InternalError("a clean release is made by verify alone", code="unverified-release")

    def __reduce__(self) -> tuple[object, ...]:
        raise InternalError("a clean release travels between processes as proof.json", code="unverified-release")


@dataclass(frozen=True, slots=True)
class _Proof:
    supplier: str
    date: datetime.date
    stage_sha256: str
    files: tuple[ReleaseFile, ...]
    checks: tuple[str, ...]
    overlaps: Mapping[str, int]
    measures: Mapping[str, int]


def attest(
    staging: SupplierStaging,
    files: Iterable[tuple[str, int, str]],
    checks: Iterable[str],
    overlaps: Mapping[str, int] = MappingProxyType({}),
    measures: Mapping[str, int] = MappingProxyType({}),
) -> CleanRelease:
    """A clean release from the leak gate's verdict.

    Args:
        staging: the staged view that was read.
        files: path relative to `release/`, size in bytes and SHA-256 (hex) of every file, as the gate read it.
        checks: the names of the checks that passed; at least one.
        overlaps: for each column of bare numbers, how many equal a number that was really issued.
        measures: what the gate counted of people whom the view tells apart, by name.

    Raises:
        Refused: code `proof-stale` if the staged view has a file that the gate did not read, or lacks one that it did.
        InternalError: if no check was run.
    """
    found = tuple(sorted((ReleaseFile(*file) for file in files), key=lambda file: file.path))
    names = tuple(sorted(checks))
    if not names:
        raise InternalError("a release that no check has read cannot be clean", code="unverified-release")
    report = staging.read_report()
    if tuple(file.path for file in found) != _staged_paths(staging):
        raise _stale(staging)
    return CleanRelease(
        staging=staging, report=report, files=found, checks=names, overlaps=dict(overlaps), measures=dict(measures), seal=_SEAL
    )


def write_proof(clean: CleanRelease, signer: Signer) -> None:
    """Writes `proof.json` beside the staged view, for a publish in another process."""
    staging = clean.staging
    proof = _Proof(
        supplier=staging.supplier,
        date=staging.date,
        stage_sha256=_sha256(canonical_json(clean.report)),
        files=clean.files,
        checks=clean.checks,
        overlaps=clean.overlaps,
        measures=clean.measures,
    )
    replace(staging.proof, sign_envelope(canonical_json(proof), PROOF_TYPE, signer))


def load_clean_release(staging: SupplierStaging, public_keys: tuple[bytes, ...]) -> CleanRelease:
    """The clean release that `proof.json` proves, after hashing every staged file again.

    Raises:
        Unavailable: code `not-staged` or `not-verified` if there is no report or no proof.
        Refused: code `proof-stale` if the proof is not signed by one of `public_keys`, is another view's, or anything staged is
            not what verify read.
    """
    report = staging.read_report()
    data = read_file(staging.proof)
    if data is None:
        raise Unavailable("not verified", place=str(staging.root), hint="run verify for this date first", code="not-verified")
    try:
        proof = parse_canonical(open_envelope(data, public_keys, PROOF_TYPE), _Proof)
    except (Refused, ValueError):
        raise _stale(staging) from None
    proven = (proof.supplier, proof.date, proof.stage_sha256, tuple(file.path for file in proof.files))
    if proven != (staging.supplier, staging.date, _sha256(canonical_json(report)), _staged_paths(staging)):
        raise _stale(staging)
    if not proof.checks or hash_files(staging.release, (file.path for file in proof.files)) != proof.files:
        raise _stale(staging)
    return CleanRelease(
        staging=staging,
        report=report,
        files=proof.files,
        checks=proof.checks,
        overlaps=proof.overlaps,
        measures=proof.measures,
        seal=_SEAL,
    )


def _staged_paths(staging: SupplierStaging) -> tuple[str, ...]:
    paths, _ = list_tree(staging.release)
    if not paths or MANIFEST_NAME in paths or not all(is_release_path(path) for path in paths):
        raise _stale(staging)
    return paths


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _stale(staging: SupplierStaging) -> Refused:
    return Refused(
        "what is staged is not what verify read", place=str(staging.root), hint="stage and verify again", code="proof-stale"
    )
