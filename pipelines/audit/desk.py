"""The desk at which every way back begins: it writes down who asks, holds the limits, and writes down what came out.

A call is written down twice: as `asked` before any key or export is opened, and as `answered` before anything is shown. A call
that is killed in between has still been counted.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines.audit.approval import Accepted, accept, request_of
from pipelines.audit.authority import Authority
from pipelines.audit.inquiry import Inquiry
from pipelines.audit.log import AuditLog
from pipelines.audit.record import AuditRecord, Entry, Stage
from pipelines.release.events import Action, Event, EventLog
from transforms.errors import InternalError, Refused, SupplierViewsError

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Places:
    """What the desk works with: the URI of the keys, the records root, and where checkpoints go.

    Checkpoints belong on storage that the people of this host cannot change.
    """

    keys: str
    records: Path
    checkpoints: Path


@dataclass(slots=True)
class Ticket:
    """One admitted call; `answer` must be called before anything that it found is shown."""

    log: AuditLog
    entry: Entry
    now: datetime
    answered: bool = False

    def answer(self, details: Mapping[str, Any]) -> None:
        """Writes down what will be shown, sealed to the auditor, flushed to disk. Raises StoreUnavailable."""
        self.log.append(_stage(self.entry, Stage.ANSWERED, details), self.now)
        self.answered = True


@contextmanager
def admit(
    log: AuditLog, events: EventLog, inquiry: Inquiry, authority: Authority, approval: bytes | None, now: datetime
) -> Iterator[Ticket]:
    """Admits a call within the limits, or with an approval.

    Raises:
        Refused: `rate-limit`, `too-many-tokens`, `approval-needed`, `approval-used`, or what `accept` raises; written down first.
        SupplierViewsError: what the block raises, after it was written down as failed.
    """
    entry = Entry(
        call=secrets.token_hex(8),
        command=inquiry.command,
        stage=Stage.ASKED,
        purpose=inquiry.purpose,
        count=len(inquiry.asked),
        rules=authority.sha256,
        details=inquiry.details,
    )
    try:
        accepted = _hold_limits(log.records, inquiry, authority, approval, now)
    except Refused as refusal:
        log.append(_stage(entry, Stage.REFUSED, inquiry.details, refusal.code), now)
        raise
    if accepted is not None:
        entry = _stage(entry, Stage.ASKED, {**inquiry.details, "approver": accepted.approver}, approval=accepted.sha256)
    log.append(entry, now)
    reference = f"{inquiry.purpose} {inquiry.case}"
    events.append(Event(Action.RE_IDENTIFICATION, when=now, actor=inquiry.account.name, reference=reference))
    ticket = Ticket(log, entry, now)
    try:
        yield ticket
    except BaseException as error:
        if not ticket.answered:
            code = error.code if isinstance(error, SupplierViewsError) else "internal-error"
            log.append(_stage(entry, Stage.FAILED, {}, code), now)
        raise
    if not ticket.answered:
        raise InternalError("a call ended without its answer in the audit log")


def _hold_limits(
    records: tuple[AuditRecord, ...], inquiry: Inquiry, authority: Authority, approval: bytes | None, now: datetime
) -> Accepted | None:
    limits, count = authority.limits, len(inquiry.asked)
    begun = [record for record in records if record.stage in (Stage.ASKED, Stage.REFUSED)]
    if sum(record.when > now - _HOUR for record in begun) >= limits.calls_per_hour:
        raise _over(f"{limits.calls_per_hour} calls in an hour", "wait until the hour is over", "rate-limit")
    if count > limits.tokens_per_call:
        raise _over(f"{limits.tokens_per_call} tokens in a call", "there is no bulk way back; ask for less", "too-many-tokens")
    if _tokens(records, now - _DAY) + count > limits.tokens_per_day:
        raise _over(f"{limits.tokens_per_day} tokens in a day", "no approval lifts this limit", "rate-limit")
    if approval is not None:
        accepted = accept(approval, request_of(inquiry), authority, now)
        if any(record.approval == accepted.sha256 for record in records):
            raise Refused("the approval was used before", place="approval", hint="ask for a fresh one", code="approval-used")
        return accepted
    if _tokens(records, now - _HOUR) + count > limits.tokens_per_hour:
        raise _over(
            f"{limits.tokens_per_hour} tokens in an hour without an approver",
            "write a request with --ask, have an approver sign it with supplier-views audit approve, and add --approval",
            "approval-needed",
        )
    return None


def _tokens(records: tuple[AuditRecord, ...], since: datetime) -> int:
    """Tokens that were admitted since then, whoever asked: a second name does not give a second allowance."""
    return sum(record.count for record in records if record.stage is Stage.ASKED and record.when > since)


def _stage(entry: Entry, stage: Stage, details: Mapping[str, Any], code: str | None = None, approval: str | None = None) -> Entry:
    return replace(entry, stage=stage, details=details, code=code, approval=approval or entry.approval)


def _over(limit: str, hint: str, code: str) -> Refused:
    return Refused(f"the limit is {limit}", place="the way back", hint=hint, code=code)
