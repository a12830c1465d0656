"""The map from a supplier's old tokens to its new ones, through the real run: when there is one, for whom, and who opens it."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat, load_pem_private_key

from pipelines.continuity import open_release_map
from transforms.errors import InvalidInput, KeyUnavailable, Refused
from transforms.keyring import admin, lifecycle

if TYPE_CHECKING:
    from tests.pipelines.conftest import Site

SUPPLIER = "uniform"
TODAY = datetime.now(UTC).date()
NEXT_YEAR = TODAY + timedelta(days=365)
NAME = "continuity-1-2.hpke"


@dataclass(frozen=True)
class Recipient:
    """A supplier's key pair as openssl makes it: what its policy says of it, and the file of the private half."""

    private: Path
    public: str

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(base64.b64decode(self.public)).hexdigest()

    @classmethod
    def of(cls, path: Path) -> Recipient:
        """The pair whose private half is in that file."""
        key = load_pem_private_key(path.read_bytes(), None)
        der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return cls(path, base64.b64encode(der).decode())


def make_recipient(path: Path) -> Recipient:
    key = X25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Recipient.of(path)


def contracted(site: Site, root: Path, recipient: Recipient, **changes: Any) -> Site:
    """The same site with a policy, in a directory of its own, that owes one supplier a map; it has a token that may be blank."""
    told = {"expires": NEXT_YEAR, "fingerprint": recipient.fingerprint} | changes
    terms = (
        f"continuity:\n  contracted: schedule 3, clause 7\n  recipient_key: {recipient.public}\n"
        f"  fingerprint: {told['fingerprint']}\n  expires: {told['expires']}\n"
    )
    token = "  rank: {action: generalise"
    second = "  label_token: {action: token, of: [known_as], why: the name on the parcel}\n"

    def edit(supplier: str, text: str) -> str:
        return text.replace(token, second + token) + terms if supplier == SUPPLIER else text

    root.mkdir()
    return replace(replace(site, root=root).with_policies(edit), root=site.root)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, bare_site: Site) -> Path:
    """What every test starts from: keys, a supplier's key pair, and a site that has published a date under epoch 1."""
    root = tmp_path_factory.mktemp("home")
    admin.init(f"file:{root / 'keys'}", (SUPPLIER,), datetime.now(UTC))
    recipient = make_recipient(root / "supplier.key")
    run(contracted(replace(bare_site, root=root, keys=f"file:{root / 'keys'}"), root / "terms", recipient))
    return root


@pytest.fixture
def recipient(home: Path) -> Recipient:
    return Recipient.of(home / "supplier.key")


@pytest.fixture
def before(home: Path, site: Site, recipient: Recipient) -> Site:
    """A site of the test's own whose supplier has a release of epoch 1, and is owed a map."""
    shutil.copytree(home / "keys", site.root / "keys")
    shutil.copytree(home / "out", site.root / "out")
    return contracted(replace(site, keys=f"file:{site.root / 'keys'}"), site.root / "terms", recipient)


@pytest.fixture(scope="module")
def drill(home: Path, tmp_path_factory: pytest.TempPathFactory, bare_site: Site) -> tuple[Site, Site]:
    """The site before a rotation and after it, for reading only."""
    root = tmp_path_factory.mktemp("drill")
    shutil.copytree(home / "keys", root / "keys")
    shutil.copytree(home / "out", root / "out")
    site = replace(bare_site, root=root, keys=f"file:{root / 'keys'}")
    before = contracted(site, root / "terms", Recipient.of(home / "supplier.key"))
    after = rotate(before)
    run(after)
    return before, after


def rotate(site: Site) -> Site:
    """The same site on the next date, after a rotation."""
    admin.new_epoch(site.keys, SUPPLIER, datetime.now(UTC))
    return replace(site, date=site.date + timedelta(days=1))


def run(site: Site) -> dict[str, Any]:
    return site.run(suppliers=(SUPPLIER,))


