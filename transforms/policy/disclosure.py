"""What a value, or a pattern of values, would give away or do if it left as it stands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

# ASVS 5 1.2.10 and CWE-1236, with the full-width forms that a spreadsheet folds to them [R2]
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")

# Names of people, of four letters and more: shorter words are codes as well [R14].
_NAMES = (
    "Khan",
    "Smith",
    "Taylor",
    "Johnson",
    "Williams",
    "Cartwright",
    "Featherstonehaugh",
    "O'Neill",
    "Taylor-Young",
    "Ada Smith",
)
_WORDS = tuple(spelt for name in _NAMES for spelt in (name, name.upper(), name.lower()))
# From the birth of those who serve to the last expiry of what they hold; days that tell the day from the month, and not.
_YEARS = range(1940, 2050)
_DAYS = ((1, 1), (9, 3), (23, 11), (31, 12))
_DATE_FORMATS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y %m %d",
    "%Y%m%d",
    "%d/%m/%Y",
    "%d-%m-%Y",
    "%d.%m.%Y",
    "%d %m %Y",
    "%d%m%Y",
    "%m/%d/%Y",
    "%d/%m/%y",
    "%d-%m-%y",
    "%d.%m.%y",
    "%Y-%m-%dT12:30:00",
    "%Y-%m-%dT12:30:00Z",
    "%Y-%m-%d 12:30:00",
    "%d %B %Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%d-%b-%y",
    "%B %d, %Y",
)
_DATES = (
    *(date(year, month, day).strftime(form) for year in _YEARS for day, month in _DAYS for form in _DATE_FORMATS),
    *(f"{day} {name} {year}" for year in _YEARS for day, name in ((9, "March"), (9, "Mar"), (1, "January"))),
    *(f"{day}{mark}{month}{mark}{year}" for year in _YEARS for mark in "/-." for day, month in _DAYS),
)

_PROBES = (
    ("keep-free-text", "free text", ("See file: any words, at all.", "any words at all", "AnyWordsAtAllWithoutBlanks", *_WORDS)),
    ("keep-full-date", "a date to the day", _DATES),
    ("formula-start", "a spreadsheet formula", tuple(f"{start}{rest}" for start in FORMULA_STARTS for rest in ("", "1", "A1"))),
)


def starts_like_formula(value: str) -> bool:
    """Whether a spreadsheet would take the value for a formula, or strip it to one."""
    return value.startswith(FORMULA_STARTS)


def what_a_pattern_lets_through(pattern: str) -> Iterator[tuple[str, str]]:
    """Kinds of values that a kept column must not have, and of which the pattern accepts a specimen [D8, R2, R11].

    A specimen proves that a pattern is too wide; that none matches proves nothing, so the writers check every value again.

    Args:
        pattern: an RE2 expression for the whole cell.

    Yields:
        The rule's code, and what is let through, in plain words.
    """
    for code, what, specimens in _PROBES:
        matched = pc.match_substring_regex(pa.array(specimens), f"^(?:{pattern})$")
        if pc.any(matched).as_py():
            yield code, what
