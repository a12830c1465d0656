"""Keys do not travel and do not show."""

import copy
import json
import pickle

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CTR

from transforms.errors import InternalError
from transforms.keyring.secret import SecretKey

RAW = bytes(range(65, 97))  # printable, so that a leak into text would be seen


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_key_refuses_every_pickle_protocol(protocol):
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(SecretKey(RAW), protocol)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda key: key.__getstate__(), json.dumps])
def test_a_key_refuses_to_be_copied(duplicate):
    with pytest.raises(TypeError):
        duplicate(SecretKey(RAW))


@pytest.mark.parametrize(
    "show", [repr, str, "{}".format, lambda key: f"{key!r:>40}", lambda key: repr([key]), lambda key: repr(key.reveal())]
)
def test_a_key_hides_its_bytes_in_text(show):
    text = show(SecretKey(RAW))
    assert not any(RAW[at : at + 4].decode() in text or RAW[at : at + 4].hex() in text for at in range(len(RAW) - 3))


def test_a_revealed_view_is_read_only():
    with SecretKey(RAW) as key, key.reveal() as raw, pytest.raises(TypeError):
        raw[0] = 0


def test_a_revealed_view_cannot_be_pickled():
    with SecretKey(RAW) as key, key.reveal() as raw, pytest.raises(TypeError):
        pickle.dumps(raw)


def test_a_wiped_key_refuses_to_be_used():
    key = SecretKey(RAW)
    key.wipe()
    with pytest.raises(InternalError, match="after it was wiped"):
        key.reveal()


def test_wiping_reaches_the_buffer_that_was_handed_over():
    raw = bytearray(RAW)
    SecretKey(raw).wipe()
    assert raw == b""


def test_a_context_wipes_its_key():
    raw = bytearray(RAW)
    with SecretKey(raw):
        assert raw == RAW
    assert raw == b""


def test_a_key_that_is_forgotten_is_wiped():
    raw = bytearray(RAW)
    SecretKey(raw)
    assert raw == b""


def test_a_view_ends_with_its_key_instead_of_turning_into_zeros():
    key = SecretKey(RAW)
    view = key.reveal()
    key.wipe()
    with pytest.raises(ValueError, match="released"):
        bytes(view)


def test_a_cipher_that_kept_the_view_of_a_wiped_key_does_not_run_on_zeros():
    with SecretKey(RAW) as key:
        cipher = Cipher(AES256(key.reveal()), CTR(bytes(16)))
    with pytest.raises(TypeError, match="buffer"):
        cipher.encryptor()


def test_a_key_of_which_a_slice_is_held_is_not_turned_into_zeros():
    key = SecretKey(RAW)
    half = key.reveal()[:16]
    with pytest.raises(InternalError, match="still holds a part"):
        key.wipe()
    assert half == RAW[:16]


def test_a_view_outlives_a_forgotten_key_unharmed():
    assert SecretKey(RAW).reveal() == RAW


def test_keys_are_equal_by_their_bytes():
    assert SecretKey(RAW) == SecretKey(RAW)
    assert SecretKey(RAW) != SecretKey(RAW[::-1])
    assert SecretKey(RAW) != SecretKey(RAW[:31])


def test_a_key_does_not_compare_with_bare_bytes():
    assert SecretKey(RAW) != RAW


def test_a_key_has_no_hash():
    with pytest.raises(TypeError):
        hash(SecretKey(RAW))


def test_a_key_has_at_least_one_byte():
    with pytest.raises(InternalError, match="no bytes"):
        SecretKey(b"")


def test_random_keys_differ():
    assert SecretKey.random() != SecretKey.random()
