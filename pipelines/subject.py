"""Subject: every release in which one person's tokens went to a supplier, for who asks what is held on them [L10].

The signed records say which releases there were; the files of each one that is still kept are searched for the person's tokens, in
whole columns. What cannot be searched any more is said, not passed over: an erased release, and an epoch whose key is gone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from pipelines.audit.authority import Authority
from pipelines.audit.checkpoint import Checkpoints
from pipelines.audit.desk import Places, admit
from pipelines.audit.inquiry import Inquiry, own_account
from pipelines.audit.log import open_log
from pipelines.audit.record import Command, Purpose
from pipelines.release.chain import manifest_digest, read_history
from pipelines.release.events import EventLog
from pipelines.release.files import hash_files, read_file
from pipelines.release.manifest import MANIFEST_NAME, Manifest, open_manifest, subjects_of
from pipelines.release.record import Record
from pipelines.release.store import Shelf
from transforms.contract.model import Contract
from transforms.errors import ExportError, KeyUnavailable, Refused, UsageError
from transforms.keyring.hardening import harden_process
from transforms.keyring.open import open_signing_key, open_verification_keys
from transforms.keyring.resolving import ResolvingKeys, open_resolving_keys
from transforms.policy.model import ALGORITHMS, Policy, TokenKind
from transforms.policy.token_size import BARE_DIGITS, BUCKETS, LENGTH_BYTES, SHORT_DIGITS
from transforms.tokens.canonicalise import canonical_text
from transforms.tokens.check import self_test
from transforms.tokens.check_kinds import self_test_kinds
from transforms.tokens.column import TokenForm, make_tokens
from transforms.tokens.derive import TokenLabel, column_key

_HEAD = "XX1-"  # of tokens that are made to be compared without their head
_PEOPLE = ("people.csv", "people.parquet")


class Outcome(StrEnum):
    """What the search of a release said; a release without the person is not listed."""

    RELEASED = "released"
    ERASED = "erased"  # its time is over and its files are gone: who was in it cannot be told any more
    KEY_GONE = "key-gone"  # its epoch's key, or its supplier's policy, is gone: nobody can say which token was the person's


@dataclass(frozen=True, slots=True)
class SubjectQuestion:
    """Whose data, and who asks; `approval` is the bytes of an approval file."""

    person_key: str
    actor: str
    purpose: Purpose
    case: str
    approval: bytes | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One release in which the person was, or a run of releases of one epoch that could not be searched.

    `tokens` maps token columns to the person's tokens; `purpose` and `delete_by` are the release's terms.
    """

    supplier: str
    outcome: Outcome
    epoch: int
    first: date
    last: date
    releases: int
    release: str = ""
    tokens: Mapping[str, str] | None = None
    purpose: str = ""
    delete_by: date | None = None


