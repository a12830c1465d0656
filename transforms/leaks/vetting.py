"""Clearance levels and what gives them away, as words [P14]."""

from __future__ import annotations

import re
from collections.abc import Iterable

from transforms.leaks.findings import Check

_TERM = re.compile(
    r"(?<![^\W_])(?:RV|IV|MV|NPPV(?:[ -]?[123][AF]?)?|BPSS|AC|CTC|level[ -]?1B|SC|SCe|eSC|DV|eDV|STRAP"
    r"|(?i:vett(?:ed|ing)|aftercare|developed vetting|security check))(?![^\W_])"
)
# In another spelling only those that cannot be an ordinary short word.
_LOUD_TERM = re.compile(r"(?<![^\W_])(?:nppv(?:[ -]?[123][af]?)?|bpss|ctc|level[ -]?1b|strap)(?![^\W_])", re.IGNORECASE)
# Assistant Commissioner, special constable, the fourth grade: beside no other clearance these are something else.
_AMBIGUOUS = frozenset({"AC", "SC", "IV"})


class VettingTerms(Check):
    """A term of vetting stands in a release.

    In a closed vocabulary of the contract, terms that are also ranks or grades count only beside one that is not.
    """

    rule = "vetting-term"

    def look(self, text: str, place: str, allowed: Iterable[str] = ()) -> None:
        """Looks at free text; `allowed` are words of released vocabularies, in which an ambiguous term is no finding."""
        self.examine()
        ambiguous = _AMBIGUOUS.intersection(allowed)
        if terms := [term for term in _terms(text) if term not in ambiguous]:
            self.found(place, len(terms))

    def look_at_vocabulary(self, labels: Iterable[str], place: str) -> None:
        """Looks at the closed vocabulary of a released column."""
        labels = tuple(labels)
        self.examine(len(labels))
        terms = [term for label in labels for term in _terms(label)]
        if any(term not in _AMBIGUOUS for term in terms):
            self.found(place, len(terms))


def _terms(text: str) -> list[str]:
    return [*_TERM.findall(text), *(term for term in _LOUD_TERM.findall(text) if not _TERM.fullmatch(term))]
