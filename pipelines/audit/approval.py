"""A second person's signature under one exact request [P11].

The request is a file that the actor hands to the approver: it names no token, but binds their digest. The approval is a DSSE
envelope over the request, the approver's name and the time until which it holds; it works once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pipelines.audit.authority import Authority
from pipelines.audit.inquiry import Inquiry
from pipelines.audit.keys import ApproverKey
from pipelines.audit.record import Command, Purpose, digest
from pipelines.release.dsse import open_envelope, sign_envelope
from pipelines.release.strict_json import canonical_json, parse_canonical
from transforms.errors import InvalidInput, Refused

APPROVAL_TYPE: Final = "application/vnd.supplier-views.approval.v1+json"
_MAX_FILE: Final = 65_536


@dataclass(frozen=True, slots=True)
class Request:
    """What an approver is asked to sign; `asked_sha256` is `Inquiry.asked_sha256`."""

    command: Command
    actor: str
    account: str
    purpose: Purpose
    case: str
    supplier: str
    count: int
    asked_sha256: str


@dataclass(frozen=True, slots=True)
class Approval:
    """A request with an approver's name and times (UTC, to the second)."""

    request: Request
    approver: str
    approved_at: datetime
    expires: datetime


def request_of(inquiry: Inquiry) -> Request:
    """The request that only this inquiry matches."""
    return Request(
        command=inquiry.command,
        actor=inquiry.actor,
        account=inquiry.account.name,
        purpose=inquiry.purpose,
        case=inquiry.case,
        supplier=inquiry.supplier,
        count=len(inquiry.asked),
        asked_sha256=inquiry.asked_sha256,
    )


def read_request(path: Path) -> Request:
    """The request in a file.

    Raises:
        InvalidInput: code `request-malformed`.
    """
    try:
        return parse_canonical(read_limited(path).removesuffix(b"\n"), Request)
    except ValueError:
        raise InvalidInput(
            "not a request of this format", place=str(path), hint="have it written by --ask again", code="request-malformed"
        ) from None


def sign_approval(request: Request, approver: str, key: ApproverKey, now: datetime, hours: int) -> bytes:
    """The bytes of an approval file.

    Raises:
        Refused: code `approver-is-actor`.
    """
    _refuse_self(approver, request)
    approved_at = now.replace(microsecond=0)
    approval = Approval(request, approver, approved_at, approved_at + timedelta(hours=hours))
    return sign_envelope(canonical_json(approval), APPROVAL_TYPE, key)


@dataclass(frozen=True, slots=True)
class Accepted:
    """An approval that holds: whose it is, and the SHA-256 (hex) of what was signed, by which a second use is known."""

    approver: str
    sha256: str


def accept(data: bytes, request: Request, authority: Authority, now: datetime) -> Accepted:
    """The approval in a file, if a pinned approver gave it for exactly this request and it still holds.

    Raises:
        Refused: `approval-invalid` (signature, form or an unknown approver), `approval-other` (another request), `approval-expired`
            or `approver-is-actor`.
    """
    payload = open_envelope(data, tuple(authority.approvers.values()), APPROVAL_TYPE, "approval")
    try:
        approval = parse_canonical(payload, Approval)
    except ValueError:
        raise _refused("it is not an approval of this format", "approval-invalid") from None
    pinned = authority.approvers.get(approval.approver)
    if pinned is None:
        raise _refused("its approver is not one that the authority file names", "approval-invalid")
    # Signed by one approver in the name of another is no approval.
    open_envelope(data, (pinned,), APPROVAL_TYPE, "approval")
    if approval.request != request:
        raise _refused("it was given for another request: other tokens, case, purpose, supplier or actor", "approval-other")
    _refuse_self(approval.approver, request)
    longest = timedelta(hours=authority.limits.approval_hours)
    if not approval.approved_at <= now < approval.expires or approval.expires - approval.approved_at > longest:
        raise _refused("it is not valid at this time, or for longer than the authority file allows", "approval-expired")
    return Accepted(approval.approver, digest(payload))


def read_limited(path: Path) -> bytes:
    """The bytes of a small file that a person handed over.

    Raises:
        InvalidInput: code `file-unreadable`.
    """
    try:
        with path.open("rb") as file:
            return file.read(_MAX_FILE)
    except OSError:
        raise InvalidInput("the file cannot be read", place=str(path), code="file-unreadable") from None


def _refuse_self(approver: str, request: Request) -> None:
    if approver.casefold() in (request.actor.casefold(), request.account.casefold()):
        raise _refused("nobody approves their own request", "approver-is-actor")


def _refused(rule: str, code: str) -> Refused:
    return Refused(rule, place="approval", hint="hand the approver a fresh request, written by --ask", code=code)
