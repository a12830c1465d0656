"""What a wrapped key is bound to is encoded without ambiguity."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.keyring.envelope import context_of, encode
from transforms.keyring.keyset import Keyset, State, first_keyset

fields = st.lists(st.text(max_size=6), max_size=4)


@given(fields, fields)
def test_two_lists_of_fields_encode_alike_only_if_they_are_alike(one, other):
    assert (encode(*one) == encode(*other)) == (one == other)


def test_moving_a_letter_between_fields_changes_the_encoding():
    assert encode("ab", "c") != encode("a", "bc")


@pytest.mark.parametrize(
    "change",
    [
        {"number": 2},
        {"state": State.DEACTIVATED},
        {"created": date(2026, 11, 23)},
        {"activates": date(2026, 11, 25)},
        {"expires": date(2027, 11, 23)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_of_an_epoch_is_part_of_what_its_key_is_bound_to(change):
    keyset = first_keyset("uniform", date(2026, 11, 24))
    epoch = keyset.epochs[0]
    assert context_of(keyset, replace(epoch, **change)) != context_of(keyset, epoch)


def test_the_supplier_is_part_of_what_a_key_is_bound_to():
    one, other = (first_keyset(name, date(2026, 11, 24)) for name in ("uniform", "card-printer"))
    assert context_of(one, one.epochs[0]) != context_of(other, other.epochs[0])


def test_the_purpose_and_algorithm_are_part_of_what_a_key_is_bound_to():
    epochs = first_keyset("uniform", date(2026, 11, 24)).epochs
    contexts = [context_of(Keyset(name, epochs), epochs[0]) for name in ("uniform", "internal", "signing")]
    for context, words in zip(
        contexts,
        [
            (b"token", b"HKDF-SHA-256/AES-256-CMAC"),
            (b"fingerprint", b"HKDF-SHA-256/AES-256-CMAC"),
            (b"manifest-signing", b"Ed25519"),
        ],
        strict=True,
    ):
        assert all(word in context for word in words)
