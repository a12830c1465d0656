"""Resolve: from the tokens that a supplier holds to people of the current export, for a recorded case [P11].

Nothing else in supplier-views leads from a token to a person, and nothing else may import `transforms.tokens.resolve`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import pyarrow as pa

from pipelines.audit.authority import Authority
from pipelines.audit.checkpoint import Checkpoints
from pipelines.audit.desk import Places, admit
from pipelines.audit.inquiry import Inquiry, own_account
from pipelines.audit.log import open_log
from pipelines.audit.record import Command, Purpose
from pipelines.inputs import find_sources, open_binary
from pipelines.release.events import EventLog
from pipelines.release.store import Shelf
from transforms.contract.model import Contract
from transforms.contract.rows import RowChecker
from transforms.errors import InvalidInput, KeyUnavailable, UsageError
from transforms.export.block import gather
from transforms.export.sources import open_reader
from transforms.keyring.hardening import harden_process
from transforms.keyring.open import open_signing_key, open_verification_keys
from transforms.keyring.resolving import ResolvingKeys, open_resolving_keys
from transforms.policy.model import Policy, TokenColumn
from transforms.tokens.check import self_test
from transforms.tokens.derive import TokenLabel, column_key
from transforms.tokens.format import Token, parse_token
from transforms.tokens.release_id import release_id
from transforms.tokens.resolve import SYMBOL_CHARACTERS, TokenSource, find_people


class Status(StrEnum):
    """What became of one token; only `RESOLVED` comes with a person."""

    RESOLVED = "resolved"
    MALFORMED = "malformed"  # no token at all
    MISTYPED = "mistyped"  # the check symbol does not fit
    UNKNOWN_PREFIX = "unknown-prefix"  # no policy has it
    OTHER_SUPPLIER = "other-supplier"  # by its prefix, or because it comes out under another supplier's key
    OTHER_EPOCH = "other-epoch"  # this supplier's, with a wrong epoch number
    UNKNOWN_EPOCH = "unknown-epoch"  # there never was such an epoch
    PAST_EPOCH = "past-epoch"  # its key may not resolve any more
    COMPROMISED_EPOCH = "compromised-epoch"  # resolves for an incident only
    DESTROYED_EPOCH = "destroyed-epoch"  # nobody can turn it back
    UNKNOWN = "unknown"  # well formed and of a good epoch, and nobody in the export has it: left, renamed, or invented


_REFUSED_EPOCHS: Mapping[str, Status] = {
    "key-unknown-epoch": Status.UNKNOWN_EPOCH,
    "key-not-yet-active": Status.UNKNOWN_EPOCH,
    "key-expired": Status.PAST_EPOCH,
    "key-compromised": Status.COMPROMISED_EPOCH,
    "key-destroyed": Status.DESTROYED_EPOCH,
}
# A wrong prefix or epoch number passes the check symbol, so these are looked for under every other key.
_LOOKED_FOR_ELSEWHERE = frozenset({Status.UNKNOWN, Status.UNKNOWN_PREFIX, Status.UNKNOWN_EPOCH})


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody wants to know, of which export (a glob).

    `texts` are tokens as they were typed or sent, `approval` the bytes of an approval file.
    """

    export: str
    supplier: str
    texts: tuple[str, ...]
    actor: str
    purpose: Purpose
    case: str
    approval: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one token. `people` are rows of the export as text, person key first, then `Authority.shows`."""

    token: str
    status: Status
    supplier: str = ""
    column: str = ""
    people: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Resolution:
    """Every answer in the order of the question, the names of what `people` hold, and the call's name in the audit log."""

    call: str
    names: tuple[str, ...]
    answers: tuple[Answer, ...]
    notices: tuple[str, ...]

    @property
    def counts(self) -> Mapping[str, int]:
        """How many tokens have each status; holds no identity."""
        return dict(sorted(Counter(answer.status.value for answer in self.answers).items()))

    def table(self) -> Iterator[tuple[str, ...]]:
        """A header, then a line for each token, or one for each of its people."""
        yield ("token", "status", "supplier", "column", *self.names)
        for answer in self.answers:
            for person in answer.people or (("",) * len(self.names),):
                yield (answer.token, answer.status.value, answer.supplier, answer.column, *person)


def inquiry_of(question: Question) -> Inquiry:
    """The inquiry that is written down and approved: each token once, in canonical spelling where it has one.

    Raises:
        UsageError: no tokens, or actor or case have a wrong form.
    """
    asked = tuple(sorted({_spelt(text) for text in question.texts}))
    if not asked:
        raise UsageError("no token was given", hint="give tokens, or --tokens-csv FILE with --column NAME")
    return Inquiry(Command.RESOLVE, question.actor, own_account(), question.purpose, question.case, question.supplier, asked)


