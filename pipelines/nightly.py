"""The three phases, stage, verify and publish: in order, or one at a time for a scheduler that wants three tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pipelines.actor import actor_name
from pipelines.drill.nightly import report_path
from pipelines.inputs import Terms, read_terms
from pipelines.key_witness import witness_keysets
from pipelines.publish import Published, publish_all
from pipelines.release.events import Action, Event, EventLog
from pipelines.release.files import make_directory
from pipelines.release.heartbeat import Heartbeat, write_heartbeat
from pipelines.release.proof import CleanRelease, load_clean_release, write_proof
from pipelines.release.stage_report import StageReport
from pipelines.release.staging import Staging, open_staging
from pipelines.release.store import DIRECTORY_MODE
from pipelines.reporting.story import telling
from pipelines.settings import Settings, check_apart
from pipelines.stage import StagedRun, stage
from pipelines.verify import verify
from pipelines.watch import Report, Watch
from transforms.columns.view import columns_that_stay, view_names
from transforms.errors import Refused
from transforms.keyring.hardening import harden_process
from transforms.keyring.open import open_signing_key, open_verification_keys, own_key_notices

Clock = Callable[[], datetime]
Summary = dict[str, Any]

_COUNTS = ("in", "accepted", "quarantined")
_SUPPLIER_COUNTS = ("released", "not_due", "protected", "photos_withheld")


def run(settings: Settings, clock: Clock, report: Report) -> Summary:
    """Stages, verifies and publishes the views of one business date.

    All views are staged and verified before the first is published, so one that leaks or breaks a limit holds all of them back.

    Returns:
        The JSON summary: `outcome`, the export's counts, each supplier's outcome, release and counts, and where the `report` is.

    Raises:
        SupplierViewsError: see the phases.
    """
    with telling(settings, clock) as story:
        own = _own_key_notices(settings, clock)
        with _locked(settings, clock) as staging:
            witness_keysets(settings.keys, settings.records, clock())
            story.staging()
            staged = _stage(settings, clock, staging, report)
            story.checking(staged.terms, staged.reports, (*staged.notices, *own))
            with _wiped_at_end(settings, staged.terms, staging):
                clean = verify(settings, staged.terms, staging, Watch(report), clock)
                story.publishing(clean)
                published = _publish(settings, staged.terms, clean, clock)
    notices = (*staged.notices, *_gate_notices(clean), *own)
    summary = _summary(settings, staged.terms, staged.reports, published, notices, staged)
    return story.end(published, {**summary, "drill": str(report_path(settings.records, settings.date))})


def stage_only(settings: Settings, clock: Clock, report: Report) -> Summary:
    """Stages the views; nothing is visible to a supplier. Returns the summary of `run` without releases."""
    with telling(settings, clock) as story, _locked(settings, clock) as staging:
        witness_keysets(settings.keys, settings.records, clock())
        story.staging()
        staged = _stage(settings, clock, staging, report)
    return {"outcome": "staged", **_summary(settings, staged.terms, staged.reports, {}, staged.notices, staged)}


def verify_only(settings: Settings, clock: Clock, report: Report) -> Summary:
    """Verifies what `stage_only` staged, and signs a proof for each view that passes."""
    with telling(settings, clock) as story, _locked(settings, clock) as staging:
        terms = read_terms(settings)
        story.checking(terms, None, terms.notices)
        with _wiped_if_refused(settings, terms, staging):
            clean = verify(settings, terms, staging, Watch(report), clock)
        signer = open_signing_key(settings.keys, clock().date())
        for release in clean.values():
            write_proof(release, signer)
    reports = {supplier: release.report for supplier, release in clean.items()}
    checks = {supplier: list(release.checks) for supplier, release in clean.items()}
    summary = _summary(settings, terms, reports, {}, (*terms.notices, *_gate_notices(clean)))
    return {"outcome": "verified", **summary, "checks": checks, "drill": str(report_path(settings.records, settings.date))}


def publish_only(settings: Settings, clock: Clock, report: Report) -> Summary:
    """Publishes what `verify_only` proved; every staged file is hashed again first."""
    with telling(settings, clock) as story:
        own = _own_key_notices(settings, clock)
        with _locked(settings, clock) as staging:
            witness_keysets(settings.keys, settings.records, clock())
            terms = read_terms(settings)
            story.checking(terms, None, (*terms.notices, *own))
            with _wiped_if_refused(settings, terms, staging):
                clean = _load_proofs(settings, terms, staging, clock)
                story.publishing(clean)
                published = _publish(settings, terms, clean, clock)
            _wipe(settings, terms, staging)
    reports = {supplier: release.report for supplier, release in clean.items()}
    notices = (*terms.notices, *_gate_notices(clean), *own)
    return story.end(published, _summary(settings, terms, reports, published, notices))


def _gate_notices(clean: Mapping[str, CleanRelease]) -> tuple[str, ...]:
    return tuple(notice for release in clean.values() for notice in release.notices)


def _own_key_notices(settings: Settings, clock: Clock) -> tuple[str, ...]:
    """What a custodian should be told of the force's own keys; a run that cannot sign need not start."""
    harden_process()  # before any key is in memory
    return own_key_notices(settings.keys, clock().date())


