"""Opening keys by reference, on a given day."""

import copy
import pickle
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from transforms.errors import InternalError, KeyUnavailable
from transforms.keyring.admin import init, new_epoch
from transforms.keyring.keyref import KeyRef
from transforms.keyring.lifecycle import compromise
from transforms.keyring.open import (
    open_fingerprint_key,
    open_keyset,
    open_signing_key,
    open_verification_keys,
    own_key_notices,
)
from transforms.keyring.signing import key_id_of, load_public_key

MADE = date(2026, 11, 24)
DAY = timedelta(days=1)
OPENERS = {
    "supplier": lambda uri, now: open_keyset(uri, "uniform", now),
    "fingerprint": open_fingerprint_key,
    "signing": open_signing_key,
}
LAST_DAY = {"supplier": date(2027, 11, 23), "fingerprint": date(2028, 11, 23), "signing": date(2028, 11, 23)}


@pytest.fixture
def uri(tmp_path: Path) -> str:
    uri = f"file:{tmp_path / 'keys'}"
    init(uri, ["uniform", "card-printer"], MADE)
    return uri


@pytest.fixture
def directory(uri: str) -> Path:
    return Path(uri.removeprefix("file:"))


@pytest.mark.parametrize("what", OPENERS)
def test_a_key_opens_on_its_first_and_on_its_last_day(uri, what):
    assert OPENERS[what](uri, MADE)
    assert OPENERS[what](uri, LAST_DAY[what])


@pytest.mark.parametrize("what", OPENERS)
def test_a_key_does_not_open_a_day_early(uri, what):
    with pytest.raises(KeyUnavailable) as refusal:
        OPENERS[what](uri, MADE - DAY)
    assert refusal.value.code == "key-not-yet-active"


@pytest.mark.parametrize("what", OPENERS)
def test_a_key_does_not_open_a_day_late(uri, what):
    with pytest.raises(KeyUnavailable) as refusal:
        OPENERS[what](uri, LAST_DAY[what] + DAY)
    assert refusal.value.code == "key-expired"


def test_a_key_opens_on_a_time_with_its_zone(uri):
    assert open_keyset(uri, "uniform", datetime(2026, 11, 24, 1, tzinfo=UTC)).active.number == 1


def test_the_same_keyset_opens_to_the_same_key(uri):
    assert open_keyset(uri, "uniform", MADE).key() == open_keyset(uri, "uniform", MADE).key()


def test_a_reference_that_travelled_opens_the_same_key(uri):
    ref = pickle.loads(pickle.dumps(KeyRef(uri, "uniform")))  # noqa: S301
    assert open_keyset(ref.uri, ref.opens, MADE).key() == open_keyset(uri, "uniform", MADE).key()


def test_every_key_of_a_store_is_another(uri):
    new_epoch(uri, "uniform", MADE)
    uniform = open_keyset(uri, "uniform", MADE)
    keys = [uniform.key(1), uniform.key(2), open_keyset(uri, "card-printer", MADE).key(), open_fingerprint_key(uri, MADE)]
    raws = {bytes(key.reveal()) for key in keys}
    assert len(raws) == len(keys)
    assert {len(raw) for raw in raws} == {32}


def test_two_stores_share_no_key(uri, tmp_path):
    other = f"file:{tmp_path / 'other'}"
    init(other, ["uniform"], MADE)
    assert open_keyset(uri, "uniform", MADE).key() != open_keyset(other, "uniform", MADE).key()


def test_a_lost_keyset_takes_no_other_with_it(uri, directory):
    before = open_keyset(uri, "card-printer", MADE).key()
    (directory / "uniform.keyset.json").unlink()
    with pytest.raises(KeyUnavailable, match="the keyset of uniform is missing"):
        open_keyset(uri, "uniform", MADE)
    assert open_keyset(uri, "card-printer", MADE).key() == before


def test_the_active_key_is_what_is_given_unless_an_epoch_is_named(uri):
    new_epoch(uri, "uniform", MADE + DAY)
    opened = open_keyset(uri, "uniform", MADE + DAY)
    assert opened.active.number == 2
    assert opened.key() == opened.key(2)
    assert opened.key() != opened.key(1)