def resolve(
    question: Question, places: Places, contract: Contract, policies: Sequence[Policy], authority: Authority, now: datetime
) -> Resolution:
    """Turns tokens into people, once it is on disk who asks, and returns when it is on disk what came out.

    The export is read once, and once more if some token was not found and may be another supplier's. Memory holds the tokens that
    were asked for and a batch of the export.

    Raises:
        Refused: the audit log does not hold, or a limit was reached (`pipelines.audit.desk`).
        InvalidInput: the export does not match its contract, or the authority file shows what it may not.
        Unavailable: a key, the export or the audit log cannot be used; nothing was revealed.
    """
    harden_process()
    self_test()
    authority.check(contract)
    policy = _policy_of(question.supplier, policies)
    inquiry = inquiry_of(question)
    signer = open_signing_key(places.keys, now)
    checkpoints = Checkpoints(places.checkpoints, open_verification_keys(places.keys, now))
    with (
        open_log(places.records, checkpoints, signer, authority.auditor) as log,
        admit(log, EventLog(places.records), inquiry, authority, question.approval, now) as ticket,
    ):
        shown = tuple(dict.fromkeys((contract.person_key, *authority.shows)))
        search = _Search(question.export, places, contract, shown, now)
        answers, notices = search.answer(inquiry.asked, policy, policies, for_incident=question.purpose is Purpose.INCIDENT)
        found = {answer.token: answer for answer in answers}
        in_order = tuple(found[token] for token in dict.fromkeys(map(_spelt, question.texts)))
        ticket.answer({"answers": [_for_the_auditor(answer) for answer in in_order]})
        return Resolution(ticket.entry.call, search.shown, in_order, notices)


