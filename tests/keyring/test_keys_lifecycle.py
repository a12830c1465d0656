"""The later states of a key, on a real store: what each change leaves, and what it never touches."""

import json
import os
from datetime import date, timedelta
from pathlib import Path

import pytest

from transforms.errors import KeyUnavailable, UsageError
from transforms.keyring.admin import check_keysets, init, new_epoch
from transforms.keyring.keyset import State
from transforms.keyring.lifecycle import compromise, deactivate, destroy
from transforms.keyring.open import open_keyset
from transforms.keyring.rewrap import rewrap

MADE = date(2026, 11, 24)
DAY = timedelta(days=1)
SUPPLIERS = ["card-printer", "uniform"]


@pytest.fixture
def uri(tmp_path: Path) -> str:
    uri = f"file:{tmp_path / 'keys'}"
    init(uri, SUPPLIERS, MADE)
    return uri


@pytest.fixture
def directory(uri: str) -> Path:
    return Path(uri.removeprefix("file:"))


def code_of(work, *arguments) -> str:
    with pytest.raises(KeyUnavailable) as refusal:
        work(*arguments)
    return refusal.value.code


def put_in(uri: str, state: State) -> None:
    """Brings epoch 1 of `uniform` into a state, by the commands that a custodian has."""
    if state in (State.DEACTIVATED, State.DESTROYED):
        deactivate(uri, "uniform", MADE)
    if state is State.COMPROMISED:
        compromise(uri, "uniform", 1, MADE)
    if state is State.DESTROYED:
        destroy(uri, "uniform", 1, MADE)


COMMANDS = {
    "deactivate": lambda uri: deactivate(uri, "uniform", MADE),
    "compromise": lambda uri: compromise(uri, "uniform", 1, MADE),
    "destroy": lambda uri: destroy(uri, "uniform", 1, MADE),
}
# What a command does to epoch 1 in each state: the epochs that it moved, or the code of its refusal.
TABLE = {
    ("active", "deactivate"): (1,),
    ("active", "compromise"): (1,),
    ("active", "destroy"): "key-state",
    ("deactivated", "deactivate"): "key-state",
    ("deactivated", "compromise"): (1,),
    ("deactivated", "destroy"): (1,),
    ("compromised", "deactivate"): "key-state",
    ("compromised", "compromise"): (),
    ("compromised", "destroy"): (1,),
    ("destroyed", "deactivate"): "key-state",
    ("destroyed", "compromise"): (),
    ("destroyed", "destroy"): (),
}


@pytest.mark.parametrize(("before", "command"), TABLE)
def test_every_command_in_every_state_does_what_the_table_says(uri, before, command):
    put_in(uri, State(before))
    expected = TABLE[before, command]
    if isinstance(expected, str):
        assert code_of(COMMANDS[command], uri) == expected
    else:
        assert COMMANDS[command](uri).moved == expected


def test_a_deactivated_key_makes_no_token_until_there_is_a_new_epoch(uri):
    deactivate(uri, "uniform", MADE)
    assert code_of(open_keyset, uri, "uniform", MADE) == "key-not-active"
    new_epoch(uri, "uniform", MADE)
    assert open_keyset(uri, "uniform", MADE).active.number == 2


def test_a_destroyed_epoch_never_resolves_again_while_everything_else_does(uri):
    kept = open_keyset(uri, "card-printer", MADE).key()
    new_epoch(uri, "uniform", MADE)
    active = open_keyset(uri, "uniform", MADE).key()
    destroy(uri, "uniform", 1, MADE)
    opened = open_keyset(uri, "uniform", MADE)
    assert code_of(opened.key, 1) == "key-destroyed"
    assert opened.key() == active
    assert open_keyset(uri, "card-printer", MADE).key() == kept


def test_destroy_leaves_the_wrapped_key_neither_in_the_store_nor_in_the_old_file(uri, directory):
    path = directory / "uniform.keyset.json"
    wrapped = json.loads(path.read_text())["epochs"][0]["wrapped_key"].encode()
    deactivate(uri, "uniform", MADE)
    second = json.loads(path.read_text())["epochs"][0]["wrapped_key"].encode()
    old = os.open(path, os.O_RDONLY)  # what an undelete would find
    destroy(uri, "uniform", None, MADE)
    left = os.pread(old, 1 << 20, 0) + b"".join(file.read_bytes() for file in directory.iterdir())
    os.close(old)
    assert wrapped not in left
    assert second not in left


def test_an_epoch_that_never_was_is_not_destroyed(uri):
    assert code_of(destroy, uri, "uniform", 7, MADE) == "key-unknown-epoch"


@pytest.mark.parametrize("name", ["../uniform", "Uniform", ""])
def test_a_name_that_no_keyset_may_have_is_refused(uri, name):
    with pytest.raises(UsageError):
        destroy(uri, name, 1, MADE)


def test_compromise_reaches_every_epoch_that_still_has_a_key(uri):
    new_epoch(uri, "uniform", MADE)
    destroy(uri, "uniform", 1, MADE)
    new_epoch(uri, "uniform", MADE)
    assert compromise(uri, "uniform", None, MADE).moved == (2, 3)


def test_a_key_encryption_key_at_its_end_still_lets_keys_be_ended(uri):
    late = date(2028, 11, 24)
    deactivate(uri, "uniform", late)
    assert destroy(uri, "uniform", 1, late).moved == (1,)


def test_check_passes_a_store_that_a_run_could_use(uri):
    assert check_keysets(uri, SUPPLIERS, MADE).notices == ()


def test_check_warns_thirty_days_before_and_refuses_on_the_day(uri):
    assert check_keysets(uri, SUPPLIERS, date(2027, 10, 24)).notices == ()
    assert len(check_keysets(uri, SUPPLIERS, date(2027, 10, 25)).notices) == 2
    assert code_of(check_keysets, uri, SUPPLIERS, date(2027, 11, 24)) == "key-expired"


def test_check_refuses_a_supplier_without_a_keyset(uri):
    assert code_of(check_keysets, uri, ["late"], MADE) == "key-file-missing"


def test_check_names_a_key_that_is_due_to_be_destroyed_on_the_day_and_not_before(uri, tmp_path):
    deactivate(uri, "uniform", MADE)
    later = f"file:{tmp_path / 'later'}"
    rewrap(uri, later, date(2028, 12, 1))
    for name in ("card-printer", "internal", "signing", "uniform"):
        new_epoch(later, name, date(2029, 11, 1))
    due = "uniform, epoch 1, is due to be destroyed since 2029-11-24"
    assert due not in check_keysets(later, SUPPLIERS, date(2029, 11, 23)).notices
    assert due in check_keysets(later, SUPPLIERS, date(2029, 11, 24)).notices
