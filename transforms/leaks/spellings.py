"""How an accident spells a value of the export: what to look up of a column, or of two columns of names, in normal form.

Each public function is one spelling: whole Arrow columns in, the spelt values out; those that would be too short to tell anything
are left out. Nulls in give nulls or nothing out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import pyarrow as pa
import pyarrow.compute as pc

from transforms.leaks.strings import Strings, begins, contains, keep, lengths, matches, replace
from transforms.leaks.words import SHORTEST_NAME, SHORTEST_NUMBER

_MARKS = (" ", "-", "'", "’", ".", ",")
_MARK = "[ '’.,-]"
_NAME = r"^[^0-9@/_]+$"
_SHORTEST_SURNAME = 2  # beside a forename or an initial, in bytes: Ng, Li, Wu
_SHORTEST_GLUED_SURNAME = 5  # B. Lock is no block
_SHORTEST_GLUED_NAMES = 7


def whole(values: Strings) -> Iterator[Strings]:
    """The values as they are, in normal form."""
    yield values


def without_zeros(values: Strings) -> Iterator[Strings]:
    """Numbers as a spreadsheet makes them: 00120034 is 120034."""
    padded = begins(values, "0")
    if padded.any():
        bare = pc.ascii_ltrim(keep(values, padded), "0")
        yield keep(bare, lengths(bare) >= SHORTEST_NUMBER)


def local_parts(values: Strings) -> Iterator[Strings]:
    """What stands before the @ of an address."""
    addresses = contains(values, "@")
    if addresses.any():
        yield pc.list_element(pc.split_pattern(keep(values, addresses), "@", max_splits=1), 0)


def digits_alone(values: Strings) -> Iterator[Strings]:
    """Numbers that the export writes in groups or with a mark before them, without those."""
    grouped = matches(values, r"^[0-9 +()./-]*[0-9][ +()./-]+[0-9][0-9 +()./-]*$|^\+[0-9]+$")
    if grouped.any():
        digits: Strings = pc.replace_substring_regex(keep(values, grouped), "[^0-9]", "")
        yield keep(digits, lengths(digits) >= SHORTEST_NUMBER)


def each_name(values: Strings) -> Iterator[Strings]:
    """Each of several names."""
    several = matches(values, _MARK)
    if several.any():
        parts: Strings = pc.list_flatten(pc.split_pattern(_spaced(keep(values, several)), " "))
        yield keep(parts, lengths(parts) >= SHORTEST_NAME)


def without_accents(values: Strings) -> Iterator[Strings]:
    """Names as a system of plain ASCII writes them, and each of several."""
    accented = matches(values, "[^\x01-\x7f]")
    if accented.any():
        apart = pc.utf8_normalize(keep(values, accented), "NFKD")  # type: ignore[attr-defined]
        plain: Strings = pc.replace_substring_regex(apart, r"\p{M}", "")
        yield plain
        yield from each_name(plain)


@dataclass(frozen=True, slots=True)
class Names:
    """A column of names, taken apart once: the first word, the last, the first letter and all initials; null where there is none.

    A name of a single letter is no last word: beside an initial it would be found in every list of letters.
    """

    first: Strings
    last: Strings
    letter: Strings
    initials: Strings


def forename_and_surname(forenames: Names, surnames: Names) -> Iterator[Strings]:
    """`ada li` and `li ada`, whatever stands between them."""
    yield _joined(forenames.first, surnames.last, " ")
    yield _joined(surnames.last, forenames.first, " ")


def initials_and_surname(forenames: Names, surnames: Names) -> Iterator[Strings]:
    """`a li`, `li a`, and of several forenames all initials."""
    for initials in (forenames.letter, forenames.initials):
        yield _joined(initials, surnames.last, " ")
        yield _joined(surnames.last, initials, " ")


def glued_initials(forenames: Names, surnames: Names) -> Iterator[Strings]:
    """`asmith`, `smitha`: as accounts are named."""
    long = lengths(surnames.last) >= _SHORTEST_GLUED_SURNAME
    if long.any():
        letters, names = keep(forenames.letter, long), keep(surnames.last, long)
        yield _joined(letters, names, "")
        yield _joined(names, letters, "")


def glued_names(forenames: Names, surnames: Names) -> Iterator[Strings]:
    """`adasmith`, `smithada`."""
    for joined in (_joined(forenames.first, surnames.last, ""), _joined(surnames.last, forenames.first, "")):
        yield keep(joined, lengths(joined) >= _SHORTEST_GLUED_NAMES)


def name_pairs(columns: Sequence[Strings]) -> Iterator[tuple[Names, Names]]:
    """Every two columns that have names. A contract does not say which is a surname, so each pair comes both ways round.

    Args:
        columns: in normal form; values with a digit or an @ are no names.
    """
    yield from permutations([names for column in columns if (names := _taken_apart(column)) is not None], 2)


COLUMN_SPELLINGS: tuple[Callable[[Strings], Iterator[Strings]], ...] = (
    whole,
    without_zeros,
    local_parts,
    digits_alone,
    each_name,
    without_accents,
)
PAIR_SPELLINGS: tuple[Callable[[Names, Names], Iterator[Strings]], ...] = (
    forename_and_surname,
    initials_and_surname,
    glued_initials,
    glued_names,
)


def _spaced(names: Strings) -> Strings:
    for mark in _MARKS[1:]:
        names = replace(names, mark, " ")
    return names


def _joined(left: Strings, right: Strings, between: str) -> Strings:
    joined: Strings = pc.binary_join_element_wise(left, right, between)  # type: ignore[call-overload]
    return joined


def _taken_apart(column: Strings) -> Names | None:
    named = matches(column, _NAME)
    if not named.any():
        return None
    names: Strings = pc.if_else(pa.array(named), column, pa.scalar(None, pa.string()))
    names = pc.utf8_trim_whitespace(_spaced(names))
    last: Strings = pc.replace_substring_regex(names, "^.* ", "")
    return Names(
        first=pc.replace_substring_regex(names, " .*$", ""),
        last=pc.if_else(pa.array(lengths(last) >= _SHORTEST_SURNAME), last, pa.scalar(None, pa.string())),
        letter=pc.utf8_slice_codeunits(names, 0, 1),
        initials=pc.replace_substring_regex(names, "([^ ])[^ ]* *", r"\1"),
    )