def people(site: Site) -> list[dict[str, str]]:
    with (site.release(SUPPLIER) / "people.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def opened(site: Site, recipient: Recipient) -> list[dict[str, str]]:
    content = open_release_map(site.release(SUPPLIER), site.public_key, recipient.private)
    return list(csv.DictReader(io.StringIO(content.decode())))


def maps(site: Site) -> list[str]:
    return sorted(path.relative_to(site.out).parts[0] + "/" + path.name for path in site.out.glob("[!.]*/*/*.hpke"))


def alone_with_their_sizes(site: Site) -> Mapping[str, dict[str, str]]:
    """The rows of the people whom nobody shares all sizes and the rank with, by these."""
    rows: dict[str, list[dict[str, str]]] = {}
    for row in people(site):
        rows.setdefault("|".join(value for name, value in row.items() if not name.endswith("_token")), []).append(row)
    return {key: found[0] for key, found in rows.items() if len(found) == 1}


def test_the_first_release_after_a_rotation_maps_every_person_in_it_and_nobody_else(
    drill: tuple[Site, Site], recipient: Recipient
) -> None:
    before, after = drill
    assert maps(after) == [f"{SUPPLIER}/{NAME}"]
    old, new, found = people(before), people(after), opened(after, recipient)
    assert 0 < sum(bool(row["label_token"]) for row in new) < len(new)
    for column in ("person_token", "label_token"):
        lines = [line for line in found if line["column"] == column]
        assert [line["new_token"] for line in lines] == sorted(row[column] for row in new if row[column])
        assert sorted(line["old_token"] for line in lines) == sorted(row[column] for row in old if row[column])
    assert {line["column"] for line in found} == {"person_token", "label_token"}


def test_the_map_joins_the_two_tokens_of_one_person(drill: tuple[Site, Site], recipient: Recipient) -> None:
    old, new = (alone_with_their_sizes(site) for site in drill)
    joined = {line["old_token"]: line["new_token"] for line in opened(drill[1], recipient)}
    assert len(old) > 5
    assert {person: joined[row["person_token"]] for person, row in old.items()} == {
        person: row["person_token"] for person, row in new.items()
    }


def test_there_is_no_map_before_a_rotation_nor_in_the_release_after_the_first(before: Site) -> None:
    assert maps(before) == []
    after = rotate(before)
    run(after)
    run(replace(after, date=after.date + timedelta(days=1)))
    assert maps(after) == [f"{SUPPLIER}/{NAME}"]


def test_a_key_that_was_made_for_a_later_day_takes_over_on_it_and_the_map_leads_there(before: Site, recipient: Recipient) -> None:
    admin.new_epoch(before.keys, SUPPLIER, datetime.now(UTC), activates=TODAY + timedelta(days=3))
    nights = [replace(before, date=before.date + timedelta(days=1)), replace(before, date=before.date + timedelta(days=2))]
    for site, days in zip(nights, (2, 3), strict=True):
        site.run(clock=lambda days=days: datetime.now(UTC) + timedelta(days=days), suppliers=(SUPPLIER,))
    old, new = nights
    assert maps(old) == [f"{SUPPLIER}/{NAME}"]
    assert {row["person_token"][:4] for row in people(old)} == {"UN1-"}
    assert {row["person_token"][:4] for row in people(new)} == {"UN2-"}
    joined = {line["old_token"]: line["new_token"] for line in opened(new, recipient) if line["column"] == "person_token"}
    assert set(joined) == {row["person_token"] for row in people(old)}


def test_there_is_no_map_without_a_contract(before: Site, site: Site) -> None:
    after = replace(rotate(before), policies=site.policies)
    run(after)
    assert maps(after) == []


def test_somebody_who_is_no_longer_in_the_view_is_not_in_the_map(before: Site, recipient: Recipient) -> None:
    rows = before.rows()
    gone = len(rows) // 3
    fewer = rotate(before).with_rows(rows[gone:], name="fewer")
    run(fewer)
    firsts = [line for line in opened(fewer, recipient) if line["column"] == "person_token"]
    assert 0 < len(firsts) == len(people(fewer)) < len(people(before))


@pytest.mark.parametrize("change", ["compromise", "destroy"])
def test_an_epoch_that_is_compromised_or_destroyed_is_mapped_to_nothing_and_the_run_says_so(before: Site, change: str) -> None:
    after = rotate(before)
    {"compromise": lifecycle.compromise, "destroy": lifecycle.destroy}[change](after.keys, SUPPLIER, 1, datetime.now(UTC))
    summary = run(after)
    assert maps(after) == []
    assert any("no map from the tokens of epoch 1 is made" in notice and change in notice for notice in summary["notices"])


def test_a_rerun_of_the_published_date_finds_the_same_bytes(before: Site) -> None:
    after = rotate(before)
    assert run(after)["outcome"] == "published"
    first = after.visible()
    assert run(after)["outcome"] == "already-published"
    run(replace(after, date=after.date + timedelta(days=1)))
    assert run(after)["outcome"] == "already-published"
    assert {path: facts for path, facts in after.visible().items() if path in first} == first


def test_two_runs_that_know_nothing_of_each_other_make_one_map_and_seal_its_key_afresh(
    drill: tuple[Site, Site], before: Site
) -> None:
    _, after = drill
    again = replace(before, keys=after.keys, policies=after.policies, date=after.date)
    again.stage(suppliers=(SUPPLIER,))
    one = (after.release(SUPPLIER) / NAME).read_bytes()
    other = (again.area(SUPPLIER).release / NAME).read_bytes()
    start = one.index(b"\n") + 1
    assert one[:start] == other[:start]
    assert one[start : start + 80] != other[start : start + 80]
    assert one[start + 80 :] == other[start + 80 :]


def test_the_three_phases_as_commands_of_their_own_publish_the_map(
    before: Site, recipient: Recipient, call: Callable[..., Any]
) -> None:
    after = rotate(before)
    for phase in ("stage", "verify", "publish"):
        ended = call(after.arguments(phase, "--supplier", SUPPLIER))
        assert ended.status == 0, ended.stderr
    assert len(opened(after, recipient)) >= len(people(after))


def test_another_suppliers_key_does_not_open_it(drill: tuple[Site, Site], tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable) as caught:
        opened(drill[1], make_recipient(tmp_path / "thief.key"))
    assert caught.value.code == "continuity-unopened"


@pytest.mark.parametrize("forge", [lambda file: file[:-1], lambda file: file[:-9] + bytes([file[-9] ^ 1]) + file[-8:]])
def test_a_file_that_is_not_the_signed_one_is_not_opened(
    drill: tuple[Site, Site], recipient: Recipient, tmp_path: Path, forge: Callable[[bytes], bytes]
) -> None:
    _, after = drill
    copy = tmp_path / after.release(SUPPLIER).name
    shutil.copytree(after.release(SUPPLIER), copy)
    (copy / NAME).chmod(0o600)
    (copy / NAME).write_bytes(forge((copy / NAME).read_bytes()))
    with pytest.raises(Refused) as caught:
        open_release_map(copy, after.public_key, recipient.private)
    assert caught.value.code == "release-altered"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"expires": TODAY}, "recipient-key-expired"),
        ({"fingerprint": "0" * 64}, "recipient-fingerprint"),
    ],
)
def test_an_expired_key_or_a_foreign_fingerprint_stops_the_run_before_anything_is_written(
    before: Site, recipient: Recipient, changes: dict[str, Any], code: str, site: Site
) -> None:
    after = contracted(replace(rotate(before), policies=site.policies), site.root / "changed", recipient, **changes)
    with pytest.raises((KeyUnavailable, InvalidInput)) as caught:
        run(after)
    assert caught.value.code == code
    assert after.left_in_staging() == []
    assert maps(after) == []


