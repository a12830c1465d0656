"""From what a run knows at its end to the model of its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Literal, cast

import pyarrow as pa

from pipelines.inputs import Terms
from pipelines.publish import Published
from pipelines.release.proof import CleanRelease
from pipelines.release.stage_report import StageReport, fingerprint
from pipelines.reporting.changes import changes_since
from pipelines.reporting.crowds import read_crowds
from pipelines.reporting.model import (
    FORMAT,
    Counts,
    Crowds,
    Drill,
    Exposure,
    Kept,
    KeyLine,
    Outcome,
    Refusal,
    Report,
    SupplierReport,
    ViewLine,
)
from pipelines.reporting.sample import Sample, make_sample, see
from transforms.columns.view import columns_that_stay
from transforms.contract.model import Classification, Contract
from transforms.errors import SupplierViewsError
from transforms.keyring.admin import list_keysets
from transforms.keyring.keyset import RESERVED, State
from transforms.policy.model import PHOTO_COLUMN, GeneraliseColumn, Policy, TokenColumn

_QUARANTINED = "quarantined "  # before a rule, among the counts of a stage report
_FLAGGED = "flagged-"
_NO_CONTRACT = Contract("", "", (), "", None)


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a run at its end; less of it where the run ended early, and then `error` says why."""

    terms: Terms | None = None
    reports: Mapping[str, StageReport] | None = None
    clean: Mapping[str, CleanRelease] | None = None
    published: Mapping[str, Published] | None = None
    notices: tuple[str, ...] = ()
    during: Literal["preparing", "staging", "checking", "publishing"] = "preparing"
    error: SupplierViewsError | None = None


@dataclass(frozen=True, slots=True)
class Beside:
    """What a page shows beside the run itself: the pages before, the newest first, the drills, and the keys in use."""

    before: Sequence[Report] = ()
    drill: Drill | None = None
    full_drill: Drill | None = None
    keys: tuple[KeyLine, ...] = ()


def gather(told: Told, day: date, number: int, now: datetime, beside: Beside) -> Report:
    """The model of one run's page."""
    contract = told.terms.contract if told.terms else _NO_CONTRACT
    policies = told.terms.policies if told.terms else ()
    sample = make_sample(contract, policies) if told.terms else Sample((), None, None)
    # Without policies nobody can say whose the names of suppliers on earlier pages are.
    looked_back = beside.before if policies else ()
    published = [page for page in looked_back if page.outcome in ("published", "already-published") and page.date < day]
    report = Report(
        format=FORMAT,
        date=day,
        number=number,
        finished=now.replace(microsecond=0),
        outcome=_outcome(told),
        refusal=_refusal(told),
        export_columns=contract.names,
        contract_sha256=fingerprint(contract) if told.terms else "",
        counts=_counts(told.reports),
        suppliers=tuple(_supplier(told, contract, policy, sample, published, day) for policy in policies),
        hr_record=sample.record,
        portrait=sample.portrait,
        drill=beside.drill,
        full_drill=beside.full_drill if policies else None,
        keys=beside.keys,
        compared_with=published[0].date if published else None,
        last_night=tuple((part.supplier, part.tonight) for part in published[0].suppliers if part.tonight) if published else (),
        changes=(),
        notices=told.notices,
    )
    return replace(report, changes=changes_since(report, published[0])) if published else report


def read_keys(uri: str, suppliers: Sequence[str], day: date) -> tuple[KeyLine, ...]:
    """The key in use of each supplier and of the force itself. Errors: as `list_keysets`."""
    wanted = {*suppliers, *RESERVED}
    return tuple(
        KeyLine(keyset.name, keyset.purpose, epoch.epoch, epoch.expires, epoch.days_left or 0)
        for keyset in list_keysets(uri, None, day).keysets
        if keyset.name in wanted
        for epoch in keyset.epochs
        if epoch.state == State.ACTIVE.value
    )


def _outcome(told: Told) -> Outcome:
    if told.error is not None or not told.published:
        return "held-back"
    found = {release.outcome for release in told.published.values()}
    return cast(Outcome, next(each for each in ("published", "already-published", "nothing-to-do") if each in found))


