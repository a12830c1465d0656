"""FF1 of whole columns, against official vectors and against a plain reading of the standard."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_siv_ff1 import ff1 as plain_ff1

from transforms.tokens.aes import BlockCipher
from transforms.tokens.ff1 import _CHUNK_ROWS, LEAST_DOMAIN, ff1, ff1_decrypt, ff1_encrypt

KEY = bytes(range(70, 102))


def table(rows: list[list[int]], radix: int) -> np.ndarray:
    return np.array(rows, np.uint16 if radix > 256 else np.uint8)


@st.composite
def numeral_columns(draw: st.DrawFn) -> tuple[int, list[list[int]]]:
    radix = draw(st.integers(2, 36) | st.sampled_from([64, 255, 256, 257, 65_536]))
    least = next(length for length in range(2, 21) if radix**length >= LEAST_DOMAIN)
    length = draw(st.integers(least, least + 12) | st.integers(least, 60))
    row = st.lists(st.integers(0, radix - 1), min_size=length, max_size=length)
    return radix, draw(st.lists(row, min_size=1, max_size=4))


@settings(deadline=None)
@given(st.sampled_from([16, 24, 32]), st.binary(max_size=40), numeral_columns(), st.randoms())
def test_any_column_agrees_with_the_standard_row_by_row_and_comes_back(
    size: int, tweak: bytes, numerals: tuple[int, list[list[int]]], random: object
) -> None:
    radix, rows = numerals
    key = random.randbytes(size)
    cipher = BlockCipher(key)
    found = ff1(cipher, tweak, radix, table(rows, radix), encrypt=True)
    assert found.tolist() == [plain_ff1(key, tweak, radix, row) for row in rows]
    assert ff1(cipher, tweak, radix, found, encrypt=False).tolist() == rows


def test_eight_digits_agree_across_the_border_of_two_chunks() -> None:
    numbers = np.random.default_rng(5).integers(0, 10, (_CHUNK_ROWS + 40, 8)).astype(np.uint8)
    found = ff1_encrypt(KEY, b"uniform", 10, numbers)
    for row in (0, 1, *range(_CHUNK_ROWS - 40, len(numbers))):
        assert found[row].tolist() == plain_ff1(KEY, b"uniform", 10, numbers[row].tolist())
    assert (ff1_decrypt(KEY, b"uniform", 10, found) == numbers).all()


def test_a_whole_domain_is_permuted() -> None:
    numbers = np.arange(1_000_000)
    numerals = np.stack([numbers // 10**place % 10 for place in range(5, -1, -1)], axis=1).astype(np.uint8)
    found = ff1_encrypt(KEY, b"", 10, numerals)
    assert len(np.unique(found @ 10 ** np.arange(5, -1, -1))) == len(numbers)


def test_another_tweak_gives_other_numbers() -> None:
    numbers = np.random.default_rng(6).integers(0, 10, (100, 8)).astype(np.uint8)
    assert (ff1_encrypt(KEY, b"a", 10, numbers) != ff1_encrypt(KEY, b"b", 10, numbers)).any(axis=1).all()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_the_result_has_the_type_of_what_was_given(kind: type) -> None:
    assert ff1_encrypt(KEY, b"", 10, np.zeros((3, 8), kind)).dtype == kind


def test_no_rows_give_no_rows() -> None:
    assert ff1_encrypt(KEY, b"", 10, np.empty((0, 8), np.uint8)).shape == (0, 8)
    assert ff1_decrypt(KEY, b"", 10, np.empty((0, 30), np.uint8)).shape == (0, 30)


def test_what_was_given_is_not_changed() -> None:
    numbers = np.full((4, 9), 7, np.uint8)
    ff1_encrypt(KEY, b"", 10, numbers[::2, :8])
    assert (numbers == 7).all()


@pytest.mark.parametrize(("radix", "length"), [(10, 5), (2, 19), (36, 3), (1, 50), (65_537, 4), (65_536, 1), (0, 8)])
def test_a_domain_below_a_million_or_a_radix_of_another_standard_is_refused(radix: int, length: int) -> None:
    for direction in (ff1_encrypt, ff1_decrypt):
        with pytest.raises(ValueError, match="a million"):
            direction(KEY, b"", radix, np.zeros((1, length), np.uint16))


def test_a_numeral_that_is_not_below_the_radix_is_refused_without_its_value() -> None:
    for direction in (ff1_encrypt, ff1_decrypt):
        with pytest.raises(ValueError, match="not below the radix") as caught:
            direction(KEY, b"", 10, np.array([[1] * 8, [1] * 7 + [73]], np.uint8))
        assert "73" not in str(caught.value)


@pytest.mark.parametrize("numerals", [np.zeros(8, np.uint8), np.zeros((1, 8), np.int64), np.zeros((1, 8), np.float64)])
def test_anything_but_rows_of_unsigned_numerals_is_refused(numerals: np.ndarray) -> None:
    with pytest.raises(ValueError, match="unsigned"):
        ff1_encrypt(KEY, b"", 10, numerals)


@pytest.mark.parametrize("size", [0, 16, 24, 31, 33, 64])
def test_a_key_of_another_length_is_refused(size: int) -> None:
    for direction in (ff1_encrypt, ff1_decrypt):
        with pytest.raises(ValueError, match="32 bytes"):
            direction(bytes(size), b"", 10, np.zeros((1, 8), np.uint8))