class _Search:
    """One search of the export."""

    def __init__(self, export: str, places: Places, contract: Contract, shown: tuple[str, ...], now: datetime) -> None:
        self._export = export
        self._places = places
        self._contract = contract
        self._day = now.date()
        self.shown = shown

    def answer(
        self, asked: Sequence[str], policy: Policy, policies: Sequence[Policy], *, for_incident: bool
    ) -> tuple[tuple[Answer, ...], tuple[str, ...]]:
        with ExitStack() as opened:
            keys = opened.enter_context(open_resolving_keys(self._places.keys, policy.supplier, self._day))
            read = {text: _read(text, policy, policies, keys, for_incident=for_incident) for text in asked}
            wanted = {text: token for text, (token, answer) in read.items() if token and answer.status is Status.UNKNOWN}
            epochs = sorted({token.epoch for token in wanted.values()})
            sources = [source for epoch in epochs for source in self._sources(policy, keys, epoch)]
            answers = {text: answer for text, (_, answer) in read.items()} | self._people(wanted, sources)
            left = {text: token for text, (token, _) in read.items() if token and answers[text].status in _LOOKED_FOR_ELSEWHERE}
            if not left:
                return tuple(answers.values()), ()
            elsewhere, notices = self._elsewhere(policy, policies, keys, opened)
            answers |= self._origins(left, elsewhere, policy)
            return tuple(answers.values()), notices

    def _people(self, wanted: Mapping[str, Token], sources: Sequence[TokenSource]) -> dict[str, Answer]:
        """Answers for the tokens that somebody in the export has under their own epoch."""
        found: dict[str, Answer] = {}
        for source, text, person in self._matches(wanted, sources):
            if wanted[text].epoch == source.epoch:
                before = found.get(text) or Answer(text, Status.RESOLVED, source.supplier, source.column)
                found[text] = replace(before, people=(*before.people, person))
        return found

    def _origins(self, left: Mapping[str, Token], sources: Sequence[TokenSource], policy: Policy) -> dict[str, Answer]:
        """Answers for tokens that come out under another key than their prefix and epoch say; whose they are stays hidden."""
        found: dict[str, Answer] = {}
        for source, text, _ in self._matches(left, sources):
            own = source.supplier == policy.supplier
            found[text] = Answer(text, Status.OTHER_EPOCH if own else Status.OTHER_SUPPLIER, source.supplier, source.column)
        return found

    def _matches(
        self, wanted: Mapping[str, Token], sources: Sequence[TokenSource]
    ) -> Iterator[tuple[TokenSource, str, tuple[str, ...]]]:
        texts: dict[str, list[str]] = {}
        for text, token in wanted.items():
            texts.setdefault(token.text[-SYMBOL_CHARACTERS:], []).append(text)
        symbols = pa.array(list(texts), pa.string())
        if not texts or not sources:
            return
        for batch in self._rows():
            for source in sources:
                found = find_people(
                    source, batch.column(self._contract.person_key), [batch.column(name) for name in source.of], symbols
                )
                shown = batch.select(list(self.shown)).take(found.rows).to_pylist() if found.rows.size else []
                for place, row in zip(found.wanted, shown, strict=True):
                    for text in texts[symbols[int(place)].as_py()]:
                        yield source, text, tuple(row[name] or "" for name in self.shown)

    def _rows(self) -> Iterator[pa.RecordBatch]:
        """The rows that keep the contract: no other row was ever given a token."""
        checker = RowChecker(self._contract)
        for source in find_sources(self._export, self._contract):
            with open_binary(source.path) as stream:
                for block in gather(open_reader(source, stream, self._contract)):
                    accepted = checker.check(block.rows).accepted
                    if accepted.num_rows:
                        yield accepted

    def _elsewhere(
        self, policy: Policy, policies: Sequence[Policy], own: ResolvingKeys, opened: ExitStack
    ) -> tuple[list[TokenSource], tuple[str, ...]]:
        """Every source of every supplier whose keys open, and which suppliers' did not."""
        sources: list[TokenSource] = []
        notices: list[str] = []
        for other in policies:
            try:
                keys = own if other is policy else opened.enter_context(
                    open_resolving_keys(self._places.keys, other.supplier, self._day)
                )  # fmt: skip
            except KeyUnavailable as error:
                notices.append(f"tokens were not compared with those of {other.supplier}: {error.code}")
                continue
            for epoch in keys.epochs:
                if keys.refusal(epoch.number, for_incident=True) is None:
                    sources.extend(self._sources(other, keys, epoch.number))
        return sources, tuple(notices)

    def _sources(self, policy: Policy, keys: ResolvingKeys, epoch: int) -> Iterator[TokenSource]:
        epoch_key = keys.key(epoch).reveal()
        for column in policy.tokens:
            for release in self._releases(policy, column, epoch_key):
                label = TokenLabel(policy.supplier, epoch, column.name, column.of, column.scope, release)
                yield TokenSource(policy.supplier, epoch, column.name, column.of, column_key(epoch_key, label))

    def _releases(self, policy: Policy, column: TokenColumn, epoch_key: memoryview) -> Sequence[str | None]:
        """The releases that a column's key depends on: none, or for `transaction` each one of that epoch that was recorded."""
        if column.scope == "relationship":
            return (None,)
        directory = self._places.records / policy.supplier
        if not directory.is_dir():
            return ()
        recorded = Shelf(policy.supplier, directory, directory).record_ids()
        return tuple(name for name in recorded if name == release_id(epoch_key, policy.supplier, date.fromisoformat(name[:10])))


def _read(
    text: str, policy: Policy, policies: Sequence[Policy], keys: ResolvingKeys, *, for_incident: bool
) -> tuple[Token | None, Answer]:
    """What a text says of itself, before anything is looked up; `UNKNOWN` if it may be looked up."""
    try:
        token = parse_token(text)
    except InvalidInput as error:
        return None, Answer(text, Status.MISTYPED if error.code == "token-mistyped" else Status.MALFORMED)
    owner = next((other.supplier for other in policies if other.token_prefix == token.prefix), None)
    if owner is None:
        return token, Answer(text, Status.UNKNOWN_PREFIX)
    if owner != policy.supplier:
        return token, Answer(text, Status.OTHER_SUPPLIER, owner)
    refusal = keys.refusal(token.epoch, for_incident=for_incident)
    return token, Answer(text, Status.UNKNOWN if refusal is None else _REFUSED_EPOCHS[refusal])


def _spelt(text: str) -> str:
    """A token in canonical spelling; what is none, as it is, but for what a terminal would act upon."""
    try:
        return parse_token(text).text
    except InvalidInput:
        return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text.strip())


def _policy_of(supplier: str, policies: Sequence[Policy]) -> Policy:
    for policy in policies:
        if policy.supplier == supplier:
            return policy
    raise UsageError("no policy has that supplier", hint=f"known: {', '.join(policy.supplier for policy in policies)}")


def _for_the_auditor(answer: Answer) -> Mapping[str, Any]:
    return {"token": answer.token, "status": answer.status.value, "people": [person[0] for person in answer.people]}