def test_a_key_that_expires_in_thirty_days_is_told_of_and_used(before: Site, recipient: Recipient, site: Site) -> None:
    soon = {"expires": TODAY + timedelta(days=30)}
    site = contracted(replace(rotate(before), policies=site.policies), site.root / "changed", recipient, **soon)
    summary = run(site)
    assert any("days left: 30" in notice and notice.startswith(SUPPLIER) for notice in summary["notices"])
    assert maps(site) == [f"{SUPPLIER}/{NAME}"]


def test_neither_a_pair_of_tokens_nor_a_key_lies_open_in_staging(before: Site, recipient: Recipient) -> None:
    after = rotate(before)
    after.stage(suppliers=(SUPPLIER,))
    old = {row["person_token"].encode() for row in people(before)}
    text = b"".join(path.read_bytes() for path in after.staging.rglob("*") if path.is_file())
    assert not any(token in text for token in old)


def test_the_supplier_opens_it_from_the_command_line(
    drill: tuple[Site, Site], recipient: Recipient, tmp_path: Path, call: Callable[..., Any]
) -> None:
    before, after = drill
    pinned, results = Path(after.keys.removeprefix("file:")) / "signing.pub", tmp_path / "map.csv"
    told = ["--public-key", str(pinned), "--key", str(recipient.private), "--results", str(results)]
    ended = call(["open-continuity", "--release", str(after.release(SUPPLIER)), *told])
    assert ended.status == 0, ended.stderr
    assert results.stat().st_mode & 0o777 == 0o600
    assert len(results.read_text().splitlines()) == ended.summary["tokens"] + 1
    assert call(["open-continuity", "--release", str(before.release(SUPPLIER)), *told]).summary["code"] == "continuity-missing"
