"""AES-SIV of whole columns, against official vectors and against the library's one-value AESSIV."""

import pickle

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference_siv_ff1 import siv

from transforms.tokens.aes import CHUNK_ROWS
from transforms.tokens.cells import cells_of
from transforms.tokens.siv import SIV_KEY_BYTES, TAG_BYTES, Siv, siv_decrypt, siv_encrypt

KEY = bytes(range(50, 50 + SIV_KEY_BYTES))


def column(rows: list[bytes], width: int | None = None) -> np.ndarray:
    return np.frombuffer(b"".join(rows), np.uint8).reshape(len(rows), len(rows[0]) if width is None else width)


def by_row(strings: list[bytes | list[bytes]], row: int) -> list[bytes]:
    return [string if isinstance(string, bytes) else string[row] for string in strings]


def as_given(strings: list[bytes | list[bytes]]) -> list:
    return [string if isinstance(string, bytes) else cells_of(pa.array(string, pa.binary())) for string in strings]


@st.composite
def sealed_columns(draw: st.DrawFn) -> tuple[list[bytes], list[bytes | list[bytes]]]:
    rows, blocks = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    texts = draw(st.lists(st.binary(min_size=16 * blocks, max_size=16 * blocks), min_size=rows, max_size=rows))
    cell = st.lists(st.binary(max_size=40), min_size=rows, max_size=rows)
    return texts, draw(st.lists(st.binary(max_size=40) | cell, max_size=4))


@settings(deadline=None)
@given(st.binary(min_size=64, max_size=64), sealed_columns())
def test_any_column_agrees_with_the_library_row_by_row_and_opens(
    key: bytes, sealed: tuple[list[bytes], list[bytes | list[bytes]]]
) -> None:
    texts, strings = sealed
    ciphertexts = siv_encrypt(key, column(texts), as_given(strings))
    assert [row.tobytes() for row in ciphertexts] == [siv(key, text, by_row(strings, row)) for row, text in enumerate(texts)]
    opened, genuine = siv_decrypt(key, ciphertexts, as_given(strings))
    assert genuine.all()
    assert (opened == column(texts)).all()


@settings(deadline=None)
@given(st.sampled_from([32, 48, 64]), st.integers(1, 70), st.integers(1, 4), st.binary(max_size=20), st.randoms())
def test_rows_of_any_width_and_keys_of_any_length_agree_with_the_library(
    size: int, width: int, rows: int, constant: bytes, random: object
) -> None:
    key, texts = random.randbytes(size), [random.randbytes(width) for _ in range(rows)]
    found = Siv(key).encrypt(column(texts), [constant])
    assert [row.tobytes() for row in found] == [siv(key, text, [constant]) for text in texts]
    assert (Siv(key).decrypt(found, [constant])[0] == column(texts)).all()


@settings(deadline=None)
@given(sealed_columns(), st.randoms())
def test_one_changed_bit_of_a_ciphertext_is_found_and_its_row_cleared_and_no_other(
    sealed: tuple[list[bytes], list[bytes | list[bytes]]], random: object
) -> None:
    texts, strings = sealed
    forged = siv_encrypt(KEY, column(texts), as_given(strings))
    row, place = random.randrange(len(texts)), random.randrange(forged.shape[1])
    forged[row, place] ^= 1 << random.randrange(8)
    opened, genuine = siv_decrypt(KEY, forged, as_given(strings))
    assert genuine.tolist() == [other != row for other in range(len(texts))]
    assert not opened[row].any()
    assert (np.delete(opened, row, 0) == np.delete(column(texts), row, 0)).all()


def test_another_person_supplier_or_order_of_associated_strings_does_not_open() -> None:
    person = cells_of(pa.array(["00000001", "00000002"]))
    other = cells_of(pa.array(["00000002", "00000001"]))
    sealed = siv_encrypt(KEY, column([b"a" * 16, b"b" * 16]), [b"uniform", b"pay_token", person])
    for strings in ([b"uniform", b"pay_token", other], [b"badge", b"pay_token", person], [b"pay_token", b"uniform", person]):
        opened, genuine = siv_decrypt(KEY, sealed, strings)
        assert not genuine.any()
        assert not opened.any()
    assert siv_decrypt(KEY, sealed, [b"uniform", b"pay_token", person])[1].all()


def test_no_string_and_one_empty_string_are_two_things() -> None:
    text = column([b"x" * 16])
    assert (siv_encrypt(KEY, text, []) != siv_encrypt(KEY, text, [b""])).any()


def test_columns_longer_than_a_chunk_agree_across_its_border() -> None:
    rows = CHUNK_ROWS + 60
    texts = [f"{row:032d}".encode() for row in range(rows)]
    people = [f"{row:08d}" * (row % 4) for row in range(rows)]
    associated = [b"s", cells_of(pa.array(people)), b"3"]
    sealed = siv_encrypt(KEY, column(texts), associated)
    for row in (0, 1, *range(CHUNK_ROWS - 60, rows)):
        assert sealed[row].tobytes() == siv(KEY, texts[row], [b"s", people[row].encode(), b"3"])
    opened, genuine = siv_decrypt(KEY, sealed, associated)
    assert genuine.all()
    assert (opened == column(texts)).all()


def test_no_rows_give_no_rows() -> None:
    sealed = siv_encrypt(KEY, np.empty((0, 32), np.uint8), [b"a", cells_of(pa.array([], pa.string())), b"c"])
    assert sealed.shape == (0, 32 + TAG_BYTES)
    opened, genuine = siv_decrypt(KEY, sealed, [b"a"])
    assert opened.shape == (0, 32)
    assert genuine.shape == (0,)


def test_a_slice_of_a_larger_table_is_taken_as_it_is() -> None:
    wide = np.arange(5 * 64, dtype=np.uint8).reshape(5, 64)
    part = wide[::2, 16:48]
    sealed = siv_encrypt(KEY, part, [b"a"])
    assert [row.tobytes() for row in sealed] == [siv(KEY, row.tobytes(), [b"a"]) for row in part]
    assert (siv_decrypt(KEY, sealed, [b"a"])[0] == part).all()


@pytest.mark.parametrize("size", [0, 32, 48, 63, 65])
def test_a_key_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="64 bytes"):
        siv_encrypt(bytes(size), column([b"x" * 16]), [])
    with pytest.raises(ValueError, match="64 bytes"):
        siv_decrypt(bytes(size), column([b"x" * 32]), [])


@pytest.mark.parametrize("width", [0, 8, 17])
def test_a_width_that_is_no_bucket_is_refused(width: int) -> None:
    with pytest.raises(ValueError, match="multiple of 16"):
        siv_encrypt(KEY, np.zeros((2, width), np.uint8), [])
    with pytest.raises(ValueError, match="multiple of 16"):
        siv_decrypt(KEY, np.zeros((2, width + 16), np.uint8), [])


def test_associated_cells_of_another_number_of_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="one a row"):
        siv_encrypt(KEY, column([b"x" * 16]), [cells_of(pa.array(["a", "b"]))])


def test_an_open_key_refuses_to_be_pickled() -> None:
    with pytest.raises(TypeError, match="does not leave its process"):
        pickle.dumps(Siv(KEY))
