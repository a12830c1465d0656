"""The official answers before a run: right paths pass, and each kind of wrong one is found."""

import numpy as np
import pytest

from transforms.errors import InternalError
from transforms.tokens.cells import Cells
from transforms.tokens.ff1 import ff1_decrypt, ff1_encrypt
from transforms.tokens.known_answers import check_ff1, check_siv
from transforms.tokens.siv import siv_decrypt, siv_encrypt


def test_the_paths_give_the_official_answers() -> None:
    check_siv()
    check_ff1()


def _seals_rows_in_another_order(key, texts, associated):
    return siv_encrypt(key, texts[::-1], associated)


def _forgets_associated_cells(key, texts, associated):
    return siv_encrypt(key, texts, [string for string in associated if not isinstance(string, Cells)])


def _flips_one_bit_of_the_last_row(key, texts, associated):
    sealed = siv_encrypt(key, texts, associated)
    sealed[-1, -1] ^= 1
    return sealed


@pytest.mark.parametrize("seal", [_seals_rows_in_another_order, _forgets_associated_cells, _flips_one_bit_of_the_last_row])
def test_a_wrong_way_to_seal_is_found(seal) -> None:
    with pytest.raises(InternalError) as caught:
        check_siv(seal=seal)
    assert caught.value.code == "token-self-test-failed"


def _finds_everything_genuine(key, sealed, associated):
    opened, genuine = siv_decrypt(key, sealed, associated)
    return opened, np.ones_like(genuine)


def _leaves_forged_rows_readable(key, sealed, associated):
    opened, genuine = siv_decrypt(key, sealed, associated)
    opened[~genuine] = 1
    return opened, genuine


def _clears_every_row_when_one_is_forged(key, sealed, associated):
    opened, genuine = siv_decrypt(key, sealed, associated)
    return opened * genuine.all(), genuine


@pytest.mark.parametrize("unseal", [_finds_everything_genuine, _leaves_forged_rows_readable, _clears_every_row_when_one_is_forged])
def test_a_wrong_way_to_open_is_found(unseal) -> None:
    with pytest.raises(InternalError) as caught:
        check_siv(unseal=unseal)
    assert caught.value.code == "token-self-test-failed"


def _ignores_the_tweak(key, tweak, radix, numerals):
    del tweak
    return ff1_encrypt(key, b"", radix, numerals)


def _is_wrong_in_its_last_row(key, tweak, radix, numerals):
    coded = ff1_encrypt(key, tweak, radix, numerals)
    coded[-1, -1] = (coded[-1, -1] + 1) % radix
    return coded


def _is_wrong_above_nine(key, tweak, radix, numerals):
    return ff1_encrypt(key, tweak, radix, numerals) if radix <= 10 else numerals


@pytest.mark.parametrize("encrypt", [_ignores_the_tweak, _is_wrong_in_its_last_row, _is_wrong_above_nine, ff1_decrypt])
def test_a_wrong_permutation_is_found(encrypt) -> None:
    with pytest.raises(InternalError) as caught:
        check_ff1(encrypt=encrypt)
    assert caught.value.code == "token-self-test-failed"


def test_a_way_back_that_is_the_way_there_is_found() -> None:
    with pytest.raises(InternalError):
        check_ff1(decrypt=ff1_encrypt)
