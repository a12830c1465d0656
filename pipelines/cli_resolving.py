"""The commands of the way back: arguments and what they print. Imported by `pipelines.cli` alone."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.cli_defaults import Defaults
from transforms.errors import UsageError

if TYPE_CHECKING:
    from pipelines.audit.authority import Authority
    from pipelines.audit.desk import Places
    from transforms.contract.model import Contract
    from transforms.policy.model import Policy

Summary = dict[str, Any]
Now = Callable[[], datetime]

WARNING = (
    "what follows re-identifies people. Section 171 of the Data Protection Act 2018 makes it an offence to do so without the"
    " controller's consent, and to process what was re-identified; testing needs notice under section 172",
    "this call is in the audit log, whether it is answered or refused",
)

_LONGEST_LINE = 4096
PURPOSES = ("supplier-reply", "operational-query", "subject-request", "incident", "investigation", "effectiveness-test")


def add_commands(commands: Any, parser_class: type[argparse.ArgumentParser], now: Now) -> None:
    """Adds `resolve`, `subject` and `audit` to the command line."""
    _add_resolve(commands, now)
    _add_subject(commands, now)
    _add_audit(commands, parser_class, now)


def _add_resolve(commands: Any, now: Now) -> None:
    text = "turn a supplier's tokens back into people, for a recorded case"
    resolve = commands.add_parser("resolve", help=text, description=text)
    resolve.add_argument("tokens", nargs="*", metavar="TOKEN")
    resolve.add_argument("--tokens-csv", type=Path, metavar="FILE", help="a CSV file that the supplier sent back")
    resolve.add_argument("--column", metavar="NAME", help="the column of that file which holds tokens")
    resolve.add_argument("--supplier", required=True, metavar="NAME", help="whose tokens they are")
    resolve.add_argument("--export", metavar="GLOB")
    _add_case_flags(resolve)
    resolve.set_defaults(handler=lambda options: _resolve(options, now))


def _add_subject(commands: Any, now: Now) -> None:
    text = "list every view, epoch and date in which one person's token was released"
    subject = commands.add_parser("subject", help=text, description=text)
    subject.add_argument(
        "--pay-number",
        required=True,
        metavar="FILE",
        help="a file whose first line is the pay number; - is stdin, never the number",
    )
    _add_case_flags(subject)
    subject.set_defaults(handler=lambda options: _subject(options, now))


def _add_case_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("--actor", required=True, metavar="NAME", help="the person who asks; the account is recorded too")
    command.add_argument("--purpose", required=True, choices=PURPOSES)
    command.add_argument("--case", required=True, metavar="REFERENCE")
    signed = command.add_mutually_exclusive_group()
    signed.add_argument("--approval", type=Path, metavar="FILE", help="an approver's signature under this very request")
    signed.add_argument("--ask", type=Path, metavar="FILE", help="write the request for an approver, and do nothing else")
    command.add_argument("--results", type=Path, metavar="FILE", help="write the table to a new file of mode 0600, not to stdout")
    command.add_argument("--authority", metavar="FILE", help="auditor, approvers and limits: see docs/resolving.md")
    command.add_argument("--checkpoints", metavar="DIR", help="signed checkpoints of the audit log, on other storage")
    for flag, metavar in (("contract", "FILE"), ("policies", "DIR"), ("keys", "URI"), ("out", "DIR"), ("records", "DIR")):
        command.add_argument(f"--{flag}", metavar=metavar)


def _add_audit(commands: Any, parser_class: type[argparse.ArgumentParser], now: Now) -> None:
    audit = commands.add_parser("audit", help="verify and read the audit log; make and use the keys of its people")
    actions = audit.add_subparsers(dest="action", required=True, metavar="ACTION", parser_class=parser_class)

    text = "find any edit, deletion, reordering or cut of the audit log"
    verify = actions.add_parser("verify", help=text, description=text)
    text = "print the audit log with its sealed parts, for the auditor"
    read = actions.add_parser("read", help=text, description=text)
    for command in (verify, read):
        command.add_argument("--records", metavar="DIR")
        command.add_argument("--out", metavar="DIR")
        command.add_argument("--checkpoints", metavar="DIR")
        command.add_argument(
            "--public-key", type=Path, nargs="+", required=True, metavar="FILE", help="signing-N.pub of the key directory, each"
        )
    read.add_argument("--key", type=Path, required=True, metavar="FILE", help="the auditor's private key")
    verify.set_defaults(handler=_verify)
    read.set_defaults(handler=_read)

    text = "make the key pair of the auditor or of an approver"
    keygen = actions.add_parser("keygen", help=text, description=text)
    keygen.add_argument("--role", choices=("auditor", "approver"), required=True)
    keygen.add_argument("--key", type=Path, required=True, metavar="FILE", help="the private half: a new file, on another machine")
    keygen.set_defaults(handler=_keygen)

    text = "sign a request that resolve --ask wrote, as its approver"
    approve = actions.add_parser("approve", help=text, description=text)
    approve.add_argument("--request", type=Path, required=True, metavar="FILE")
    approve.add_argument("--approver", required=True, metavar="NAME", help="as the authority file names you")
    approve.add_argument("--key", type=Path, required=True, metavar="FILE")
    approve.add_argument("--approval", type=Path, required=True, metavar="FILE", help="the new file to write")
    approve.add_argument("--hours", type=_hours, default=4, metavar="N", help="how long it holds; 4 unless told")
    approve.set_defaults(handler=lambda options: _approve(options, now))


def _hours(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 168:
        raise argparse.ArgumentTypeError("must be a whole number from 1 to 168")
    return int(text)


def _resolve(options: argparse.Namespace, now: Now) -> Summary:
    from pipelines.audit.record import Purpose
    from pipelines.resolution import Question
    from pipelines.resolve import inquiry_of, resolve

    _warn()
    values = Defaults(options)
    places, contract, policies, authority = _terms(values)
    question = Question(
        export=values.require("export"),
        supplier=options.supplier,
        texts=_tokens(options, authority.limits.tokens_per_call),
        actor=options.actor,
        purpose=Purpose(options.purpose),
        case=options.case,
        approval=_approval(options),
    )
    if options.ask is not None:
        return _ask(options, inquiry_of(question))
    _check_results(options)
    resolution = resolve(question, places, contract, policies, authority, now())
    _show(options, resolution.table())
    return {
        "outcome": "answered",
        "call": resolution.call,
        "case": options.case,
        "purpose": options.purpose,
        "supplier": options.supplier,
        "tokens": resolution.counts,
        "notices": list(resolution.notices),
    }


def _subject(options: argparse.Namespace, now: Now) -> Summary:
    from pipelines.audit.record import Purpose
    from pipelines.subject import SubjectQuestion, find_subject, subject_inquiry

    _warn()
    values = Defaults(options)
    places, contract, policies, authority = _terms(values)
    question = SubjectQuestion(
        person_key=_pay_number(options.pay_number),
        actor=options.actor,
        purpose=Purpose(options.purpose),
        case=options.case,
        approval=_approval(options),
    )
    if options.ask is not None:
        return _ask(options, subject_inquiry(question))
    _check_results(options)
    answer = find_subject(question, places, Path(values.require("out")), contract, policies, authority, now())
    _show(options, answer.table())
    return {
        "outcome": "answered",
        "call": answer.call,
        "case": options.case,
        "purpose": options.purpose,
        "releases": answer.counts,
    }


def _pay_number(source: str) -> str:
    """The first line of a file or of stdin: an argument would be in every list of processes."""
    try:
        if source == "-":
            return sys.stdin.readline(_LONGEST_LINE).strip()
        with Path(source).open(encoding="utf-8") as file:
            return file.readline(_LONGEST_LINE).strip()
    except (OSError, UnicodeDecodeError):
        raise UsageError(
            "--pay-number names no file that can be read",
            hint="write the number into a file, or give it on stdin with --pay-number -; never on the command line",
        ) from None


def _warn() -> None:
    for line in WARNING:
        print(f"supplier-views: warning: {line}", file=sys.stderr)


def _terms(values: Defaults) -> tuple[Places, Contract, tuple[Policy, ...], Authority]:
    from pipelines.audit.authority import load_authority
    from pipelines.audit.desk import Places
    from transforms.contract.load import load_contract
    from transforms.policy.lint import check_policies
    from transforms.policy.load import load_policies

    contract = load_contract(Path(values.require("contract")))
    policies = tuple(load_policies(Path(values.require("policies"))))
    check_policies(contract, policies)
    authority = load_authority(Path(values.require("authority")))
    places = Places(values.require("keys"), _records(values), Path(values.require("checkpoints")))
    return places, contract, policies, authority


def _records(values: Defaults) -> Path:
    records = values.get("records")
    return Path(records) if records is not None else Path(values.require("out")) / ".records"


def _tokens(options: argparse.Namespace, limit: int) -> tuple[str, ...]:
    from pipelines.audit.reply import read_tokens

    if (options.tokens_csv is None) != (options.column is None):
        raise UsageError("--tokens-csv and --column go together", hint="name the file and its column")
    sent = read_tokens(options.tokens_csv, options.column, limit) if options.tokens_csv is not None else ()
    return (*options.tokens, *sent)


def _approval(options: argparse.Namespace) -> bytes | None:
    from pipelines.audit.approval import read_limited

    return None if options.approval is None else read_limited(options.approval)


def _ask(options: argparse.Namespace, inquiry: Any) -> Summary:
    from pipelines.audit.approval import request_of
    from pipelines.release.strict_json import canonical_json

    _write_new(options.ask, canonical_json(request_of(inquiry)) + b"\n")
    return {"outcome": "request-written", "request": str(options.ask), "tokens": {"asked": len(inquiry.asked)}}


def _check_results(options: argparse.Namespace) -> None:
    if options.results is not None and (options.results.exists() or not options.results.parent.is_dir()):
        raise UsageError("--results names a file that exists, or a directory that does not", hint="name a new file")


def _show(options: argparse.Namespace, table: Iterable[tuple[str, ...]]) -> None:
    """The only place where identities leave: stdout, or a new file of mode 0600."""
    with closing(io.StringIO(newline="")) as text:
        csv.writer(text, lineterminator="\n").writerows(table)
        if options.results is None:
            sys.stdout.write(text.getvalue())
        else:
            _write_new(options.results, text.getvalue().encode())


def _write_new(path: Path, data: bytes) -> None:
    from transforms.keyring.privatefile import create_whole

    if not create_whole(path, data):
        raise UsageError("there is a file already", hint=f"name a new file instead of {path}")


def _verify(options: argparse.Namespace) -> Summary:
    verified = _verified(options)
    notices = []
    if verified.chain.torn:
        notices.append("a crash left a torn end behind the last record; nothing was revealed for it")
    if verified.unconfirmed:
        notices.append("a crash left the last record without its checkpoint; the next call writes it")
    for notice in notices:
        print(f"supplier-views: notice: {notice}", file=sys.stderr)
    records = verified.chain.records
    return {
        "outcome": "verified",
        "records": len(records),
        "last": verified.chain.digests[-1] if records else None,
        "unconfirmed": verified.unconfirmed,
        "torn_bytes": len(verified.chain.torn),
        "notices": notices,
    }


def _verified(options: argparse.Namespace) -> Any:
    from pipelines.audit.checkpoint import Checkpoints
    from pipelines.audit.log import verify_log
    from transforms.keyring.signing import load_public_key

    values = Defaults(options)
    public_keys = tuple(load_public_key(path).public_bytes_raw() for path in options.public_key)
    return verify_log(_records(values), Checkpoints(Path(values.require("checkpoints")), public_keys))


def _read(options: argparse.Namespace) -> Summary:
    from pipelines.audit.keys import open_auditor_key
    from pipelines.audit.record import unseal
    from pipelines.release.strict_json import canonical_json

    chain = _verified(options).chain
    key = open_auditor_key(options.key)
    lines = []
    for record in chain.records:
        opened = {name: getattr(record, name) for name in record.__slots__ if name != "sealed"}
        lines.append(canonical_json({**opened, "details": unseal(record, key)}).decode())
    for line in lines:
        print(line)
    return {"outcome": "read", "records": len(lines)}


def _keygen(options: argparse.Namespace) -> Summary:
    from pipelines.audit.keys import Role, make_key

    public = make_key(Role(options.role), options.key)
    return {"outcome": "made", "role": options.role, "key": str(options.key), "public_key": public}


def _approve(options: argparse.Namespace, now: Now) -> Summary:
    from pipelines.audit.approval import read_request, sign_approval
    from pipelines.audit.keys import open_approver_key

    request = read_request(options.request)
    who = f"{request.actor} (account {request.account}) asks for {request.count} of {request.supplier or 'every supplier'}"
    why = f"by {request.command}, purpose {request.purpose}, case {request.case}"
    print(f"supplier-views: notice: {who} {why}", file=sys.stderr)
    approval = sign_approval(request, options.approver, open_approver_key(options.key), now(), options.hours)
    _write_new(options.approval, approval)
    return {"outcome": "approved", "approval": str(options.approval), "case": request.case, "tokens": {"asked": request.count}}
