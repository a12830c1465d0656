from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import fields, replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from pipelines.release.files import ReleaseFile
from pipelines.release.manifest import (
    Manifest,
    ReleaseTerms,
    Subject,
    delete_by,
    open_manifest,
    parse_statement,
    release_terms,
    render_statement,
    sign_manifest,
)
from pipelines.release.strict_json import canonical_json
from transforms.errors import PolicyError, Refused
from transforms.keyring.signing import SigningKey
from transforms.policy.model import Policy

if TYPE_CHECKING:
    from conftest import World

GOLDEN = Path(__file__).resolve().parents[1] / "vectors" / "release-manifest.json"
PHOTO = ReleaseFile("photos/WC1-7K3M9X2PQRTV8HJED.jpg", 4, "0" * 64)
TABLE = ReleaseFile("people.csv", 4, "1" * 64)


@pytest.fixture
def manifest(terms: ReleaseTerms, signer: SigningKey) -> Manifest:
    subjects = tuple(Subject(name, hashlib.sha256(name.encode()).hexdigest()) for name in ("README.txt", "people.csv", PHOTO.path))
    return Manifest(subjects, terms, 2, hashlib.sha256(b"the one before").hexdigest(), signer.key_id)


def test_a_manifest_has_the_bytes_of_the_golden_file(manifest: Manifest, signer: SigningKey) -> None:
    assert sign_manifest(manifest, signer) == GOLDEN.read_bytes()


def test_a_second_implementation_can_check_the_golden_file(signer: SigningKey) -> None:
    # docs/spec/manifest.md, step by step, with nothing from this project.
    envelope = json.loads(GOLDEN.read_bytes())
    payload = base64.b64decode(envelope["payload"])
    kind = envelope["payloadType"].encode()
    message = b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(payload)).encode(), payload])
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"))
    key.verify(base64.b64decode(envelope["signatures"][0]["sig"]), message)
    statement = json.loads(payload)
    assert (kind, statement["_type"]) == (b"application/vnd.in-toto+json", "https://in-toto.io/Statement/v1")
    assert statement["subject"][1] == {"name": "people.csv", "digest": {"sha256": hashlib.sha256(b"people.csv").hexdigest()}}
    assert statement["predicate"]["terms"]["delete_by"] == "2026-12-23"


def test_a_manifest_reads_back_as_it_was(manifest: Manifest, signer: SigningKey) -> None:
    assert open_manifest(sign_manifest(manifest, signer), (signer.public_bytes(),)) == manifest


def test_a_first_manifest_has_no_previous_one(manifest: Manifest) -> None:
    first = replace(manifest, sequence=1, previous=None)
    assert parse_statement(render_statement(first)).previous is None


def _edits() -> dict[str, Callable[[dict[str, Any]], object]]:
    return {
        "subjects in another order": lambda s: s["subject"].reverse(),
        "subject twice": lambda s: s["subject"].append(s["subject"][-1]),
        "unknown key": lambda s: s.update(extra=1),
        "unknown key in the predicate": lambda s: s["predicate"].update(extra=1),
        "unknown term": lambda s: s["predicate"]["terms"].update(host="somewhere"),
        "missing term": lambda s: s["predicate"]["terms"].pop("purpose"),
        "number as text": lambda s: s["predicate"].update(sequence="2"),
        "truth as number": lambda s: s["predicate"].update(sequence=True),
        "another spelling of a date": lambda s: s["predicate"]["terms"].update(delete_by="20261223"),
        "climbing path": lambda s: s["subject"][0].update(name="../README.txt"),
        "absolute path": lambda s: s["subject"][0].update(name="/README.txt"),
        "hidden path": lambda s: s["subject"][0].update(name=".README.txt"),
        "digest that is none": lambda s: s["subject"][0]["digest"].update(sha256="abc"),
        "weak digest": lambda s: s["subject"][0].update(digest={"sha1": "0" * 40}),
        "another statement type": lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"),
        "another predicate": lambda s: s.update(predicateType="https://slsa.dev/provenance/v1"),
        "no subject list": lambda s: s.update(subject=None),
    }


