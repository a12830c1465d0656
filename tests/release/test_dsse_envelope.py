from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.release.dsse import open_envelope, pre_authentication_encoding, sign_envelope
from transforms.errors import InternalError, Refused
from transforms.keyring.secret import SecretKey
from transforms.keyring.signing import SigningKey

TYPE = "application/vnd.in-toto+json"


class FaultySigner:
    """A signing key whose signatures have one bit wrong, as a failing device's would."""

    def __init__(self, signer: SigningKey) -> None:
        self._signer = signer

    @property
    def key_id(self) -> str:
        return self._signer.key_id

    def sign(self, message: bytes) -> bytes:
        signature = self._signer.sign(message)
        return bytes([signature[0] ^ 1]) + signature[1:]

    def public_bytes(self) -> bytes:
        return self._signer.public_bytes()


def test_the_encoding_is_that_of_the_published_vector() -> None:
    # From the test vectors of https://github.com/secure-systems-lab/dsse (protocol.md, Apache-2.0).
    encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")
    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


@given(st.tuples(st.text(), st.binary()), st.tuples(st.text(), st.binary()))
def test_two_contents_never_encode_alike(one: tuple[str, bytes], other: tuple[str, bytes]) -> None:
    assert (pre_authentication_encoding(*one) == pre_authentication_encoding(*other)) == (one == other)


def test_lengths_count_bytes_and_not_characters() -> None:
    assert pre_authentication_encoding("é", "£".encode()) == "DSSEv1 2 é 2 £".encode()


def test_an_envelope_opens_to_what_was_signed(signer: SigningKey) -> None:
    assert open_envelope(sign_envelope(b"payload", TYPE, signer), (signer.public_bytes(),), TYPE) == b"payload"


def test_a_retired_key_still_opens_what_it_signed(signer: SigningKey) -> None:
    newer = SigningKey(SecretKey(bytes(32)), epoch=2)
    assert open_envelope(sign_envelope(b"old", TYPE, signer), (newer.public_bytes(), signer.public_bytes()), TYPE) == b"old"


def test_the_unsigned_key_id_decides_nothing(signer: SigningKey) -> None:
    envelope = json.loads(sign_envelope(b"payload", TYPE, signer))
    envelope["signatures"][0]["keyid"] = "somebody else"
    assert open_envelope(json.dumps(envelope).encode(), (signer.public_bytes(),), TYPE) == b"payload"
    del envelope["signatures"][0]["keyid"]
    assert open_envelope(json.dumps(envelope).encode(), (signer.public_bytes(),), TYPE) == b"payload"


def test_url_safe_base64_is_read_too(signer: SigningKey) -> None:
    envelope = json.loads(sign_envelope(b"\xff\xfe\xfd>?>?", TYPE, signer))
    envelope["payload"] = base64.urlsafe_b64encode(b"\xff\xfe\xfd>?>?").decode()
    assert open_envelope(json.dumps(envelope).encode(), (signer.public_bytes(),), TYPE) == b"\xff\xfe\xfd>?>?"


def _broken(signer: SigningKey) -> dict[str, tuple[bytes, tuple[bytes, ...]]]:
    good = sign_envelope(b"payload", TYPE, signer)
    trusted = (signer.public_bytes(),)
    parts = json.loads(good)

    def changed(**other: object) -> bytes:
        return json.dumps(parts | other).encode()

    signature = parts["signatures"][0]["sig"]
    other_type = sign_envelope(b"payload", "application/json", signer)
    return {
        "another payload": (changed(payload=base64.b64encode(b"Payload").decode()), trusted),
        "another declared type": (changed(payloadType="application/json"), trusted),
        "signed as another type": (other_type, trusted),
        "signed as another type, relabelled": (other_type.replace(b"application/json", TYPE.encode()), trusted),
        "no signature": (changed(signatures=[]), trusted),
        "signatures of another shape": (changed(signatures={"sig": signature}), trusted),
        "short signature": (changed(signatures=[{"keyid": "", "sig": signature[:-4]}]), trusted),
        "not base64": (changed(payload="***"), trusted),
        "payload that is no text": (changed(payload=7), trusted),
        "another key": (good, (SigningKey(SecretKey(bytes(32)), epoch=1).public_bytes(),)),
        "no key": (good, ()),
        "key of the wrong length": (good, (b"short",)),
        "cut": (good[:-1], trusted),
        "empty": (b"", trusted),
        "not an object": (b"[]", trusted),
        "not UTF-8": (b"\xff" + good, trusted),
        "nested without end": (b"[" * 100_000, trusted),
    }


def test_every_failure_looks_the_same(signer: SigningKey) -> None:
    seen = set()
    for data, keys in _broken(signer).values():
        with pytest.raises(Refused) as caught:
            open_envelope(data, keys, TYPE)
        seen.add((str(caught.value), caught.value.code, caught.value.hint, caught.value.__cause__))
    assert seen == {("the signature does not verify", "signature-invalid", "check that the public key is the right one", None)}


def test_a_faulty_signer_is_found_before_its_signature_is_kept(signer: SigningKey) -> None:
    with pytest.raises(InternalError) as caught:
        sign_envelope(b"payload", TYPE, FaultySigner(signer))
    assert caught.value.code == "faulty-signer"