@dataclass(frozen=True, slots=True)
class SubjectAnswer:
    """Every line, in the order of suppliers and dates, and the call's name in the audit log."""

    call: str
    lines: tuple[Line, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many releases have each outcome."""
        counts: Counter[str] = Counter()
        for line in self.lines:
            counts[line.outcome.value] += line.releases
        return dict(sorted(counts.items()))

    def table(self) -> Iterator[tuple[str, ...]]:
        """A header, then a line for each token of each release, or for each run of releases that could not be searched."""
        yield ("supplier", "outcome", "epoch", "from", "to", "releases", "release", "column", "token", "purpose", "delete_by")
        for line in self.lines:
            head = (line.supplier, line.outcome.value, str(line.epoch), line.first.isoformat(), line.last.isoformat())
            for column, token in (line.tokens or {"": ""}).items():
                until = line.delete_by.isoformat() if line.delete_by else ""
                yield (*head, str(line.releases), line.release, column, token, line.purpose, until)


def subject_inquiry(question: SubjectQuestion) -> Inquiry:
    """The inquiry that is written down and approved.

    Raises:
        UsageError: no person key, or actor or case have a wrong form.
    """
    try:
        person = canonical_text(question.person_key) if question.person_key.isprintable() else None
    except ExportError:
        person = None
    if person is None:
        raise UsageError("the pay number is blank, or holds a character that no value may hold", hint="give it on the first line")
    return Inquiry(Command.SUBJECT, question.actor, own_account(), question.purpose, question.case, "", (person,))


def find_subject(
    question: SubjectQuestion,
    places: Places,
    out: Path,
    contract: Contract,
    policies: Sequence[Policy],
    authority: Authority,
    now: datetime,
) -> SubjectAnswer:
    """Lists the releases below `out` and the records in which the person's tokens are; written down like any way back.

    Memory holds one batch of a release.

    Raises:
        Refused: the audit log does not hold, a limit was reached, or records and releases are not what was signed (see
            `pipelines.release.chain.read_history`).
        Unavailable: a key, the records or the audit log cannot be used.
    """
    harden_process()
    self_test()
    self_test_kinds()
    inquiry = subject_inquiry(question)
    signer = open_signing_key(places.keys, now)
    public_keys = open_verification_keys(places.keys, now)
    with (
        open_log(places.records, Checkpoints(places.checkpoints, public_keys), signer, authority.auditor) as log,
        admit(log, EventLog(places.records), inquiry, authority, question.approval, now) as ticket,
    ):
        search = _Search(inquiry.asked[0], places, out, contract, public_keys, now)
        by_supplier = {policy.supplier: policy for policy in policies}
        lines = [line for name in search.suppliers() for line in search.releases_of(name, by_supplier.get(name))]
        ticket.answer(
            {"answers": [{"release": line.release, "supplier": line.supplier, "outcome": line.outcome} for line in lines]}
        )
        return SubjectAnswer(ticket.entry.call, tuple(lines))


class _Search:
    """One person's search, supplier by supplier."""

    def __init__(
        self, person: str, places: Places, out: Path, contract: Contract, public_keys: tuple[bytes, ...], now: datetime
    ) -> None:
        self._person = person
        self._places = places
        self._out = out
        self._contract = contract
        self._public_keys = public_keys
        self._day = now.date()

    def suppliers(self) -> tuple[str, ...]:
        """Everybody who was ever sent a release, with a policy or without one by now."""
        return tuple(sorted(head.parent.name for head in self._places.records.glob("*/head.json")))

    def releases_of(self, supplier: str, policy: Policy | None) -> list[Line]:
        shelf = Shelf(supplier, self._out / supplier, self._places.records / supplier)
        records = read_history(shelf, self._public_keys, self._day).records
        keys: ResolvingKeys | None = None
        if policy is not None:
            try:
                keys = open_resolving_keys(self._places.keys, supplier, self._day)
            except KeyUnavailable as error:
                if error.code != "key-file-missing":
                    raise
        lines: list[Line] = []
        if keys is None:
            for record in records:
                _add(lines, _unsearched(record, Outcome.KEY_GONE))
            return lines
        with keys:
            for record in records:
                line = self._look(shelf, record, keys)
                if line is not None:
                    _add(lines, line)
        return lines

    def _look(self, shelf: Shelf, record: Record, keys: ResolvingKeys) -> Line | None:
        epoch = _epoch(record)
        if keys.refusal(epoch, for_incident=True) is not None:
            return _unsearched(record, Outcome.KEY_GONE)
        if manifest_digest(shelf, record.release_id) is None:
            return _unsearched(record, Outcome.ERASED)
        directory = shelf.release(record.release_id)
        data = read_file(directory / MANIFEST_NAME) or b""
        manifest = open_manifest(data, self._public_keys, str(directory))
        first = next(column.name for column in manifest.terms.columns if column.action == "token")
        tokens = _row_with(directory, manifest, first, self._bodies(keys, manifest, first, epoch))
        if tokens is None:
            return None
        terms = manifest.terms
        return Line(
            record.supplier, Outcome.RELEASED, epoch, record.date, record.date, 1,
            record.release_id, tokens, terms.purpose, terms.delete_by,
        )  # fmt: skip

    def _bodies(self, keys: ResolvingKeys, manifest: Manifest, column: str, epoch: int) -> pa.StringArray:
        """What the person's cell of a release's first token column can hold behind prefix and epoch.

        Every view's first token is made of the person key alone, so it finds the person whatever their name was then. The manifest
        says by which algorithm; scope and size are tried, because policy and contract may have been others than today's.
        """
        terms = manifest.terms
        of, person = (self._contract.person_key,), pa.array([self._person], pa.string())
        bodies = set()
        for kind, size in _forms(terms.tokens.algorithms[column], self._person):
            form = TokenForm(kind, terms.supplier, epoch, column, _HEAD, of, 0, size)
            for scope, release in (("relationship", None), ("transaction", terms.release_id)):
                label = TokenLabel(terms.supplier, epoch, column, of, scope, release, kind)
                with suppress(ExportError):  # no number, or too long: no token ever stood for it
                    made = make_tokens(column_key(keys.key(epoch).reveal(), label), form, person, [person]).text
                    bodies.add(made[0].as_py().removeprefix(_HEAD))
        return pa.array(sorted(bodies), pa.string())


def _forms(algorithm: str, person: str) -> Iterator[tuple[TokenKind, int]]:
    """The kinds and sizes that a token of the person key by that algorithm may have had."""
    for kind, name in ALGORITHMS.items():
        if name != algorithm:
            continue
        if kind == "one-way":
            yield kind, 0
        elif kind == "reversible":
            yield from ((kind, bucket) for bucket in BUCKETS if bucket >= LENGTH_BYTES + len(person.encode()))
        elif BARE_DIGITS[0] <= len(person) <= (SHORT_DIGITS if kind == "short" else BARE_DIGITS[1]):
            yield kind, len(person)


def _row_with(directory: Path, manifest: Manifest, column: str, bodies: pa.StringArray) -> Mapping[str, str] | None:
    """The tokens of the row whose token of that column is one of those, prefix and epoch aside; None if no row has one."""
    columns = [column.name for column in manifest.terms.columns if column.action == "token"]
    (name,) = (subject.name for subject in manifest.subjects if subject.name in _PEOPLE)
    signed = tuple(subject for subject in manifest.subjects if subject.name == name)
    if subjects_of(hash_files(directory, (name,))) != signed:
        raise _altered(directory)
    for batch in _batches(directory / name, columns):
        without_head = pc.replace_substring_regex(batch.column(column), "^[A-Z]+[0-9]+-", "")
        rows = pc.indices_nonzero(pc.is_in(without_head, value_set=bodies))
        if len(rows):
            found = batch.take(rows.slice(0, 1)).to_pylist()[0]
            return {each: found[each] for each in columns if found[each]}
    return None


def _batches(path: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    try:
        if path.suffix == ".parquet":
            yield from pq.ParquetFile(path).iter_batches(columns=columns)
        else:
            text: Any = {column: pa.string() for column in columns}
            options = pa_csv.ConvertOptions(include_columns=columns, column_types=text)
            yield from pa_csv.open_csv(path, convert_options=options)
    except (pa.ArrowException, OSError):
        raise _altered(path.parent) from None


def _epoch(record: Record) -> int:
    return int(record.key_id.rpartition("/")[2])


def _unsearched(record: Record, outcome: Outcome) -> Line:
    return Line(record.supplier, outcome, _epoch(record), record.date, record.date, 1)


def _add(lines: list[Line], line: Line) -> None:
    """Adds a line, or makes the one before longer where both say that nothing can be said."""
    last = lines[-1] if lines else None
    if last and line.outcome is not Outcome.RELEASED and (last.outcome, last.epoch) == (line.outcome, line.epoch):
        lines[-1] = Line(last.supplier, last.outcome, last.epoch, last.first, line.last, last.releases + 1)
    else:
        lines.append(line)


def _altered(directory: Path) -> Refused:
    return Refused(
        "the release is not the one that was signed",
        place=str(directory),
        hint="compare releases and records with their backup before anything else",
        code="release-altered",
    )