@pytest.mark.parametrize("edit", sorted(_edits()))
def test_a_statement_of_another_shape_is_refused_though_signed(manifest: Manifest, edit: str) -> None:
    statement = json.loads(render_statement(manifest))
    _edits()[edit](statement)
    with pytest.raises(Refused) as caught:
        parse_statement(canonical_json(statement))
    assert caught.value.code == "manifest-malformed"


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{", b'{"subject":[]}', b"\xff", b"[" * 100_000])
def test_what_is_no_statement_is_refused(data: bytes) -> None:
    with pytest.raises(Refused) as caught:
        parse_statement(data)
    assert caught.value.code == "manifest-malformed"


def test_white_space_and_repeated_keys_are_refused(manifest: Manifest) -> None:
    payload = render_statement(manifest)
    for other in (payload + b"\n", payload.replace(b'"rows":1', b'"rows":1,"rows":1'), payload.replace(b":", b": ", 1)):
        with pytest.raises(Refused):
            parse_statement(other)


def test_a_changed_key_id_is_found_though_no_signature_covers_it(manifest: Manifest, signer: SigningKey) -> None:
    data = sign_manifest(manifest, signer)
    outside = data.replace(f'"keyid":"{signer.key_id}"'.encode(), b'"keyid":"0000000000000000"')
    assert outside != data
    with pytest.raises(Refused) as caught:
        open_manifest(outside, (signer.public_bytes(),))
    assert caught.value.code == "manifest-malformed"


def test_the_terms_say_what_the_policy_says(world: World) -> None:
    terms = release_terms(world.policy, world.contract, world.report(), (TABLE, PHOTO))
    assert [(column.name, column.action) for column in terms.columns] == [
        ("person_token", "token"),
        ("name_token", "token"),
        ("rank_band", "generalise"),
        ("card_type", "keep"),
        ("site", "keep"),
    ]
    assert (terms.purpose, terms.agreement, terms.legal_basis, terms.role) == (
        "print warrant cards",
        "DPA-2026-014",
        "public task",
        "processor",
    )
    assert terms.data_class == "personal/pseudonymised"
    assert "section 171" in terms.notice


@given(st.dates(max_value=date(2200, 1, 1)), st.integers(1, 3650))
def test_delete_by_is_the_date_and_the_days_of_the_policy(policy: Policy, day: date, days: int) -> None:
    assert delete_by(replace(policy, delete_after_days=days), day) - day == timedelta(days=days)


def test_a_face_is_a_residual_risk_if_and_only_if_there_are_photos(world: World) -> None:
    with_photos = release_terms(world.policy, world.contract, world.report(), (TABLE, PHOTO))
    without = release_terms(world.policy, world.contract, world.report(), (TABLE,))
    assert (with_photos.residual_risks, without.residual_risks) == (("face-linkable",), ())


def test_a_supplier_copy_holds_no_count_digest_operator_or_time_of_the_force(world: World) -> None:
    report = world.report()
    world.publish(world.clean(), actor="the-operator")
    text = (world.shelf / report.release_id / "manifest.json").read_bytes()
    statement = base64.b64decode(json.loads(text)["payload"]).decode()
    for secret in ("the-operator", report.export_sha256, "protected", "counts", "closed-world", "12:00", str(world.root)):
        assert secret not in statement


def test_terms_that_call_the_data_anonymous_are_refused(world: World) -> None:
    for word in ("anonymous", "Anonymised", "ANONYMIZED", "pseudo-anonymity"):
        claim = world.with_policy(replace(world.policy, purpose=f"print {word} cards"))
        with pytest.raises(PolicyError) as caught:
            release_terms(claim.policy, claim.contract, claim.report(), (TABLE,))
        assert caught.value.code == "claims-anonymity"


def test_terms_of_a_policy_that_changed_after_staging_are_refused(world: World) -> None:
    with pytest.raises(Refused) as caught:
        release_terms(replace(world.policy, delete_after_days=31), world.contract, world.report(), (TABLE,))
    assert caught.value.code == "stage-stale"
    with pytest.raises(Refused):
        release_terms(world.policy, replace(world.contract, version="1.0.1"), world.report(), (TABLE,))


def test_a_policy_that_only_moved_or_was_laid_out_anew_is_the_same(world: World) -> None:
    moved = replace(world.policy, source="/elsewhere.yaml", lines={"supplier": 7})
    assert release_terms(moved, world.contract, world.report(), (TABLE,)).supplier == "card-printer"


def test_the_specification_names_every_term_and_no_other() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "spec" / "manifest.md").read_text(encoding="utf-8")
    rows = text.split("### Terms")[1].split("There is no time of day")[0]
    assert re.findall(r"^\| `(\w+)` \|", rows, flags=re.MULTILINE) == [field.name for field in fields(ReleaseTerms)]
