"""The file: provider: what opens a store, and every way in which it must not open."""

import base64
import json
import os
import pickle
import stat
import traceback
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.errors import KeyUnavailable, UsageError
from transforms.keyring.admin import init
from transforms.keyring.file import FileProvider
from transforms.keyring.open import open_keyset
from transforms.keyring.secret import SecretKey

MADE = date(2026, 11, 24)
PASSPHRASE = b"correct horse battery staple"


def private(path: Path, content: bytes) -> Path:
    path.touch(0o600)
    path.write_bytes(content)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    directory = tmp_path / "keys"
    init(f"file:{directory}", ["uniform", "card-printer"], MADE)
    return directory


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> FileProvider:
    provider = FileProvider(f"file:{tmp_path_factory.mktemp('store') / 'keys'}")
    provider.prepare(MADE)
    return provider


def refusal_of(uri: str, supplier: str = "uniform") -> KeyUnavailable:
    with pytest.raises(KeyUnavailable) as refusal:
        open_keyset(uri, supplier, MADE)
    assert refusal.value.exit_status == 30
    assert refusal.value.place
    assert refusal.value.rule
    assert refusal.value.hint
    return refusal.value


def edit(store: Path, supplier: str, change) -> None:
    path = store / f"{supplier}.keyset.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=80))
@settings(deadline=None, max_examples=50)
def test_a_wrapped_key_opens_with_its_own_context(provider, raw, context):
    opened = provider.unwrap(provider.wrap(SecretKey(raw), context), context)
    assert opened == SecretKey(raw)


@given(st.binary(max_size=40), st.binary(max_size=40))
@settings(deadline=None, max_examples=50)
def test_a_wrapped_key_does_not_open_with_another_context(provider, context, other):
    wrapped = provider.wrap(SecretKey(bytes(32 * [7])), context)
    assert (provider.unwrap(wrapped, other) is None) == (context != other)


@given(st.integers(0, 59), st.integers(1, 255))
@settings(deadline=None, max_examples=100)
def test_a_wrapped_key_with_any_byte_changed_does_not_open(provider, at, flip):
    wrapped = bytearray(provider.wrap(SecretKey(bytes(32 * [7])), b"context"))
    wrapped[at] ^= flip
    assert provider.unwrap(bytes(wrapped), b"context") is None


@pytest.mark.parametrize("length", [0, 11, 12, 28, 59, 61])
def test_a_wrapped_key_of_another_length_does_not_open(provider, length):
    wrapped = provider.wrap(SecretKey(bytes(32 * [7])), b"context") + b"x"
    assert provider.unwrap(wrapped[:length], b"context") is None


def test_the_same_key_is_wrapped_under_a_new_nonce_each_time(provider):
    key = SecretKey.random()
    nonces = {provider.wrap(key, b"context")[:12] for _ in range(200)}
    assert len(nonces) == 200


def test_a_provider_refuses_pickle_once_it_holds_a_key(provider):
    provider.wrap(SecretKey.random(), b"context")
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(provider)


@pytest.mark.parametrize("name", ["kek.key", "kek.json", "uniform.keyset.json"])
@pytest.mark.parametrize("mode", [0o640, 0o604])
def test_a_store_with_a_file_that_others_can_read_is_refused(store, name, mode):
    (store / name).chmod(mode)
    refusal = refusal_of(f"file:{store}")
    assert refusal.code == "key-file-exposed"
    assert refusal.place == str(store / name)


def test_a_store_that_others_can_enter_is_refused(store):
    store.chmod(0o755)
    assert refusal_of(f"file:{store}").code == "key-file-exposed"


@pytest.mark.parametrize("name", ["kek.key", "kek.json", "uniform.keyset.json"])
def test_a_store_with_a_link_in_the_place_of_a_file_is_refused(store, name):
    (store / name).rename(store / "moved")
    (store / name).symlink_to(store / "moved")
    assert refusal_of(f"file:{store}").code == "key-file-exposed"


def test_a_store_that_is_missing_is_refused_with_the_way_to_make_it(tmp_path):
    refusal = refusal_of(f"file:{tmp_path / 'none'}")
    assert refusal.code == "key-file-missing"
    assert "keys init" in refusal.hint


def test_a_passphrase_opens_what_it_made(tmp_path):
    file = private(tmp_path / "pass", PASSPHRASE + b"\n")
    uri = f"file:{tmp_path / 'keys'}?passphrase-file={file}"
    init(uri, ["uniform"], MADE)
    assert not (tmp_path / "keys" / "kek.key").exists()
    with open_keyset(uri, "uniform", MADE) as opened:
        assert opened.active.number == 1


def test_a_line_end_after_the_passphrase_does_not_count(tmp_path):
    uris = [
        f"file:{tmp_path / 'keys'}?passphrase-file={private(tmp_path / str(at), PASSPHRASE + end)}"
        for at, end in enumerate([b"", b"\n", b"\r\n"])
    ]
    init(uris[0], ["uniform"], MADE)
    first, *others = (open_keyset(uri, "uniform", MADE).key() for uri in uris)
    assert all(key == first for key in others)


