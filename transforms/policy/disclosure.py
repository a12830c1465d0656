"""What a value, or a pattern of values, would give away or do if it left as it stands."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

# ASVS 5 1.2.10 and CWE-1236, with the full-width forms that a spreadsheet folds to them [R2]
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")

_PROBES = (
    ("keep-free-text", "free text", ("See file: any words, at all.", "any words at all", "AnyWordsAtAllWithoutBlanks")),
    (
        "keep-full-date",
        "a date to the day",
        ("1987-03-09", "09/03/1987", "09-03-1987", "09.03.1987", "1987-03-09T12:30:00", "9 March 1987"),
    ),
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
