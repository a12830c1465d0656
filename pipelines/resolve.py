"""Resolve: from the tokens that a supplier holds to people, for a recorded case [P11].

People are looked up in the current export; a token that can be decrypted leads to its person key, and for a leaver to what it
holds.

Nothing else in supplier-views leads from a token to a person, and nothing else may import `transforms.tokens.resolve`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import date, datetime
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
from pipelines.resolution import FROM_EXPORT, FROM_TOKEN, Answer, Question, Resolution, Status
from transforms.contract.model import Contract
from transforms.contract.rows import RowChecker
from transforms.errors import InvalidInput, KeyUnavailable, UsageError
from transforms.export.block import gather
from transforms.export.sources import open_reader
from transforms.keyring.hardening import harden_process
from transforms.keyring.open import open_signing_key, open_verification_keys
from transforms.keyring.resolving import ResolvingKeys, open_resolving_keys
from transforms.policy.disclosure import starts_like_formula
from transforms.policy.model import Policy, TokenColumn
from transforms.tokens.check import self_test
from transforms.tokens.check_kinds import self_test_kinds
from transforms.tokens.column import form_of, label_of
from transforms.tokens.derive import column_key
from transforms.tokens.format import Token, parse_number, parse_token
from transforms.tokens.release_id import release_id
from transforms.tokens.resolve import SYMBOL_CHARACTERS, Found, Opened, TokenSource, find_people, find_person_keys, open_tokens

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
BARE_EPOCH = 0  # of a bare number, which names none
_REFUSED_EPOCHS: Mapping[str, Status] = {
    "key-unknown-epoch": Status.UNKNOWN_EPOCH,
    "key-not-yet-active": Status.UNKNOWN_EPOCH,
    "key-expired": Status.PAST_EPOCH,
    "key-compromised": Status.COMPROMISED_EPOCH,
    "key-destroyed": Status.DESTROYED_EPOCH,
}
# A wrong prefix or epoch number passes the check symbol, so these are looked for under every other key.
_LOOKED_FOR_ELSEWHERE = frozenset({Status.UNKNOWN, Status.UNKNOWN_PREFIX, Status.UNKNOWN_EPOCH})


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

    The export is read once for tokens that are recomputed, once for those that were decrypted, and once more for each if some token
    was not found and may be another supplier's. Memory holds the tokens that were asked for and a batch of the export.

    Raises:
        Refused: the audit log does not hold, or a limit was reached (`pipelines.audit.desk`).
        InvalidInput: the export does not match its contract, or the authority file shows what it may not.
        Unavailable: a key, the export or the audit log cannot be used; nothing was revealed.
    """
    harden_process()
    self_test()
    self_test_kinds()
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
            epochs = {token.epoch for token in wanted.values()}
            if BARE_EPOCH in epochs:
                epochs |= set(_usable_epochs(keys, for_incident=for_incident))
            sources = [source for epoch in sorted(epochs - {BARE_EPOCH}) for source in self._sources(policy, keys, epoch)]
            answers = {text: answer for text, (_, answer) in read.items()}
            answers |= self._people(wanted, sources)
            answers |= self._decrypted(wanted, sources)
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
            form = source.form
            if wanted[text].epoch == form.epoch:
                before = found.get(text) or Answer(text, Status.RESOLVED, form.supplier, form.column, FROM_EXPORT)
                found[text] = replace(before, people=(*before.people, person))
        return found

    def _origins(self, left: Mapping[str, Token], sources: Sequence[TokenSource], policy: Policy) -> dict[str, Answer]:
        """Answers for tokens that come out under another key than their prefix and epoch say; whose they are stays hidden."""
        origins = [(source, text) for source, text, _ in self._matches(left, sources)]
        headed = {text: token for text, token in left.items() if token.epoch != BARE_EPOCH}  # a bare number opens under any key
        opened = list(_open(headed, sources, any_epoch=True))
        known = self._in_export(one.person for _, _, one in opened)
        # That a reversible token verifies is proof; that a number has enough zeros is not, but that somebody has it, too, is.
        origins += [(source, text) for source, text, one in opened if source.form.kind == "reversible" or one.person in known]
        found: dict[str, Answer] = {}
        for source, text in origins:
            form = source.form
            status = Status.OTHER_EPOCH if form.supplier == policy.supplier else Status.OTHER_SUPPLIER
            found[text] = Answer(text, status, form.supplier, form.column)
        return found

    def _decrypted(self, wanted: Mapping[str, Token], sources: Sequence[TokenSource]) -> dict[str, Answer]:
        """Answers for the tokens that open under a key of their own epoch."""
        opened = list(_open(wanted, sources, any_epoch=False))
        known = self._in_export(one.person for _, _, one in opened)
        found: dict[str, Answer] = {}
        for text in dict.fromkeys(text for _, text, _ in opened):
            candidates = [(source, one) for source, opened_text, one in opened if opened_text == text]
            inside = [(source, known[one.person]) for source, one in candidates if one.person in known]
            form = (inside or candidates)[0][0].form
            if inside:
                status = Status.AMBIGUOUS if len(inside) > 1 else Status.RESOLVED
                people = tuple(person for _, rows in inside for person in rows)
                found[text] = Answer(text, status, form.supplier, form.column, FROM_EXPORT, people)
            else:
                status = Status.RESOLVED if form.kind == "reversible" else Status.UNVERIFIED
                people = tuple(self._as_held(source, one) for source, one in candidates)
                found[text] = Answer(text, status, form.supplier, form.column, FROM_TOKEN, people)
        return found

    def _as_held(self, source: TokenSource, opened: Opened) -> tuple[str, ...]:
        """What a token itself says of a person, of what may be shown."""
        held = {**dict(zip(source.form.of, opened.values, strict=True)), self._contract.person_key: opened.person}
        return tuple(held.get(name) or "" for name in self.shown)

    def _in_export(self, persons: Iterable[str]) -> Mapping[str, tuple[tuple[str, ...], ...]]:
        """What may be shown of people of the export, by their canonical person key."""
        keys = pa.array(sorted(set(persons)), pa.string())
        known: dict[str, tuple[tuple[str, ...], ...]] = {}
        if not len(keys):
            return known
        for batch in self._rows():
            found = find_person_keys(batch.column(self._contract.person_key), keys)
            for place, row in self._shown(batch, found):
                person = keys[place].as_py()
                known[person] = (*known.get(person, ()), row)
        return known

    def _shown(self, batch: pa.RecordBatch, found: Found) -> Iterator[tuple[int, tuple[str, ...]]]:
        rows = batch.select(list(self.shown)).take(found.rows).to_pylist() if found.rows.size else []
        for place, row in zip(found.wanted, rows, strict=True):
            yield int(place), tuple(row[name] or "" for name in self.shown)

    def _matches(
        self, wanted: Mapping[str, Token], sources: Sequence[TokenSource]
    ) -> Iterator[tuple[TokenSource, str, tuple[str, ...]]]:
        sources = [source for source in sources if source.form.kind == "one-way"]
        texts: dict[str, list[str]] = {}
        for text, token in wanted.items():
            if token.kind == "one-way":
                texts.setdefault(token.text[-SYMBOL_CHARACTERS:], []).append(text)
        symbols = pa.array(list(texts), pa.string())
        if not texts or not sources:
            return
        for batch in self._rows():
            for source in sources:
                values = [batch.column(name) for name in source.form.of]
                found = find_people(source, batch.column(self._contract.person_key), values, symbols)
                for place, row in self._shown(batch, found):
                    for text in texts[symbols[place].as_py()]:
                        yield source, text, row

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
            form = form_of(policy, self._contract, column, epoch)
            for release in self._releases(policy, column, epoch_key):
                yield TokenSource(form, column_key(epoch_key, label_of(policy, column, epoch, release)))

    def _releases(self, policy: Policy, column: TokenColumn, epoch_key: memoryview) -> Sequence[str]:
        """The releases that a column's key depends on: none, or for `transaction` each one of that epoch that was recorded."""
        if column.scope == "relationship":
            return ("",)
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
        token = _parsed(text)
    except InvalidInput as error:
        return None, Answer(text, Status.MISTYPED if error.code == "token-mistyped" else Status.MALFORMED)
    if token.epoch == BARE_EPOCH:
        return _read_number(token, policy, keys, for_incident=for_incident)
    owner = next((other.supplier for other in policies if other.token_prefix == token.prefix), None)
    if owner is None:
        return token, Answer(text, Status.UNKNOWN_PREFIX)
    if owner != policy.supplier:
        return token, Answer(text, Status.OTHER_SUPPLIER, owner)
    refusal = keys.refusal(token.epoch, for_incident=for_incident)
    return token, Answer(text, Status.UNKNOWN if refusal is None else _REFUSED_EPOCHS[refusal])