def _refusal(told: Told) -> Refusal | None:
    error = told.error
    if error is None:
        return None
    first, *others = getattr(error, "findings", ()) or (error,)
    return Refusal(told.during, error.code, first.rule, first.place, first.hint, len(others))


def _counts(reports: Mapping[str, StageReport] | None) -> Counts | None:
    if not reports:
        return None
    counts = next(iter(reports.values())).counts  # what is counted of the export is the same in each
    broken = {name.removeprefix(_QUARANTINED): count for name, count in counts.items() if name.startswith(_QUARANTINED)}
    flagged = {name.removeprefix(_FLAGGED): count for name, count in counts.items() if name.startswith(_FLAGGED)}
    return Counts(
        counts["in"], counts["accepted"], counts["quarantined"], tuple(sorted(broken.items())), tuple(sorted(flagged.items()))
    )


def _supplier(
    told: Told, contract: Contract, policy: Policy, sample: Sample, before: Sequence[Report], day: date
) -> SupplierReport:
    report = (told.reports or {}).get(policy.supplier)
    release = (told.published or {}).get(policy.supplier)
    clean = (told.clean or {}).get(policy.supplier)
    seen = see(sample, contract, policy, report.tokens.epoch if report else 1)
    left = release is not None and release.release is not None and report is not None
    earlier = _still_held(policy.supplier, before, day)
    return SupplierReport(
        supplier=policy.supplier,
        purpose=policy.purpose,
        agreement=policy.agreement,
        legal_basis=policy.legal_basis,
        delete_after_days=policy.delete_after_days,
        only=tuple(f"{column} is {' or '.join(values)}" for column, values in policy.where.items()),
        everybody=policy.full_population,
        assumed=policy.domain,
        outcome=cast(Outcome, release.outcome) if release else "held-back",
        release_id=release.release if release else None,
        delete_by=day + timedelta(days=policy.delete_after_days) if left else None,
        epoch=report.tokens.epoch if report else None,
        policy_sha256=fingerprint(policy),
        columns=_view_lines(policy),
        stays=_stays(policy, contract),
        seen=seen.cells,
        photo=seen.photo,
        rows=report.rows if report else None,
        photos_withheld=report.counts["photos_withheld"] if report and policy.photo else None,
        tonight=_exposure(policy, report.rows) if left and report else None,
        earlier=len(earlier),
        earlier_rows=sum(earlier),
        checks=clean.checks if clean else (),
        measures=tuple(sorted(clean.measures.items())) if clean else (),
        crowds=_crowds(release, policy),
    )


def _view_lines(policy: Policy) -> tuple[ViewLine, ...]:
    lines = []
    for column in policy.columns:
        if isinstance(column, TokenColumn):
            lines.append(ViewLine(column.name, "token", column.kind, column.of, column.why))
        else:
            action = "generalise" if isinstance(column, GeneraliseColumn) else "keep"
            lines.append(ViewLine(column.name, action, None, (column.source,), column.why))
    if policy.photo is not None:
        lines.append(ViewLine(PHOTO_COLUMN, "photo", None, (policy.photo.of,), policy.purpose))
    return tuple(lines)


def _stays(policy: Policy, contract: Contract) -> tuple[Kept, ...]:
    staying = set(columns_that_stay(policy, contract)) - ({policy.photo.of} if policy.photo else set())
    found = []
    for classification in Classification:
        names = tuple(
            column.name for column in contract.columns if column.classification is classification and column.name in staying
        )
        if names:
            found.append(Kept(classification.value, names))
    return tuple(found)


def _exposure(policy: Policy, people: int) -> Exposure:
    return Exposure(people, len(policy.columns), people if policy.photo else 0, policy.delete_after_days)


def _still_held(supplier: str, before: Sequence[Report], day: date) -> tuple[int, ...]:
    """Rows of each earlier release whose time is not over on that day; one a date."""
    held: dict[date, int] = {}
    for page in before:
        for part in page.suppliers:
            if part.supplier == supplier and part.tonight and part.delete_by and part.delete_by >= day:
                held.setdefault(page.date, part.tonight.people)
    return tuple(held.values())


def _crowds(release: Published | None, policy: Policy) -> Crowds | None:
    if release is None or release.directory is None:
        return None
    try:
        return read_crowds(Path(release.directory), policy)
    except (OSError, pa.ArrowException):  # the page says that it was not measured
        return None
