"""What every provider does alike, whoever holds its key-encryption key."""

from __future__ import annotations

import base64
import copy
import json
import os
import pickle
import stat
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from transforms.errors import KeyUnavailable
from transforms.keyring.admin import check_keysets, init, list_keysets, new_epoch
from transforms.keyring.keyset import KEK_MONTHS, add_months
from transforms.keyring.lifecycle import compromise, deactivate, destroy
from transforms.keyring.open import open_keyset, open_provider, open_signing_key
from transforms.keyring.resolving import open_resolving_keys
from transforms.keyring.rewrap import rewrap
from transforms.keyring.secret import SecretKey
from transforms.tokens.derive import TokenLabel, column_key, tokenise


@pytest.fixture
def provider(new_uri, tmp_path, today):
    with closing(open_provider(new_uri(tmp_path / "keys"))) as provider:
        provider.prepare(today)
        yield provider


@pytest.fixture
def uri(new_uri, tmp_path, today) -> str:
    uri = new_uri(tmp_path / "keys")
    init(uri, ["card-printer", "uniform"], today)
    return uri


def refusal_of(uri: str, today) -> KeyUnavailable:
    with pytest.raises(KeyUnavailable) as refusal:
        open_keyset(uri, "uniform", today)
    assert refusal.value.exit_status == 30
    assert refusal.value.place
    assert refusal.value.hint
    return refusal.value


def tokens_of(uri: str, epoch: int, today) -> list[str]:
    names = pa.array(["O'Neill", "Siân", "Nowak"])
    label = TokenLabel("uniform", epoch, "name_token", ("surname",), "relationship")
    with open_keyset(uri, "uniform", today) as keyset:
        key = column_key(keyset.key(epoch).reveal(), label)
    return tokenise(key, f"UN{epoch}-", pa.array(["1", "2", "3"]), [names]).text.to_pylist()


def edit(path: Path, change) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_a_wrapped_key_opens_with_its_own_context_and_no_other(provider):
    raw = os.urandom(32)
    wrapped = provider.wrap(SecretKey(raw), b"context")
    assert provider.unwrap(wrapped, b"context") == SecretKey(raw)
    assert provider.unwrap(wrapped, b"contexu") is None
    assert provider.unwrap(wrapped, b"") is None
    assert raw not in wrapped


def test_a_wrapped_key_that_was_changed_cut_or_lengthened_does_not_open(provider):
    wrapped = provider.wrap(SecretKey.random(), b"context")
    tampered = [wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :] for at in range(-48, 0, 7)]
    for other in (*tampered, b"", wrapped[:-1], wrapped[:11], wrapped[16:]):
        assert provider.unwrap(other, b"context") is None
    assert provider.unwrap(wrapped, b"context") is not None


def test_no_two_wrappings_of_a_key_are_equal(provider):
    key = SecretKey.random()
    assert len({provider.wrap(key, b"context") for _ in range(5)}) == 5


def test_a_provider_refuses_pickle_and_copy_and_shows_nothing(provider):
    for travel in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="never pickled"):
            travel(provider)
    assert repr(provider).endswith(": hidden>")


def test_every_command_of_a_key_s_life_works(uri, today):
    later = today + timedelta(days=1)
    assert new_epoch(uri, "uniform", later, rehearse=True).epoch == 2
    assert new_epoch(uri, "uniform", later).epoch == 2
    assert deactivate(uri, "uniform", later).epochs == (1, 2)
    assert new_epoch(uri, "uniform", later).epoch == 3
    assert compromise(uri, "uniform", 2, later).epochs == (2,)
    assert destroy(uri, "uniform", 1, later).epochs == (1,)
    rows = {row.name: [epoch.state for epoch in row.epochs] for row in list_keysets(uri, None, later).keysets}
    assert rows["uniform"] == ["destroyed", "compromised", "active"]
    assert check_keysets(uri, ["card-printer", "uniform"], later).notices == ()
    with open_keyset(uri, "uniform", later) as opened, pytest.raises(KeyUnavailable, match="is destroyed"):
        opened.key(1)


def test_init_again_keeps_what_is_there(uri, today):
    before = open_keyset(uri, "uniform", today).key()
    report = init(uri, ["card-printer", "uniform", "parking"], today)
    assert report.created == ("parking",)
    assert open_keyset(uri, "uniform", today).key() == before


