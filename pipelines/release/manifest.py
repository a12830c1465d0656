"""The signed list of a release's files and terms that a supplier receives: `manifest.json`.

An in-toto Statement v1 in a DSSE envelope; docs/spec/manifest.md is enough to check one without this code. It holds no wall-clock
time, host, operator, digest of the export or count of people left out [A5, P17], so the same release has the same bytes.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.release.dsse import Signer, envelope_bytes, first_signature, open_envelope, sign_envelope
from pipelines.release.files import ReleaseFile, is_release_path
from pipelines.release.stage_report import StageReport, TokenScheme, fingerprint
from pipelines.release.strict_json import canonical_json, parse_canonical
from pipelines.release.wording import refuse_anonymity_claim
from transforms.contract.model import Contract
from transforms.errors import Refused
from transforms.policy.model import GeneraliseColumn, Policy, TokenColumn, ViewColumn

MANIFEST_NAME = "manifest.json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://supplier-views.example/manifest/v1"
DATA_CLASS = "personal/pseudonymised"
PHOTO_FILES = ("photos/", "photos-")  # how the paths of photos, and of archives of them, begin
FACE_LINKABLE = "face-linkable"
_SHA256 = re.compile("[0-9a-f]{64}")
NOTICE = (
    "Pseudonymised personal data. Under section 171 of the Data Protection Act 2018 it is an offence to re-identify people in it"
    " without the consent of the controller, or to process it once re-identified; whoever tests whether that can be done must"
    " notify the controller or the Information Commissioner (section 172)."
)


@dataclass(frozen=True, slots=True)
class ManifestColumn:
    """A column of the view and the word for what was done to make it: `token`, `keep` or `generalise`."""

    name: str
    action: str


@dataclass(frozen=True, slots=True)
class ReleaseTerms:
    """What a release is and on what terms the supplier holds it; a function of policy, contract, date and staged files."""

    supplier: str
    date: datetime.date
    release_id: str
    data_class: str
    purpose: str
    agreement: str
    legal_basis: str
    legal_regime: str
    role: str
    transfer_country: str
    contract: str
    contract_version: str
    rows: int
    columns: tuple[ManifestColumn, ...]
    tokens: TokenScheme
    photo_codec: Mapping[str, str]
    delete_by: datetime.date
    residual_risks: tuple[str, ...]
    notice: str


@dataclass(frozen=True, slots=True)
class Subject:
    """A file of the release: POSIX path relative to the release directory, SHA-256 in lower-case hex."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest's content.

    `subjects` are in the order of their names. `sequence` counts a supplier's releases from 1; `previous` is the SHA-256 (hex) of
    the manifest file before this one, None for the first [A6]. `signing_key` is the id of the key that signed, so that the
    envelope's unsigned `keyid` cannot be changed unseen; it chooses no key.
    """

    subjects: tuple[Subject, ...]
    terms: ReleaseTerms
    sequence: int
    previous: str | None
    signing_key: str


@dataclass(frozen=True, slots=True)
class _Predicate:
    terms: ReleaseTerms
    sequence: int
    previous: str | None
    signing_key: str


def release_terms(policy: Policy, contract: Contract, report: StageReport, files: tuple[ReleaseFile, ...]) -> ReleaseTerms:
    """The terms of a staged view.

    Raises:
        Refused: code `stage-stale` if policy or contract say something else now than when the view was staged.
        PolicyError: code `claims-anonymity` if policy or contract call the data anonymous [L1].
    """
    if (report.policy_sha256, report.contract_sha256, report.supplier) != (
        fingerprint(policy),
        fingerprint(contract),
        policy.supplier,
    ):
        raise Refused(
            "policy or contract changed after this view was staged",
            place=report.supplier,
            hint="stage and verify again",
            code="stage-stale",
        )
    terms = ReleaseTerms(
        supplier=report.supplier,
        date=report.date,
        release_id=report.release_id,
        data_class=DATA_CLASS,
        purpose=policy.purpose,
        agreement=policy.agreement,
        legal_basis=policy.legal_basis,
        legal_regime=policy.legal_regime,
        role=policy.role,
        transfer_country=policy.transfer_country,
        contract=contract.name,
        contract_version=contract.version,
        rows=report.rows,
        columns=tuple(ManifestColumn(column.name, action_word(column)) for column in policy.columns),
        tokens=report.tokens,
        photo_codec=dict(report.photo_codec),
        delete_by=delete_by(policy, report.date),
        residual_risks=(FACE_LINKABLE,) if any(file.path.startswith(PHOTO_FILES) for file in files) else (),
        notice=NOTICE,
    )
    refuse_anonymity_claim(canonical_json(terms).decode(), report.supplier)
    return terms


def delete_by(policy: Policy, business_date: datetime.date) -> datetime.date:
    """The last day on which the supplier may hold a release of that date [A1]."""
    return business_date + datetime.timedelta(days=policy.delete_after_days)


def action_word(column: ViewColumn) -> str:
    """The policy's word for what makes a column."""
    if isinstance(column, TokenColumn):
        return "token"
    return "generalise" if isinstance(column, GeneraliseColumn) else "keep"