def _locked(settings: Settings, clock: Clock) -> AbstractContextManager[Staging]:
    harden_process()
    check_apart(settings)
    # Before the umask of staging: suppliers' accounts must be able to pass through this one.
    make_directory(settings.out, DIRECTORY_MODE)
    return open_staging(settings.staging, clock())


def _stage(settings: Settings, clock: Clock, staging: Staging, report: Report) -> StagedRun:
    now = clock()
    events = EventLog(settings.records)
    events.append(Event(Action.COLLECTION, when=now, actor=actor_name(), date=settings.date))
    return stage(settings, now, staging, Watch(report))


@contextmanager
def _wiped_at_end(settings: Settings, terms: Terms, staging: Staging) -> Iterator[None]:
    """A run leaves nothing staged, whether it published or refused [R16]."""
    try:
        yield
    finally:
        _wipe(settings, terms, staging)


@contextmanager
def _wiped_if_refused(settings: Settings, terms: Terms, staging: Staging) -> Iterator[None]:
    """What was refused never leaves, so nothing of it waits; what could not be finished waits for the next try [R16]."""
    try:
        yield
    except Refused:
        _wipe(settings, terms, staging)
        raise


def _wipe(settings: Settings, terms: Terms, staging: Staging) -> None:
    for policy in terms.policies:
        staging.area(settings.date, policy.supplier).wipe()


def _publish(settings: Settings, terms: Terms, clean: Mapping[str, CleanRelease], clock: Clock) -> Mapping[str, Published]:
    published = publish_all(settings, terms, clean, clock, actor_name())
    outcomes = {supplier: release.outcome for supplier, release in published.items()}
    signer = open_signing_key(settings.keys, clock().date())
    write_heartbeat(settings.records, Heartbeat(clock(), settings.date, outcomes), signer)
    return published


def _load_proofs(settings: Settings, terms: Terms, staging: Staging, clock: Clock) -> Mapping[str, CleanRelease]:
    keys = open_verification_keys(settings.keys, clock().date())
    return {policy.supplier: load_clean_release(staging.area(settings.date, policy.supplier), keys) for policy in terms.policies}


def _summary(
    settings: Settings,
    terms: Terms,
    reports: Mapping[str, StageReport],
    published: Mapping[str, Published],
    notices: tuple[str, ...],
    staged: StagedRun | None = None,
) -> Summary:
    suppliers = {}
    for policy in terms.policies:
        report = reports[policy.supplier]
        counts = {name: report.counts[name] for name in _SUPPLIER_COUNTS}
        release = asdict(published[policy.supplier]) if policy.supplier in published else {}
        columns = {"columns": list(view_names(policy)), "stayed": list(columns_that_stay(policy, terms.contract))}
        suppliers[policy.supplier] = {"epoch": report.tokens.epoch, **counts, **columns, **release}
    summary: Summary = {"date": settings.date.isoformat(), "suppliers": suppliers, "notices": list(notices)}
    if published:
        outcomes = {release.outcome for release in published.values()}
        summary = {"outcome": next(o for o in ("published", "already-published", "nothing-to-do") if o in outcomes), **summary}
    if staged is not None:
        summary |= {name: staged.counts[name] for name in _COUNTS}
        summary["broken"] = dict(staged.broken)
        summary["flagged"] = dict(staged.flagged)
    return summary
