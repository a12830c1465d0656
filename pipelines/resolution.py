"""What is asked of `pipelines.resolve`, and what it answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from pipelines.audit.record import Purpose

# Where what is shown of a person comes from.
FROM_EXPORT = "export"
FROM_TOKEN = "decrypted"  # noqa: S105 - no secret


class Status(StrEnum):
    """What became of one token; only the first three come with people."""

    RESOLVED = "resolved"
    UNVERIFIED = "unverified"  # a number that nobody in the export has: a leaver's, or not one of ours; FF1 cannot tell
    AMBIGUOUS = "ambiguous"  # a bare number that stands for one person in one epoch or column, and for another in another
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
    """What became of one token.

    `people` are rows as text, person key first, then `Authority.shows`; `way` says where they come from: the current export, or the
    token itself, which then holds what was true when it was made.
    """

    token: str
    status: Status
    supplier: str = ""
    column: str = ""
    way: str = ""
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
        yield ("token", "status", "supplier", "column", "way", *self.names)
        for answer in self.answers:
            for person in answer.people or (("",) * len(self.names),):
                yield (answer.token, answer.status.value, answer.supplier, answer.column, answer.way, *person)