def subjects_of(files: tuple[ReleaseFile, ...]) -> tuple[Subject, ...]:
    """The subjects that name these files."""
    return tuple(sorted((Subject(file.path, file.sha256) for file in files), key=lambda subject: subject.name))


def render_statement(manifest: Manifest) -> bytes:
    """The canonical in-toto Statement v1 of a manifest: what gets signed."""
    return canonical_json(
        {
            "_type": STATEMENT_TYPE,
            "subject": [{"name": subject.name, "digest": {"sha256": subject.sha256}} for subject in manifest.subjects],
            "predicateType": PREDICATE_TYPE,
            "predicate": _Predicate(manifest.terms, manifest.sequence, manifest.previous, manifest.signing_key),
        }
    )


def parse_statement(payload: bytes) -> Manifest:
    """A manifest from its statement.

    Raises:
        Refused: code `manifest-malformed` unless `payload` is exactly what `render_statement` writes.
    """
    try:
        statement = json.loads(payload)
        predicate = parse_canonical(canonical_json(statement["predicate"]), _Predicate)
        manifest = Manifest(
            subjects=tuple(Subject(str(entry["name"]), str(entry["digest"]["sha256"])) for entry in statement["subject"]),
            terms=predicate.terms,
            sequence=predicate.sequence,
            previous=predicate.previous,
            signing_key=predicate.signing_key,
        )
        well_formed = render_statement(manifest) == payload and _well_formed(manifest.subjects)
    except (ValueError, TypeError, KeyError, RecursionError):
        well_formed = False
    if not well_formed:
        raise Refused("the manifest is not one of this format", code="manifest-malformed")
    return manifest


def sign_manifest(manifest: Manifest, signer: Signer) -> bytes:
    """The bytes of `manifest.json`."""
    return sign_envelope(render_statement(manifest), PAYLOAD_TYPE, signer)


def open_manifest(data: bytes, public_keys: tuple[bytes, ...], place: str = "") -> Manifest:
    """A manifest from the bytes of `manifest.json`, if one of `public_keys` signed it.

    The envelope must be the canonical one: every byte of the file counts, also those that the signature does not cover.

    Raises:
        Refused: code `signature-invalid` or `manifest-malformed`.
    """
    payload = open_envelope(data, public_keys, PAYLOAD_TYPE, place)
    manifest = parse_statement(payload)
    if envelope_bytes(payload, PAYLOAD_TYPE, manifest.signing_key, first_signature(data)) != data:
        raise Refused("the manifest is not one of this format", code="manifest-malformed")
    return manifest


def digest_of(manifest_file: bytes) -> str:
    """SHA-256 (hex) of the bytes of `manifest.json`: what the next manifest and the head point to."""
    return hashlib.sha256(manifest_file).hexdigest()


def _well_formed(subjects: tuple[Subject, ...]) -> bool:
    names = [subject.name for subject in subjects]
    return names == sorted(set(names)) and all(
        is_release_path(subject.name) and _SHA256.fullmatch(subject.sha256) is not None for subject in subjects
    )
