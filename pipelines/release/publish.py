"""The commit protocol: a release appears whole, once, and is never changed.

Preconditions, checked in this order before anything is written where a supplier can look:

1. The view was found clean: the argument is a `CleanRelease`, and its bytes are hashed once more where they are published.
2. No other process publishes for this supplier (a lock), and what an earlier one left half done is finished or removed.
3. The clock is not behind the last release, and the supplier's history is whole [A6].
4. The date has no release yet; if it has, it is the same one (nothing to do) or a different one (refused, never overwritten) [A14].

Then the release is built in a hidden directory that only this user can enter; when all its files are on disk, the manifest is
written last, by one create-if-absent; and one rename, which cannot replace a release, makes the directory visible. Two ideas of
"published" hold at once: whoever looks for the directory sees nothing or all of it, and whoever copies directories file by file,
or keeps them where nothing can be renamed, may go by the rule that a directory without `manifest.json` is no release.

The record is written ahead (`pending.json`), so a release is never visible without one: after a crash the next publish finds
either the release, and completes its record, or no release, and forgets the attempt.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pipelines.release.chain import check_clock, read_head, read_history
from pipelines.release.commit import OnStep, Step, build, complete_record, confirm_durable, forget, make_visible, reconcile
from pipelines.release.dsse import Signer
from pipelines.release.files import read_file
from pipelines.release.manifest import (
    MANIFEST_NAME,
    Manifest,
    digest_of,
    open_manifest,
    release_terms,
    sign_manifest,
    subjects_of,
)
from pipelines.release.offline import check_files
from pipelines.release.proof import CleanRelease
from pipelines.release.record import Record, make_record, sign_record
from pipelines.release.store import ReleaseStore, Shelf
from transforms.contract.model import Contract
from transforms.errors import KeyUnavailable, Refused, StoreUnavailable
from transforms.policy.model import Policy


@dataclass(frozen=True, slots=True)
class Outcome:
    """What publish did: `published`, or `already-published` when the date's release was there with the same bytes and terms."""

    status: str
    supplier: str
    release_id: str
    directory: Path
    sequence: int
    manifest_sha256: str


def publish(
    clean: CleanRelease,
    policy: Policy,
    contract: Contract,
    store: ReleaseStore,
    signer: Signer,
    *,
    actor: str,
    now: datetime,
    on_step: OnStep = lambda step: None,
) -> Outcome:
    """Publishes a clean release to its supplier, or finds that it is published already.

    Args:
        clean: what verify proved.
        policy: the supplier's policy, the same that the view was staged with.
        contract: the contract, likewise.
        store: where releases and records are.
        signer: the manifest signing key; its public half is one of the store's.
        actor: who runs this, for the force's records; never in the release.
        now: the time, aware.
        on_step: called after every step, for progress and for tests that stop the process there.

    Raises:
        Refused: `already-published-different`, `date-already-published`, `already-erased`, `proof-stale`, `stage-stale`, or a
            history that does not add up (see `chain.read_history`).
        Unavailable: `run-in-progress`, `clock-behind`; StoreUnavailable if the store says no; KeyUnavailable for a foreign signer.
            Nothing became visible, except under the code `record-incomplete`.
        OutcomeUnknown: the release became visible, but nobody knows whether it would survive a power cut.
    """
    if signer.public_bytes() not in store.public_keys:
        raise KeyUnavailable(
            "the signing key's public half is not among the store's keys", place=signer.key_id, code="foreign-signer"
        )
    terms = release_terms(policy, contract, clean.report, clean.files)
    subjects = subjects_of(clean.files)
    with store.locked(terms.supplier) as shelf:
        on_step(Step.LOCKED)
        check_clock(read_head(shelf, store.public_keys), shelf.supplier, now)
        reconcile(shelf, store, signer)
        history = read_history(shelf, store.public_keys, now.date())
        on_step(Step.RECONCILED)
        last = history.last
        manifest = Manifest(
            subjects=subjects,
            terms=terms,
            sequence=last.sequence + 1 if last else 1,
            previous=last.manifest_sha256 if last else None,
            signing_key=signer.key_id,
        )
        existing = history.on(terms.date)
        if existing is not None:
            return _confirm_published(shelf, existing, manifest, store.public_keys)
        envelope = sign_manifest(manifest, signer)
        record = make_record(clean, policy, manifest, digest_of(envelope), actor, now)
        try:
            build(shelf, clean, envelope, sign_record(record, signer), on_step)
        except BaseException:
            with suppress(StoreUnavailable):  # the reason that stopped the build matters more; the next publish sweeps again
                forget(shelf)
            raise
        make_visible(shelf, terms.release_id)
        on_step(Step.VISIBLE)
        confirm_durable(shelf, terms.release_id)
        on_step(Step.COMMITTED)
        complete_record(shelf, record, store, signer, on_step)
    return _outcome("published", shelf, record)


def _confirm_published(shelf: Shelf, existing: Record, wanted: Manifest, public_keys: tuple[bytes, ...]) -> Outcome:
    """Finds that the date's release is the wanted one, byte for byte, or refuses."""
    terms = wanted.terms
    place = f"{shelf.supplier} {terms.date.isoformat()}"
    if existing.release_id != terms.release_id:
        raise Refused(
            f"the date is published already as {existing.release_id}",
            place=place,
            hint="a date has one release; a new epoch starts with the next date",
            code="date-already-published",
        )
    directory = shelf.release(existing.release_id)
    data = read_file(directory / MANIFEST_NAME)
    if data is None:
        raise Refused(
            "the date was published, and its release has been erased",
            place=place,
            hint="publish a later date",
            code="already-erased",
        )
    published = open_manifest(data, public_keys, str(directory))
    if (published.subjects, published.terms) != (wanted.subjects, wanted.terms):
        raise Refused(
            "the date is published already with other content or terms",
            place=place,
            hint="the published release stays as it is; publish the change under the next date",
            code="already-published-different",
        )
    check_files(directory, published)
    return _outcome("already-published", shelf, existing)


def _outcome(status: str, shelf: Shelf, record: Record) -> Outcome:
    return Outcome(
        status=status,
        supplier=shelf.supplier,
        release_id=record.release_id,
        directory=shelf.release(record.release_id),
        sequence=record.sequence,
        manifest_sha256=record.manifest_sha256,
    )
