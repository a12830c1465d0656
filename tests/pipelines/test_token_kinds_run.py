"""A whole run whose policies ask for every kind of token: what leaves, and what is said of it to whom [P7, C6, C8]."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from pipelines.continuity import open_release_map
from pipelines.release.offline import verify_release
from pipelines.release.record import open_record
from transforms.contract.load import load_contract
from transforms.keyring import admin
from transforms.keyring.resolving import open_resolving_keys
from transforms.policy.load import load_policies
from transforms.tokens.column import form_of, label_of, make_tokens
from transforms.tokens.derive import column_key
from transforms.tokens.format import parse_token

if TYPE_CHECKING:
    from conftest import Row, Site

ALGORITHMS = {
    "shift-rostering": {
        "person_token": "AES-256-SIV",
        "names": "AES-256-SIV",
        "nightly": "AES-256-SIV",
        "known": "AES-256-CMAC",
    },
    "uniform": {"person_token": "AES-256-FF1", "parcel": "AES-256-FF1"},
    "card-printer": {"person_token": "AES-256-FF1", "name_token": "AES-256-CMAC"},
}


@pytest.fixture
def site(kinds_run: tuple[Site, dict[str, Any]]) -> Site:
    return kinds_run[0]


@pytest.fixture
def summary(kinds_run: tuple[Site, dict[str, Any]]) -> dict[str, Any]:
    return kinds_run[1]


def rows(site: Site, supplier: str) -> list[Row]:
    return site.released(supplier)


def test_every_kind_of_token_is_published(site: Site, summary: dict[str, Any]) -> None:
    assert summary["outcome"] == "published"
    expected = {
        ("shift-rostering", "person_token"): "SR1-[0-9A-HJKMNP-TV-Z]{53}",
        ("shift-rostering", "names"): "SR1-[0-9A-HJKMNP-TV-Z]{437}",
        ("shift-rostering", "nightly"): "SR1-[0-9A-HJKMNP-TV-Z]{53}",
        ("shift-rostering", "known"): "SR1-[0-9A-HJKMNP-TV-Z]{17}",
        ("uniform", "person_token"): "[0-9]{8}",
        ("uniform", "parcel"): "UN1-[0-9A-HJKMNP-TV-Z]{9}",
        ("card-printer", "person_token"): "WC1-[0-9A-HJKMNP-TV-Z]{9}",
    }
    for (supplier, column), pattern in expected.items():
        cells = [row[column] for row in rows(site, supplier)]
        assert cells
        assert all(re.fullmatch(pattern, cell) for cell in cells if cell)
        assert len({cell for cell in cells if cell}) == len([cell for cell in cells if cell])
        if column == "person_token":
            assert cells == sorted(cells)


def test_the_table_schema_describes_every_kind(site: Site) -> None:
    for supplier in ALGORITHMS:
        schema = json.loads((site.release(supplier) / "people.schema.json").read_text())
        table = rows(site, supplier)
        for field in schema["fields"]:
            pattern = field["constraints"].get("pattern")
            if pattern:
                assert all(re.search(pattern, row[field["name"]]) for row in table if row[field["name"]])


def test_the_manifest_names_what_made_each_column(site: Site) -> None:
    for supplier, algorithms in ALGORITHMS.items():
        assert verify_release(site.release(supplier), site.public_key).terms.tokens.algorithms == algorithms


def test_photos_are_named_by_short_tokens(site: Site) -> None:
    names = {row["photo"] for row in rows(site, "card-printer")}
    assert names == {f"{row['person_token']}.jpg" for row in rows(site, "card-printer")}
    assert names == {path.name for path in (site.release("card-printer") / "photos").iterdir()}
    assert all(parse_token(name.removesuffix(".jpg")).kind == "short" for name in names)


def test_the_readme_says_what_each_kind_looks_like(site: Site) -> None:
    said = {supplier: " ".join((site.release(supplier) / "README.txt").read_text().split()) for supplier in ALGORITHMS}
    assert "a hyphen and 17 or 53 or 437 letters or digits" in said["shift-rostering"]
    assert "What stands in person_token is a token of digits alone" in said["uniform"]
    assert "a hyphen and 9 letters or digits" in said["uniform"]
    assert "digits alone" not in said["card-printer"]


def test_numbers_that_equal_issued_ones_are_counted_for_the_force_and_for_no_supplier(site: Site, summary: dict[str, Any]) -> None:
    issued = {row["pay_number"] for row in site.rows()}
    table = rows(site, "uniform")
    equal = sum(row["person_token"] in issued for row in table)
    notice = f"uniform: {equal:,} of {len(table):,} numbers in person_token equal one that was really issued"
    assert notice in summary["notices"]
    release = site.release("uniform")
    path = site.records / "uniform" / f"{release.name}.json"
    record = open_record(path.read_bytes(), (site.public_key,), path)
    assert record.counts["numbers_issued person_token"] == equal
    assert notice in record.notices
    for file in (release / "README.txt", release / "people.schema.json", release / "manifest.json"):
        assert "really issued" not in file.read_text()
        assert "numbers_issued" not in file.read_text()


def test_a_run_tells_that_tokens_can_be_decrypted(summary: dict[str, Any]) -> None:
    said = " ".join(summary["notices"])
    assert "person_token can be decrypted" in said
    assert "510 did, against 50,000 issued" in said


def test_a_second_run_makes_the_same_tokens_but_for_those_of_the_release(site: Site) -> None:
    again = replace(site.named("next-day"), date=site.date + timedelta(days=1))
    again.run(suppliers=("shift-rostering", "uniform"))
    for supplier in ("shift-rostering", "uniform"):
        before, after = rows(site, supplier), rows(again, supplier)
        assert [row["person_token"] for row in before] == [row["person_token"] for row in after]
        if supplier == "shift-rostering":
            assert [row["names"] for row in before] == [row["names"] for row in after]
            assert not {row["nightly"] for row in before} & {row["nightly"] for row in after}


def test_after_a_rotation_the_map_joins_tokens_of_every_kind_but_bare_numbers(site: Site, tmp_path: Path) -> None:
    """The old tokens of the map are those that were released, and each leads to the new one of the same person."""
    recipient = X25519PrivateKey.generate()
    (tmp_path / "supplier.key").write_bytes(recipient.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    der = recipient.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    terms = (
        f"continuity:\n  contracted: schedule 3\n  recipient_key: {base64.b64encode(der).decode()}\n"
        f"  fingerprint: {hashlib.sha256(der).hexdigest()}\n  expires: {site.date + timedelta(days=3650)}\n"
    )
    shutil.copytree(site.keys.removeprefix("file:"), tmp_path / "keys")
    before = replace(site, root=tmp_path, keys=f"file:{tmp_path / 'keys'}").with_policies(lambda _, text: text + terms)
    suppliers = ("shift-rostering", "uniform")
    before.run(suppliers=suppliers)
    for supplier in suppliers:
        admin.new_epoch(before.keys, supplier, datetime.now(UTC))
    after = replace(before, date=before.date + timedelta(days=1))
    after.run(suppliers=suppliers)
    mapped = {"shift-rostering": ["person_token", "names", "known"], "uniform": ["parcel"]}
    for supplier, columns in mapped.items():
        content = open_release_map(after.release(supplier), after.public_key, tmp_path / "supplier.key")
        lines = list(csv.DictReader(io.StringIO(content.decode())))
        assert list(dict.fromkeys(line["column"] for line in lines)) == columns
        for column in columns:
            joined = {line["old_token"]: line["new_token"] for line in lines if line["column"] == column}
            assert set(joined) == {row[column] for row in rows(before, supplier) if row[column]}
            assert set(joined.values()) == {row[column] for row in rows(after, supplier) if row[column]}
            assert persons(before, supplier, column, 1, list(joined)) == persons(after, supplier, column, 2, list(joined.values()))


def persons(site: Site, supplier: str, column: str, epoch: int, tokens: list[str]) -> list[str]:
    """The pay numbers of tokens, by making those of the whole export once more."""
    contract = load_contract(site.contract)
    policy = next(policy for policy in load_policies(site.policies) if policy.supplier == supplier)
    token = next(token for token in policy.tokens if token.name == column)
    people = site.rows()
    number = pa.array([row["pay_number"] for row in people], pa.string())
    values = [pa.array([row[name] or None for row in people], pa.string()) for name in token.of]
    with open_resolving_keys(site.keys, supplier, datetime.now(UTC).date()) as keys:
        key = column_key(keys.key(epoch).reveal(), label_of(policy, token, epoch, ""))
        made = make_tokens(key, form_of(policy, contract, token, epoch), number, values).text.to_pylist()
    owner = dict(zip(made, number.to_pylist(), strict=True))
    return [owner[token] for token in tokens]