EDITS = {
    "state": lambda document: document["epochs"][0].update(state="deactivated"),
    "date": lambda document: document["epochs"][0].update(expires=document["epochs"][0]["created"]),
    "revision": lambda document: document.update(revision=7),
    "destroyed": lambda document: document["epochs"][0].update(state="destroyed", wrapped_key=None),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_keyset_does_not_open(uri, tmp_path, today, name):
    edit(tmp_path / "keys" / "uniform.keyset.json", EDITS[name])
    assert refusal_of(uri, today).code == "key-unwrap-failed"


def test_two_swapped_wrapped_keys_do_not_open(uri, tmp_path, today):
    paths = [tmp_path / "keys" / f"{name}.keyset.json" for name in ("uniform", "card-printer")]
    epochs = [json.loads(path.read_text())["epochs"] for path in paths]
    for path, other in zip(paths, reversed(epochs), strict=True):
        edit(path, lambda document, other=other: document.update(epochs=other))
    assert refusal_of(uri, today).code == "key-unwrap-failed"


def test_a_keyset_that_is_put_back_does_not_open_to_tokenise_or_to_resolve(uri, tmp_path, today):
    path = tmp_path / "keys" / "uniform.keyset.json"
    before = path.read_bytes()
    new_epoch(uri, "uniform", today)
    destroy(uri, "uniform", 1, today)
    path.write_bytes(before)
    assert refusal_of(uri, today).code == "keyset-rolled-back"
    with pytest.raises(KeyUnavailable, match="ledger of the store knows revision 3"):
        open_resolving_keys(uri, "uniform", today)


def test_the_header_of_another_key_encryption_key_is_called_that(uri, new_uri, tmp_path, today):
    init(new_uri(tmp_path / "other"), [], today)
    (tmp_path / "keys" / "kek.json").write_bytes((tmp_path / "other" / "kek.json").read_bytes())
    # AWS KMS itself says that another key wrapped it; moto says that access is denied.
    assert refusal_of(uri, today).code in ("kek-wrong", "key-service-denied")


def test_an_edited_date_of_the_key_encryption_key_is_found(uri, tmp_path, today):
    edit(tmp_path / "keys" / "kek.json", lambda document: document.update(created="2026-01-01"))
    assert refusal_of(uri, today).code == "kek-wrong"


def test_the_uri_of_another_provider_is_told_which_one_to_use(uri, other_uri, tmp_path, today):
    scheme, _, _ = uri.partition(":")
    refusal = refusal_of(other_uri(tmp_path / "keys"), today)
    assert refusal.code == "kek-wrong"
    assert f"{scheme}:" in refusal.hint


def test_a_lost_header_is_not_replaced(uri, tmp_path, today):
    (tmp_path / "keys" / "kek.json").unlink()
    with pytest.raises(KeyUnavailable) as refusal:
        init(uri, ["uniform"], today)
    assert refusal.value.code == "kek-lost"
    assert not (tmp_path / "keys" / "kek.json").exists()


def test_an_old_key_encryption_key_warns_then_wraps_nothing_and_still_opens(uri, today):
    expires = add_months(today, KEK_MONTHS)
    assert not any("key-encryption" in notice for notice in list_keysets(uri, None, expires - timedelta(days=31)).notices)
    assert any("days left: 30" in notice for notice in list_keysets(uri, None, expires - timedelta(days=30)).notices)
    assert new_epoch(uri, "uniform", expires - timedelta(days=1)).epoch == 2
    with pytest.raises(KeyUnavailable) as refusal:
        new_epoch(uri, "uniform", expires)
    assert refusal.value.code == "kek-expired"
    assert open_keyset(uri, "uniform", expires).active.number == 2


def test_no_key_is_in_any_file_of_the_store(uri, tmp_path, today):
    keys = [bytes(open_keyset(uri, name, today).key().reveal()) for name in ("uniform", "card-printer")]
    content = b"".join(path.read_bytes() for path in (tmp_path / "keys").iterdir())
    for key in keys:
        assert not any(form in content for form in (key, key.hex().encode(), base64.b64encode(key).rstrip(b"=")))


def test_every_file_but_the_public_halves_is_closed_to_others(uri, tmp_path):
    for path in (tmp_path / "keys").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == (0o644 if path.suffix == ".pub" else 0o600), path.name
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_a_move_changes_no_token_no_state_and_no_signature(uri, other_uri, tmp_path, today):
    new_epoch(uri, "uniform", today)
    new_epoch(uri, "uniform", today)
    destroy(uri, "uniform", 1, today)
    to = other_uri(tmp_path / "there")
    rewrap(uri, to, today)
    assert list_keysets(to, None, today).keysets == list_keysets(uri, None, today).keysets
    assert open_signing_key(to, today).public_bytes() == open_signing_key(uri, today).public_bytes()
    for number in (2, 3):
        assert tokens_of(to, number, today) == tokens_of(uri, number, today)
    assert tokens_of(uri, 2, today) != tokens_of(uri, 3, today)


def test_a_store_that_is_there_already_is_not_moved_into(uri, new_uri, tmp_path, today):
    to = new_uri(tmp_path / "there")
    init(to, ["uniform"], today)
    with pytest.raises(KeyUnavailable) as refusal:
        rewrap(uri, to, today)
    assert refusal.value.code == "store-taken"
