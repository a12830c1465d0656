"""Patterns on columns say what RE2 says."""

from __future__ import annotations

import pickle

import pyarrow as pa
import pyarrow.compute as pc
from hypothesis import given
from hypothesis import strategies as st

from transforms.contract.patterns import Pattern

PATTERNS = [
    "[0-9]{8}",
    "[0-9]{4}-[0-9]{2}-[0-9]{2}",
    "[A-Z]{2}[0-9]{1,4}",
    "[A-Z]{0,2}x",
    "p[0-9]{2}@force\\.example",
    "20[0-9]{2}-(0[1-9]|1[0-2])",
    "(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])",
    "(M|F|X)",
    "(a|bc)",
    "(ab|b[|c])",
    r"[\p{L}\p{M}\p{Pd} .,'’]{1,8}",
    r"[^a]{0,3}",
    r"[\]\\^-]{1,2}",
    r"[^\n]{2}",
    r"\d{2}\w",
    r"\[\]",
    "a|b",
    "a|",
    "",
    "(?i)ab[c-d]",
    "(?s).",
    "a$",
    "^a",
    "a{2}?",
    "a{,2}",
    "a{2,}",
    "(ab){2}",
    "[A-Za-z0-9][A-Za-z0-9_-]*(/[A-Za-z0-9]+)*\\.(jpg|png)",
    "[[:digit:]]{2}",
    "é[a-z]",
    "[é-ü]{2}",
    "(0[1-9]|1[0-2]){2}",
    "[0-9]{1,2}[a-z]{1,2}",
    r"\Q.\E",
    r"a\b",
]
characters = st.sampled_from("0123459abpx@.-_/|[]{},\\^$XMF AZé\n\x00’") | st.characters(codec="utf-8")
near = st.builds(
    lambda value, at, character: value[:at] + character + value[at + 1 :],
    st.sampled_from(
        ["12345678", "1999-12-31", "2024-02-09", "AB123", "AB", "p01@force.example", "2031-10", "Ma 'b", "01x", "bc", "a.jpg"]
    ),
    st.integers(0, 11),
    st.sampled_from(["", "0", "1", "a", "é", "-"]),
)
texts = st.lists(st.none() | near | st.text(characters, max_size=6), max_size=16)


def by_re2(values: pa.StringArray, pattern: str) -> list[bool]:
    return [bool(found) for found in pc.match_substring_regex(values, rf"\A(?:{pattern})\z").to_pylist()]


COMPILED = {pattern: Pattern(pattern) for pattern in PATTERNS}


@given(texts, st.integers(0, 3))
def test_a_pattern_matches_exactly_what_re2_matches(values: list[str | None], cut: int) -> None:
    column = pa.array(values, pa.string()).slice(min(cut, len(values)))
    for pattern, compiled in COMPILED.items():
        assert compiled.matches(column).tolist() == by_re2(column, pattern), pattern


@given(
    st.lists(st.none() | st.sampled_from(["1999-12-31", "2024-02-30", "2024-13-01", "1899-01-01"]), max_size=20), st.integers(0, 5)
)
def test_columns_of_one_width_match_what_re2_matches(values: list[str | None], cut: int) -> None:
    column = pa.array(values, pa.string()).slice(min(cut, len(values)))
    pattern = "(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    assert Pattern(pattern).matches(column).tolist() == by_re2(column, pattern)


def test_bytes_below_a_null_match_nothing() -> None:
    hidden = pa.StringArray.from_buffers(
        3, pa.array([0, 2, 4, 6], pa.int32()).buffers()[1], pa.py_buffer(b"123456"), pa.py_buffer(bytes([0b101])), 1
    )
    assert hidden.to_pylist() == ["12", None, "56"]
    for pattern in ("[0-9]{2}", "[0-9]{1,2}", "[0-9]+"):
        assert Pattern(pattern).matches(hidden).tolist() == [True, False, True]


def test_a_pattern_survives_pickling() -> None:
    again = pickle.loads(pickle.dumps(Pattern("(0[1-9]|1[0-2])[a-z]{1,2}")))  # noqa: S301
    assert again.matches(pa.array(["01ab", "13a"])).tolist() == [True, False]
