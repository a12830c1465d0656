"""The way back finds the rows whose tokens were asked for, and no others."""

from __future__ import annotations

import copy
import pickle

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.tokens.column import TokenForm
from transforms.tokens.derive import TokenLabel, column_key, tokenise
from transforms.tokens.resolve import SYMBOL_CHARACTERS, TokenSource, find_people

LABEL = TokenLabel("uniform", 3, "name_token", ("surname", "forenames"), "relationship")
KEY = column_key(bytes(range(32)), LABEL)
SOURCE = TokenSource(TokenForm("one-way", "uniform", 3, "name_token", "UN3-", LABEL.of, None, 0), KEY)
names = st.lists(
    st.tuples(st.sampled_from(["Smith", "O\u2019Neill", "  ", None]), st.sampled_from(["Ann", None])), min_size=1, max_size=40
)


@given(people=names, data=st.data())
def test_exactly_the_rows_with_a_wanted_token_are_found(people: list[tuple[str | None, str | None]], data: st.DataObject) -> None:
    person = pa.array([f"{number:08}" for number in range(len(people))])
    values = [pa.array(column, pa.string()) for column in zip(*people, strict=True)]
    tokens = tokenise(KEY, "UN3-", person, values).text.to_pylist()
    chosen = data.draw(st.sets(st.integers(0, len(people) - 1)))
    wanted = sorted({tokens[row][-SYMBOL_CHARACTERS:] for row in chosen if tokens[row]} | {"0" * SYMBOL_CHARACTERS})
    found = find_people(SOURCE, person, values, pa.array(wanted, pa.string()))
    assert found.rows.tolist() == [row for row in sorted(chosen) if tokens[row]]
    assert [wanted[place] for place in found.wanted] == [tokens[row][-SYMBOL_CHARACTERS:] for row in found.rows]


def test_what_makes_tokens_neither_travels_nor_prints() -> None:
    assert KEY.hex() not in repr(SOURCE)
    for spread in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            spread(SOURCE)
