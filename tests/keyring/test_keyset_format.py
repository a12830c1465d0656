"""docs/spec/keysets.md is enough to read a store: a second reader, of the specification alone, finds the same keys."""

import base64
import hashlib
import json
from datetime import date

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from transforms.keyring.admin import init, new_epoch
from transforms.keyring.lifecycle import destroy
from transforms.keyring.open import open_keyset

MADE = date(2026, 11, 24)


def encode(*fields: str) -> bytes:
    return b"".join(len(field.encode()).to_bytes(4, "big") + field.encode() for field in fields)


def unwrap(kek: bytes, text: str, data: bytes) -> bytes:
    raw = base64.b64decode(text)
    return AESGCM(kek).decrypt(raw[:12], raw[12:], data)


def sealed(*fields: str) -> bytes:
    return encode("supplier-views/seal/1", hashlib.sha256(encode(*fields)).hexdigest())


def test_a_reader_of_the_specification_opens_the_same_keys_seal_and_ledger(tmp_path):
    uri = f"file:{tmp_path / 'keys'}"
    init(uri, ["uniform"], MADE)
    new_epoch(uri, "uniform", MADE)
    destroy(uri, "uniform", 1, MADE)

    kek = (tmp_path / "keys" / "kek.key").read_bytes()
    keyset = json.loads((tmp_path / "keys" / "uniform.keyset.json").read_text())
    keys, fields = {}, []
    for epoch in keyset["epochs"]:
        context = encode(
            keyset["format"], "token", "uniform", str(epoch["epoch"]), epoch["state"],
            epoch["created"], epoch["activates"], epoch["expires"], keyset["algorithm"],
        )  # fmt: skip
        blob = base64.b64decode(epoch["wrapped_key"] or "")
        fields += [context.hex(), hashlib.sha256(blob).hexdigest()]
        if epoch["wrapped_key"] is not None:
            keys[epoch["epoch"]] = unwrap(kek, epoch["wrapped_key"], context)
    unwrap(kek, keyset["seal"], sealed(keyset["format"], "uniform", str(keyset["revision"]), *fields))

    ledger = json.loads((tmp_path / "keys" / "revisions.json").read_text())
    entries = [field for e in ledger["keysets"] for field in (e["supplier"], str(e["revision"]), str(e["epoch"]))]
    unwrap(kek, ledger["seal"], sealed(ledger["format"], *entries))
    assert {e["supplier"]: (e["revision"], e["epoch"]) for e in ledger["keysets"]}["uniform"] == (3, 2)
    assert keys == {2: bytes(open_keyset(uri, "uniform", MADE).key().reveal())}
