"""A store that somebody put back, cut or edited: what opens it refuses."""

import json
from datetime import date
from pathlib import Path

import pytest

from transforms.errors import KeyUnavailable
from transforms.keyring.admin import init, list_keysets, new_epoch
from transforms.keyring.lifecycle import destroy
from transforms.keyring.open import open_keyset

MADE = date(2026, 11, 24)
SUPPLIERS = ["card-printer", "uniform"]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    directory = tmp_path / "keys"
    init(f"file:{directory}", SUPPLIERS, MADE)
    return directory


def edit(path: Path, change) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def code_of(store: Path, supplier: str = "uniform") -> str:
    with pytest.raises(KeyUnavailable) as refusal:
        open_keyset(f"file:{store}", supplier, MADE)
    return refusal.value.code


def test_a_keyset_put_back_to_an_older_file_is_found_and_no_other_supplier_suffers(store):
    older = (store / "uniform.keyset.json").read_bytes()
    new_epoch(f"file:{store}", "uniform", MADE)
    (store / "uniform.keyset.json").write_bytes(older)
    assert code_of(store) == "keyset-rolled-back"
    assert open_keyset(f"file:{store}", "card-printer", MADE).active.number == 1


def test_a_destroyed_key_put_back_from_a_copy_is_found(store):
    uri = f"file:{store}"
    new_epoch(uri, "uniform", MADE)
    older = (store / "uniform.keyset.json").read_bytes()
    destroy(uri, "uniform", 1, MADE)
    (store / "uniform.keyset.json").write_bytes(older)
    assert code_of(store) == "keyset-rolled-back"


def test_no_custodian_s_command_launders_a_keyset_that_was_put_back(store):
    older = (store / "uniform.keyset.json").read_bytes()
    new_epoch(f"file:{store}", "uniform", MADE)
    (store / "uniform.keyset.json").write_bytes(older)
    for work in (lambda: new_epoch(f"file:{store}", "uniform", MADE), lambda: list_keysets(f"file:{store}", None, MADE)):
        with pytest.raises(KeyUnavailable) as refusal:
            work()
        assert refusal.value.code == "keyset-rolled-back"
    assert (store / "uniform.keyset.json").read_bytes() == older


def test_a_keyset_newer_than_the_ledger_is_what_a_custodian_left_who_died_in_between(store):
    ledger = (store / "revisions.json").read_bytes()
    new_epoch(f"file:{store}", "uniform", MADE)
    (store / "revisions.json").write_bytes(ledger)
    assert open_keyset(f"file:{store}", "uniform", MADE).active.number == 2


def remove_epoch(document) -> None:
    del document["epochs"][0]


def forge_destruction(document) -> None:
    document["epochs"][0].update(state="destroyed", wrapped_key=None)


EDITS = {
    "an epoch taken out": remove_epoch,
    "an epoch marked as destroyed": forge_destruction,
    "the revision raised": lambda document: document.update(revision=document["revision"] + 1),
    "two wrapped keys swapped": lambda document: document["epochs"][0].update(
        wrapped_key=document["epochs"][1]["wrapped_key"], state=document["epochs"][0]["state"]
    ),
    "another seal": lambda document: document.update(seal=document["epochs"][0]["wrapped_key"]),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_that_no_wrapped_key_can_see_alone_is_found(store, name):
    new_epoch(f"file:{store}", "uniform", MADE)
    edit(store / "uniform.keyset.json", EDITS[name])
    assert code_of(store) == "key-unwrap-failed"


def test_the_seal_of_an_older_revision_does_not_fit_the_newer_file(store):
    older = json.loads((store / "uniform.keyset.json").read_text())
    new_epoch(f"file:{store}", "uniform", MADE)
    edit(store / "uniform.keyset.json", lambda document: document.update(seal=older["seal"]))
    assert code_of(store) == "key-unwrap-failed"


def test_a_ledger_that_was_edited_is_found(store):
    edit(store / "revisions.json", lambda document: document["keysets"].pop())
    assert code_of(store) == "key-unwrap-failed"


def test_a_store_whose_ledger_was_removed_does_not_open_and_init_makes_no_new_one(store):
    (store / "revisions.json").unlink()
    assert code_of(store) == "keyset-ledger-missing"
    with pytest.raises(KeyUnavailable):
        init(f"file:{store}", SUPPLIERS, MADE)
    assert not (store / "revisions.json").exists()


def test_a_keyset_made_in_the_place_of_a_lost_one_never_reuses_an_epoch_s_number(store):
    new_epoch(f"file:{store}", "uniform", MADE)
    (store / "uniform.keyset.json").unlink()
    init(f"file:{store}", SUPPLIERS, MADE)
    assert open_keyset(f"file:{store}", "uniform", MADE).active.number == 3


def test_a_lost_keyset_that_comes_back_beside_a_newer_one_is_found(store):
    lost = (store / "uniform.keyset.json").read_bytes()
    (store / "uniform.keyset.json").unlink()
    init(f"file:{store}", SUPPLIERS, MADE)
    (store / "uniform.keyset.json").write_bytes(lost)
    assert code_of(store) == "keyset-rolled-back"