def test_a_wrong_passphrase_is_called_that_and_not_repeated(tmp_path):
    right, wrong = private(tmp_path / "right", PASSPHRASE), private(tmp_path / "wrong", b"incorrect horse battery staple")
    init(f"file:{tmp_path / 'keys'}?passphrase-file={right}", ["uniform"], MADE)
    refusal = refusal_of(f"file:{tmp_path / 'keys'}?passphrase-file={wrong}")
    assert refusal.code == "kek-wrong"
    assert refusal.rule.startswith("wrong passphrase")
    assert refusal.place == str(wrong)
    assert "incorrect horse" not in repr(refusal)


def test_a_passphrase_file_that_others_can_read_is_refused(tmp_path):
    file = private(tmp_path / "pass", PASSPHRASE)
    uri = f"file:{tmp_path / 'keys'}?passphrase-file={file}"
    init(uri, ["uniform"], MADE)
    file.chmod(0o644)
    assert refusal_of(uri).code == "key-file-exposed"


@pytest.mark.parametrize("passphrase", [b"", b"\n", b"fourteen-bytes"])
def test_a_short_passphrase_makes_no_store(tmp_path, passphrase):
    uri = f"file:{tmp_path / 'keys'}?passphrase-file={private(tmp_path / 'pass', passphrase)}"
    with pytest.raises(KeyUnavailable, match="shorter than 15 bytes"):
        init(uri, ["uniform"], MADE)
    assert not list((tmp_path / "keys").glob("*.json"))


def test_two_stores_of_one_passphrase_have_different_salts(tmp_path):
    file = private(tmp_path / "pass", PASSPHRASE)
    for name in ("one", "two"):
        init(f"file:{tmp_path / name}?passphrase-file={file}", [], MADE)
    headers = [json.loads((tmp_path / name / "kek.json").read_text()) for name in ("one", "two")]
    assert headers[0]["argon2id"]["salt"] != headers[1]["argon2id"]["salt"]
    assert len(base64.b64decode(headers[0]["argon2id"]["salt"])) == 16


def test_the_passphrase_is_stretched_as_rfc_9106_recommends(tmp_path):
    init(f"file:{tmp_path / 'keys'}?passphrase-file={private(tmp_path / 'pass', PASSPHRASE)}", [], MADE)
    parameters = json.loads((tmp_path / "keys" / "kek.json").read_text())["argon2id"]
    assert {name: parameters[name] for name in ("memory_kib", "iterations", "lanes")} == {
        "memory_kib": 65536,
        "iterations": 3,
        "lanes": 4,
    }


def test_a_wrong_key_file_is_called_that(store):
    (store / "kek.key").write_bytes(os.urandom(32))
    refusal = refusal_of(f"file:{store}")
    assert refusal.code == "kek-wrong"
    assert refusal.rule.startswith("wrong key file")
    assert refusal.place == str(store / "kek.key")


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_file_of_another_length_is_refused(store, size):
    (store / "kek.key").write_bytes(os.urandom(size))
    refusal_of(f"file:{store}")


def test_a_passphrase_for_a_store_with_a_key_file_is_refused(store, tmp_path):
    refusal = refusal_of(f"file:{store}?passphrase-file={private(tmp_path / 'pass', PASSPHRASE)}")
    assert "opened by a key file" in refusal.rule


def test_a_store_with_a_passphrase_is_not_opened_without_one(tmp_path):
    init(f"file:{tmp_path / 'keys'}?passphrase-file={private(tmp_path / 'pass', PASSPHRASE)}", ["uniform"], MADE)
    refusal = refusal_of(f"file:{tmp_path / 'keys'}")
    assert "opened by a passphrase" in refusal.rule


def test_an_edited_date_of_the_key_encryption_key_is_found(store):
    path = store / "kek.json"
    path.write_text(path.read_text().replace("2026-11-24", "2027-11-24"))
    assert refusal_of(f"file:{store}").code == "kek-wrong"


def test_two_swapped_keysets_are_found(store):
    one, other = store / "uniform.keyset.json", store / "card-printer.keyset.json"
    one_text, other_text = one.read_text(), other.read_text()
    one.write_text(other_text)
    other.write_text(one_text)
    assert refusal_of(f"file:{store}", "uniform").code == "keyset-invalid"


def test_two_swapped_wrapped_keys_are_found(store):
    keys = {name: json.loads((store / f"{name}.keyset.json").read_text())["epochs"] for name in ("uniform", "card-printer")}
    edit(store, "uniform", lambda document: document.update(epochs=keys["card-printer"]))
    edit(store, "card-printer", lambda document: document.update(epochs=keys["uniform"]))
    assert {refusal_of(f"file:{store}", name).code for name in ("uniform", "card-printer")} == {"key-unwrap-failed"}


