"""Rendering of CSV records."""

import csv
import io

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.columns.render import csv_header, csv_lines, needs_no_quotes, refuse_formulas, text_bytes
from transforms.errors import Refused

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12) | st.none()


@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.tuples(*[CELLS] * width), min_size=1, max_size=20)))
def test_what_is_rendered_is_read_back_by_the_csv_module(rows: list[tuple[str | None, ...]]) -> None:
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    lines = csv_lines(columns, [False] * len(columns))
    text = bytes(text_bytes(lines)).decode()
    read = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    if len(columns) == 1:  # the csv module reads a record of one empty cell as an empty record
        read = [row or [""] for row in read]
    assert read == [[cell or "" for cell in row] for row in rows]
    assert text.endswith("\r\n")


def test_the_text_of_a_slice_is_that_of_its_own_rows() -> None:
    lines = csv_lines([pa.array(["a", "b", "c"]), pa.array(["1", None, "3"])], [True, True])
    assert bytes(text_bytes(lines.slice(1, 1))) == b"b,\r\n"
    assert bytes(text_bytes(lines.slice(3))) == b""
    assert csv_header(["x", "y"]) == b"x,y\r\n"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠"])
def test_a_cell_that_starts_like_a_formula_is_refused_without_its_text(start: str) -> None:
    with pytest.raises(Refused) as caught:
        refuse_formulas("site", pa.array(["plain", f"{start}cmd|' /C calc'!A0", None]))
    assert caught.value.code == "formula-cell"
    assert "calc" not in repr(caught.value)


def test_cells_that_do_not_start_like_a_formula_pass() -> None:
    refuse_formulas("site", pa.array(["a=b", "1-2", "", None, "it's @ work"]))


@pytest.mark.parametrize(("values", "plain"), [(["London", "Paris"], True), (["a,b"], False), (['a"b'], False), (["a\r"], False)])
def test_values_with_structure_characters_need_quotes(values: list[str], plain: bool) -> None:
    assert needs_no_quotes(values) is plain
