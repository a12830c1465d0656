"""The known answers before a run, and the sample after it."""

import pyarrow as pa
import pytest

from transforms.errors import InternalError
from transforms.tokens.check import random_rows, self_test, spot_check
from transforms.tokens.derive import TokenLabel, column_key, tokenise

KEY = column_key(bytes(range(1, 33)), TokenLabel("uniform", 3, "person_token", ("surname",), "relationship"))
PERSON = pa.array(["00000001", "00000002", "00000003", "00000004"])
SURNAME = pa.array(["Ó Briain", None, "Smith", "  "])


def test_the_rows_that_are_checked_are_a_few_other_ones_each_time_and_all_of_a_few() -> None:
    drawn = [random_rows(1_000_000) for _ in range(3)]
    assert all(len(set(rows)) == 8 and min(rows) >= 0 and max(rows) < 1_000_000 for rows in drawn)
    assert len({tuple(sorted(rows)) for rows in drawn}) == 3
    assert sorted(random_rows(3)) == [0, 1, 2]
    assert random_rows(0) == []


def test_the_known_answers_come_out() -> None:
    self_test()


def test_a_sample_of_right_tokens_passes() -> None:
    made = tokenise(KEY, "UN3-", PERSON, [SURNAME, PERSON])
    spot_check(KEY, "UN3-", PERSON, [SURNAME, PERSON], made.text, range(4))
    nulls = tokenise(KEY, "UN3-", PERSON, [SURNAME])
    assert nulls.text.null_count == 2
    spot_check(KEY, "UN3-", PERSON, [SURNAME], nulls.text, range(4))


def _swapped(tokens: list[str | None]) -> list[str | None]:
    return [tokens[2], tokens[1], tokens[0], tokens[3]]


def _one_symbol(tokens: list[str | None]) -> list[str | None]:
    wrong = "0" if str(tokens[0])[10] != "0" else "1"
    return [f"{str(tokens[0])[:10]}{wrong}{str(tokens[0])[11:]}", *tokens[1:]]


def _filled(tokens: list[str | None]) -> list[str | None]:
    return [tokens[0], tokens[0], *tokens[2:]]


def _emptied(tokens: list[str | None]) -> list[str | None]:
    return [tokens[0], *tokens[1:2], None, tokens[3]]


@pytest.mark.parametrize("harm", [_swapped, _one_symbol, _filled, _emptied])
def test_a_sample_with_a_wrong_token_is_an_error_that_names_no_value(harm: object) -> None:
    assert callable(harm)
    tokens = harm(tokenise(KEY, "UN3-", PERSON, [SURNAME]).text.to_pylist())
    with pytest.raises(InternalError) as caught:
        spot_check(KEY, "UN3-", PERSON, [SURNAME], pa.array(tokens, pa.string()), range(4))
    assert caught.value.code == "token-spot-check-failed"
    assert not any(text in str(caught.value.args) for text in ("Smith", "UN3", "0000"))


def test_a_sample_made_with_another_key_or_prefix_is_an_error() -> None:
    made = tokenise(KEY, "UN3-", PERSON, [SURNAME]).text
    for key, prefix in ((bytes(32), "UN3-"), (KEY, "UN4-")):
        with pytest.raises(InternalError):
            spot_check(key, prefix, PERSON, [SURNAME], made, [0])