EDITS = {
    "state": lambda epoch: epoch.update(state="deactivated"),
    "created": lambda epoch: epoch.update(created="2026-11-23"),
    "activates": lambda epoch: epoch.update(activates="2026-11-25"),
    "expires": lambda epoch: epoch.update(expires="2027-11-23"),
    "number": lambda epoch: epoch.update(epoch=2),
    "wrapped key": lambda epoch: epoch.update(wrapped_key=epoch["wrapped_key"][:-2] + "AA"),
    "cut wrapped key": lambda epoch: epoch.update(wrapped_key=epoch["wrapped_key"][:-4]),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_of_an_epoch_is_found(store, name):
    edit(store, "uniform", lambda document: EDITS[name](document["epochs"][0]))
    assert refusal_of(f"file:{store}").code == "key-unwrap-failed"


def test_all_failures_to_unwrap_look_alike(store):
    seen = set()
    original = (store / "uniform.keyset.json").read_text()
    for name in sorted(set(EDITS) - {"number"}):
        edit(store, "uniform", lambda document, name=name: EDITS[name](document["epochs"][0]))
        seen.add(repr(refusal_of(f"file:{store}")))
        (store / "uniform.keyset.json").write_text(original)
    assert len(seen) == 1


FORGERIES = {
    "empty": lambda text: "",
    "cut": lambda text: text[: len(text) // 2],
    "not UTF-8": lambda text: text.replace("uniform", "uni\udcffform"),
    "not JSON": lambda text: text.replace("{", "[", 1),
    "unknown version": lambda text: text.replace("keyset/2", "keyset/3"),
    "unknown field": lambda text: text.replace("{", '{"note": "x",', 1),
    "unknown state": lambda text: text.replace('"active"', '"suspended"'),
    "unknown algorithm": lambda text: text.replace("CMAC", "GMAC"),
    "no epochs": lambda text: text[: text.index('"epochs"')] + '"epochs": []}',
    "key is null": lambda text: text.replace('"wrapped_key": "', '"wrapped_key": null, "x": "'),
    "not base 64": lambda text: text.replace('"wrapped_key": "', '"wrapped_key": "!!!!'),
    "destroyed with a key": lambda text: text.replace('"active"', '"destroyed"'),
    "number as text": lambda text: text.replace('"epoch": 1', '"epoch": "1"'),
    "over its cryptoperiod": lambda text: text.replace("2027-11-24", "2028-11-24"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_keyset_file_that_is_not_whole_is_refused_without_quoting_it(store, name):
    path = store / "uniform.keyset.json"
    wrapped = json.loads(path.read_text())["epochs"][0]["wrapped_key"]
    path.write_bytes(FORGERIES[name](path.read_text()).encode(errors="surrogateescape"))
    refusal = refusal_of(f"file:{store}")
    assert refusal.code == "keyset-invalid"
    assert wrapped[:20] not in "".join(traceback.format_exception(refusal))


def test_a_header_of_the_key_encryption_key_that_is_cut_is_refused(store):
    path = store / "kek.json"
    path.write_text(path.read_text()[:50])
    assert refusal_of(f"file:{store}").code == "keyset-invalid"


def test_weaker_stretching_than_recommended_is_refused(tmp_path):
    uri = f"file:{tmp_path / 'keys'}?passphrase-file={private(tmp_path / 'pass', PASSPHRASE)}"
    init(uri, ["uniform"], MADE)
    path = tmp_path / "keys" / "kek.json"
    path.write_text(path.read_text().replace("65536", "8"))
    assert refusal_of(uri).code == "keyset-invalid"


def test_a_lost_key_encryption_key_is_not_replaced_by_a_new_one(store):
    (store / "kek.json").unlink()
    with pytest.raises(KeyUnavailable) as refusal:
        init(f"file:{store}", ["uniform"], MADE)
    assert refusal.value.code == "kek-lost"
    assert not (store / "kek.json").exists()


def test_a_lost_key_file_is_not_replaced_by_a_new_one(store):
    (store / "kek.key").unlink()
    with pytest.raises(KeyUnavailable, match="the key file is missing"):
        init(f"file:{store}", ["uniform"], MADE)
    assert not (store / "kek.key").exists()


@pytest.mark.parametrize("name", ["internal", "signing", "../uniform", "Uniform"])
def test_only_a_supplier_s_keyset_is_opened_to_tokenise(store, name):
    with pytest.raises(UsageError):
        open_keyset(f"file:{store}", name, MADE)


def test_every_file_but_the_public_half_is_closed_to_others(store):
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in store.iterdir()}
    public = {name for name, mode in modes.items() if mode == 0o644}
    assert public == {"signing.pub", "signing-1.pub"}
    assert {mode for name, mode in modes.items() if name not in public} == {0o600}
