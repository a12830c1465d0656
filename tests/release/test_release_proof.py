from __future__ import annotations

import ast
import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import pipelines
import transforms
from pipelines.release.dsse import open_envelope, sign_envelope
from pipelines.release.proof import PROOF_TYPE, CleanRelease, attest, load_clean_release, write_proof
from pipelines.release.staging import SupplierStaging
from transforms.errors import InternalError, Refused, Unavailable
from transforms.keyring.secret import SecretKey
from transforms.keyring.signing import SigningKey

if TYPE_CHECKING:
    from conftest import World


@pytest.fixture
def clean(world: World) -> CleanRelease:
    clean = world.clean()
    write_proof(clean, world.signer)
    return clean


def test_a_proof_carries_a_clean_release_to_another_process(world: World, clean: CleanRelease) -> None:
    assert load_clean_release(clean.staging, world.store.public_keys) == clean


def _append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def _resign(staging: SupplierStaging) -> None:
    stranger = SigningKey(SecretKey(bytes(32)), epoch=1)
    staging.proof.write_bytes(sign_envelope(b"{}", PROOF_TYPE, stranger))


def _rewrite_report(staging: SupplierStaging) -> None:
    staging.report.write_bytes(staging.report.read_bytes().replace(b'"rows":1', b'"rows":2'))


HARM: dict[str, Callable[[SupplierStaging], object]] = {
    "a file changed": lambda s: _append(s.release / "people.csv"),
    "a photo changed": lambda s: _append(next((s.release / "photos").iterdir())),
    "a file added": lambda s: (s.release / "new.txt").write_bytes(b""),
    "a file removed": lambda s: (s.release / "README.txt").unlink(),
    "the report rewritten": _rewrite_report,
    "the proof cut": lambda s: s.proof.write_bytes(s.proof.read_bytes()[:-1]),
    "the proof signed by a stranger": _resign,
}


@pytest.mark.parametrize("harm", HARM)
def test_anything_that_changed_since_verify_makes_the_proof_stale(world: World, clean: CleanRelease, harm: str) -> None:
    HARM[harm](clean.staging)
    with pytest.raises(Refused) as caught:
        load_clean_release(clean.staging, world.store.public_keys)
    assert caught.value.code == "proof-stale"


def test_a_proof_of_another_view_proves_nothing(world: World, clean: CleanRelease) -> None:
    other = world.with_policy(dataclasses.replace(world.policy, supplier="uniform"))
    theirs = other.stage()
    theirs.proof.write_bytes(clean.staging.proof.read_bytes())
    with pytest.raises(Refused) as caught:
        load_clean_release(theirs, world.store.public_keys)
    assert caught.value.code == "proof-stale"


def test_a_proof_is_not_accepted_as_another_kind_of_envelope(world: World, clean: CleanRelease) -> None:
    with pytest.raises(Refused):
        open_envelope(clean.staging.proof.read_bytes(), world.store.public_keys, "application/vnd.in-toto+json")


def test_a_view_that_was_not_verified_can_be_asked_for_again_later(world: World) -> None:
    with pytest.raises(Unavailable) as caught:
        load_clean_release(world.stage(), world.store.public_keys)
    assert caught.value.code == "not-verified"


def test_staging_anew_takes_the_proof_away(world: World, clean: CleanRelease) -> None:
    assert not world.stage().proof.exists()


def test_nobody_but_verify_makes_a_clean_release(clean: CleanRelease) -> None:
    for make in (
        lambda: CleanRelease(clean.staging, clean.report, clean.files, clean.checks, clean.overlaps, clean.measures, object()),
        lambda: copy.copy(clean),
        lambda: copy.deepcopy(clean),
    ):
        with pytest.raises(InternalError) as caught:
            make()
        assert caught.value.code == "unverified-release"
    with pytest.raises((TypeError, ValueError)):
        dataclasses.replace(clean, files=())


def test_only_the_verify_phase_calls_attest() -> None:
    callers = set()
    for package in (pipelines, transforms):
        for path in Path(next(iter(package.__path__))).rglob("*.py"):
            names = {
                node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else node.name
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.Attribute | ast.Name | ast.alias)
            }
            if "attest" in names:
                callers.add(path.name)
    assert callers <= {"verify.py"}


def test_a_file_that_the_gate_did_not_read_cannot_be_attested(world: World) -> None:
    area = world.stage()
    with pytest.raises(Refused) as caught:
        attest(area, [("people.csv", 1, "0" * 64)], ["closed-world"])
    assert caught.value.code == "proof-stale"


@pytest.mark.parametrize("name", ["manifest.json", ".hidden", "a b.txt", "Zoë.jpg"])
def test_a_file_with_a_name_that_no_release_has_cannot_be_attested(world: World, name: str) -> None:
    area = world.stage(files={name: b"x"})
    with pytest.raises(Refused):
        attest(area, [(name, 1, "0" * 64)], ["closed-world"])


def test_an_empty_view_or_a_verdict_without_a_check_cannot_be_attested(world: World) -> None:
    with pytest.raises(Refused):
        attest(world.stage(files={}), [], ["closed-world"])
    with pytest.raises(InternalError):
        attest(world.stage(files={"people.csv": b"x"}), [("people.csv", 1, "0" * 64)], [])
