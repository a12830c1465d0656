"""Which characters a value may hold."""

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
import unicodedata2
from hypothesis import given
from hypothesis import strategies as st

from transforms.contract.assigned import CHARACTER_RANGES, UNICODE_VERSION
from transforms.contract.buffers import byte_views
from transforms.contract.characters import forbidden_characters

NOT_CHARACTERS = ("Cc", "Cs", "Co", "Cn")


def table() -> list[int]:
    points: list[int] = []
    for item in CHARACTER_RANGES.split():
        low, _, high = item.partition("-")
        points += range(int(low, 16), int(high or low, 16) + 1)
    return points


TABLE = frozenset(table())


def test_the_table_has_as_many_characters_as_unicode_15_says() -> None:
    assert len(table()) == len(TABLE) == 149_186  # graphic and format characters, Unicode 15.0.0 chapter "Architectural Changes"


def test_the_table_ascends_without_gaps_of_nothing() -> None:
    points = table()
    assert points == sorted(points)


def test_the_table_stands_among_the_databases_of_the_supported_pythons_in_the_order_of_their_versions() -> None:
    """Python 3.11 has that of Unicode 14.0, 3.12 that of 15.0 itself, 3.13 that of 15.1."""
    known = {point for point in range(0x110000) if unicodedata.category(chr(point)) not in NOT_CHARACTERS}
    version = [int(part) for part in unicodedata.unidata_version.split(".")]
    pinned = [int(part) for part in UNICODE_VERSION.split(".")]
    assert (known < TABLE, known == TABLE, known > TABLE) == (version < pinned, version == pinned, version > pinned)


def test_the_table_holds_nothing_that_the_newer_locked_database_does_not_know() -> None:
    assert all(unicodedata2.category(chr(point)) not in NOT_CHARACTERS for point in TABLE)


@pytest.mark.parametrize(
    ("text", "forbidden"),
    [
        ("", False),
        ("O'Neill", False),
        ("Zoë", False),
        ("A\u200bB", False),
        ("\u2028", False),
        ("\U0001e030", False),  # new in 15.0
        ("\x00", True),
        ("a\tb", True),
        ("a\r", True),
        ("\nb", True),
        ("\x1f", True),
        ("\x7f", True),
        ("\x80", True),
        ("\x9f", True),
        ("\ue000", True),
        ("\U000f0000", True),
        ("\ufdd0", True),
        ("\uffff", True),
        ("\u2ffc", True),  # new in 15.1
        ("\u0378", True),
    ],
)
def test_a_text_is_forbidden_for_one_such_character(text: str, forbidden: bool) -> None:
    assert forbidden_characters(pa.array([f"x{text}y", text, "Ana"])).to_pylist() == [forbidden, forbidden, False]


def test_a_null_row_is_not_forbidden_whatever_bytes_lie_under_it() -> None:
    bytes_under = pa.array(["ok", "\x01", "\ue000"])
    _, offsets, data = bytes_under.buffers()
    masked = pa.Array.from_buffers(pa.string(), 3, [pa.py_buffer(b"\x01"), offsets, data])
    assert masked.to_pylist() == ["ok", None, None]
    assert forbidden_characters(masked).to_pylist() == [False, False, False]


def test_bytes_that_are_not_utf_8_are_forbidden_even_where_neighbours_complete_them() -> None:
    broken = pa.array([b"x\xc3", b"\xa9", b"ok", b"\xc3\xa9", b"\xed\xa0\x80"], pa.binary())
    texts = pa.Array.from_buffers(pa.string(), 5, broken.buffers())
    assert forbidden_characters(texts).to_pylist() == [True, True, False, False, True]


def test_an_array_of_another_type_is_refused() -> None:
    with pytest.raises(TypeError):
        byte_views(pa.array([1, 2]))


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)), st.integers(0, 3), st.booleans())
def test_every_row_is_judged_by_its_own_characters(rows: list[str | None], skip: int, large: bool) -> None:
    column = pa.array(rows, pa.large_string() if large else pa.string()).slice(skip)
    expected = [any(ord(character) not in TABLE for character in text or "") for text in rows[skip:]]
    found = forbidden_characters(column)
    assert found.to_pylist() == expected
    assert found.null_count == 0


def test_rows_among_many_are_found_where_they_are() -> None:
    rows = ["Smith", "Ó Briain", "", "李", "bad\x00", "bad\ue001ë"]
    picked = np.random.default_rng(5).integers(0, len(rows), 50_000)
    found = forbidden_characters(pa.array([rows[index] for index in picked]))
    assert np.array_equal(found.to_numpy(zero_copy_only=False), picked >= 4)