def test_an_epoch_that_never_was_gives_no_key(uri):
    with pytest.raises(KeyUnavailable, match="there is no epoch 2"):
        open_keyset(uri, "uniform", MADE).key(2)


def test_expiry_is_noticed_thirty_days_before(uri):
    assert open_keyset(uri, "uniform", date(2027, 10, 24)).notices == ()
    assert "days left: 30" in open_keyset(uri, "uniform", date(2027, 10, 25)).notices[0]


def test_the_end_of_the_key_encryption_key_is_noticed_thirty_days_before(uri):
    new_epoch(uri, "uniform", date(2028, 1, 10))
    assert open_keyset(uri, "uniform", date(2028, 10, 24)).notices == ()
    assert open_keyset(uri, "uniform", date(2028, 10, 25)).notices == (
        "the key-encryption key wraps no new key from 2028-11-24 on, days left: 30",
    )


def test_a_keyset_used_as_a_context_wipes_its_keys(uri):
    with open_keyset(uri, "uniform", MADE) as opened:
        key = opened.key()
        assert len(key.reveal()) == 32
    with pytest.raises(InternalError, match="wiped"):
        key.reveal()


@pytest.mark.parametrize("what", OPENERS)
@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
def test_nothing_that_holds_a_key_can_be_pickled_or_copied(uri, what, duplicate):
    with pytest.raises(TypeError, match="never pickled or copied"):
        duplicate(OPENERS[what](uri, MADE))


@pytest.mark.parametrize("what", OPENERS)
def test_nothing_that_holds_a_key_shows_it(uri, what):
    opened = OPENERS[what](uri, MADE)
    assert repr(opened) == str(opened) == f"<{type(opened).__name__}: hidden>"


def test_what_is_signed_verifies_with_the_published_half(uri, directory):
    public = load_public_key(directory / "signing.pub")
    signature = open_signing_key(uri, MADE).sign(b"manifest")
    public.verify(signature, b"manifest")
    with pytest.raises(InvalidSignature):
        public.verify(signature, b"manifesto")


def test_a_signing_key_is_named_by_its_public_half(uri, directory):
    key = open_signing_key(uri, MADE)
    assert key.key_id == key_id_of(load_public_key(directory / "signing.pub"))
    assert len(bytes.fromhex(key.key_id)) == 8


def test_signatures_of_an_old_epoch_verify_after_a_new_one_with_its_own_published_half(uri, directory):
    signature = open_signing_key(uri, MADE).sign(b"manifest")
    new_epoch(uri, "signing", MADE + DAY)
    with pytest.raises(InvalidSignature):
        load_public_key(directory / "signing.pub").verify(signature, b"manifest")
    load_public_key(directory / "signing-1.pub").verify(signature, b"manifest")
    load_public_key(directory / "signing-2.pub").verify(open_signing_key(uri, MADE + DAY).sign(b"next"), b"next")


def test_signatures_of_every_epoch_that_is_not_compromised_count(uri):
    first = open_signing_key(uri, MADE).public_bytes()
    new_epoch(uri, "signing", MADE + DAY)
    second = open_signing_key(uri, MADE + DAY).public_bytes()
    assert open_verification_keys(uri, MADE + DAY) == (second, first)
    compromise(uri, "signing", 1, MADE + DAY)
    assert open_verification_keys(uri, MADE + DAY) == (second,)


def test_the_keys_of_the_force_announce_their_end_once_each(uri):
    assert own_key_notices(uri, date(2028, 10, 24)) == ()
    assert [notice.split(",")[0] for notice in own_key_notices(uri, date(2028, 10, 25))] == [
        "key of internal",
        "the key-encryption key wraps no new key from 2028-11-24 on",
        "key of signing",
    ]


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_a_file_that_is_no_public_key_is_refused(tmp_path, content):
    path = tmp_path / "x.pub"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(KeyUnavailable, match="not an Ed25519 public key") as refusal:
        load_public_key(path)
    assert refusal.value.place == str(path)


def test_a_public_key_of_another_algorithm_is_refused(tmp_path):
    path = tmp_path / "x.pub"
    path.write_bytes(generate_private_key(SECP256R1()).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(KeyUnavailable, match="not an Ed25519 public key"):
        load_public_key(path)