def _read_number(token: Token, policy: Policy, keys: ResolvingKeys, *, for_incident: bool) -> tuple[Token | None, Answer]:
    """What a bare number says: nothing, so it is a token if this supplier has such numbers, of whichever epoch may resolve."""
    if all(column.kind != "digits" for column in policy.tokens):
        return None, Answer(token.text, Status.MALFORMED)
    refusals = [keys.refusal(epoch.number, for_incident=for_incident) for epoch in keys.epochs]
    refusal = None if None in refusals else refusals[-1]
    return token, Answer(token.text, Status.UNKNOWN if refusal is None else _REFUSED_EPOCHS[refusal])


def _usable_epochs(keys: ResolvingKeys, *, for_incident: bool) -> Iterator[int]:
    return (epoch.number for epoch in keys.epochs if keys.refusal(epoch.number, for_incident=for_incident) is None)


def _open(
    wanted: Mapping[str, Token], sources: Sequence[TokenSource], *, any_epoch: bool
) -> Iterator[tuple[TokenSource, str, Opened]]:
    """Every token that opens under a source; only under those of its own epoch unless `any_epoch`."""
    for source in sources:
        form = source.form
        if form.kind == "one-way":
            continue
        texts = [text for text, token in wanted.items() if any_epoch or token.epoch in (form.epoch, BARE_EPOCH)]
        for text, one in zip(texts, open_tokens(source, [wanted[text] for text in texts]), strict=True):
            if one is not None:
                yield source, text, one


def _parsed(text: str) -> Token:
    try:
        return parse_number(text)
    except InvalidInput:
        return parse_token(text)


def _spelt(text: str) -> str:
    """A token in canonical spelling; what is none, as it is, but for what a terminal or a spreadsheet would act upon."""
    try:
        return _parsed(text).text
    except InvalidInput:
        shown = "".join(character if character.isprintable() else _REPLACEMENT for character in text.strip())
        return _REPLACEMENT + shown[1:] if starts_like_formula(shown) else shown


def _policy_of(supplier: str, policies: Sequence[Policy]) -> Policy:
    for policy in policies:
        if policy.supplier == supplier:
            return policy
    raise UsageError("no policy has that supplier", hint=f"known: {', '.join(policy.supplier for policy in policies)}")


def _for_the_auditor(answer: Answer) -> Mapping[str, Any]:
    people = [person[0] for person in answer.people]
    return {"token": answer.token, "status": answer.status.value, "way": answer.way, "people": people}
