"""Moving to a new key-encryption key: the same keys, the old or the new store whole, whenever the custodian dies."""

import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from transforms.errors import KeyUnavailable
from transforms.keyring.admin import init, list_keysets, new_epoch
from transforms.keyring.lifecycle import destroy
from transforms.keyring.open import open_fingerprint_key, open_keyset, open_signing_key
from transforms.keyring.rewrap import rewrap

MADE = date(2026, 11, 24)


@pytest.fixture
def uri(tmp_path: Path) -> str:
    uri = f"file:{tmp_path / 'keys'}"
    init(uri, ["card-printer", "uniform"], MADE)
    new_epoch(uri, "uniform", MADE)
    new_epoch(uri, "uniform", MADE)
    destroy(uri, "uniform", 1, MADE)
    return uri


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.touch(0o600)
    path.write_bytes(b"correct horse battery staple")
    return path


def keys_of(uri: str) -> dict[str, bytes]:
    uniform = open_keyset(uri, "uniform", MADE)
    return {
        "2": bytes(uniform.key(2).reveal()),
        "3": bytes(uniform.key(3).reveal()),
        "card-printer": bytes(open_keyset(uri, "card-printer", MADE).key().reveal()),
        "internal": bytes(open_fingerprint_key(uri, MADE).reveal()),
        "signing": open_signing_key(uri, MADE).public_bytes(),
    }


def test_from_a_key_file_to_a_passphrase_and_back_no_key_changes(uri, tmp_path, passphrase):
    there = f"file:{tmp_path / 'there'}?passphrase-file={passphrase}"
    back = f"file:{tmp_path / 'back'}"
    rewrap(uri, there, MADE)
    rewrap(there, back, MADE)
    assert keys_of(uri) == keys_of(there) == keys_of(back)


def test_states_dates_and_revisions_move_too(uri, tmp_path):
    to = f"file:{tmp_path / 'to'}"
    rewrap(uri, to, MADE)
    assert list_keysets(to, None, MADE).keysets == list_keysets(uri, None, MADE).keysets


def test_the_old_key_encryption_key_opens_nothing_of_the_new_store(uri, tmp_path):
    rewrap(uri, f"file:{tmp_path / 'to'}", MADE)
    (tmp_path / "to" / "kek.key").write_bytes((tmp_path / "keys" / "kek.key").read_bytes())
    with pytest.raises(KeyUnavailable) as refusal:
        open_keyset(f"file:{tmp_path / 'to'}", "uniform", MADE)
    assert refusal.value.code == "kek-wrong"


def test_an_expired_key_encryption_key_is_left_behind_by_rewrap(uri, tmp_path):
    late = date(2028, 11, 24)
    to = f"file:{tmp_path / 'to'}"
    rewrap(uri, to, late)
    assert new_epoch(to, "uniform", late).epoch == 4


def test_a_store_that_is_there_already_is_not_written_over(uri, tmp_path):
    to = f"file:{tmp_path / 'to'}"
    init(to, ["uniform"], MADE)
    before = {path.name: path.read_bytes() for path in (tmp_path / "to").iterdir()}
    with pytest.raises(KeyUnavailable) as refusal:
        rewrap(uri, to, MADE)
    assert refusal.value.code == "store-taken"
    assert {path.name: path.read_bytes() for path in (tmp_path / "to").iterdir()} == before


# Dies by SIGKILL just before the n-th time that it would make, rename, link or remove a file.
KILLED = """
import os, signal, sys
from datetime import date
from transforms.keyring.rewrap import rewrap
uri, to, left = sys.argv[1], sys.argv[2], int(sys.argv[3])
def watch(event, arguments):
    global left
    if event in ("os.rename", "os.link", "os.remove", "os.mkdir"):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(watch)
rewrap(uri, to, date(2026, 11, 24))
"""


def test_killed_at_any_step_it_leaves_the_old_store_whole_and_the_new_one_whole_or_closed(uri, tmp_path):
    expected = keys_of(uri)
    step = 0
    while True:
        step += 1
        to = f"file:{tmp_path / f'to-{step}'}"
        done = subprocess.run([sys.executable, "-c", KILLED, uri, to, str(step)], env=os.environ, check=False)
        assert keys_of(uri) == expected
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL
        try:
            assert keys_of(to) == expected
        except KeyUnavailable:
            rewrap(uri, to, MADE)  # does again what was not finished
            assert keys_of(to) == expected
    assert step > 10
    assert keys_of(to) == expected
