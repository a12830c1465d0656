"""A small force with real keys, real files and a real store: what every test of the release protocol starts from."""

from __future__ import annotations

import hashlib
import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipelines.release.commit import Step
from pipelines.release.manifest import ManifestColumn, ReleaseTerms
from pipelines.release.proof import CleanRelease, attest
from pipelines.release.publish import Outcome, publish
from pipelines.release.stage_report import StageReport, TokenScheme, fingerprint
from pipelines.release.staging import SupplierStaging
from pipelines.release.store import ReleaseStore
from transforms.contract.model import Classification, Column, Contract
from transforms.keyring.secret import SecretKey
from transforms.keyring.signing import SigningKey
from transforms.policy.model import GeneraliseColumn, KeepColumn, PhotoSpec, Policy, TokenColumn

# The secret key of RFC 8032, section 7.1, TEST 1: public knowledge, so no secret of anybody's.
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")

CONTRACT = Contract(
    name="hr-export",
    version="1.0.0",
    columns=(
        Column("pay_number", Classification.IDENTIFIER, required=True, unique=True, pattern="[0-9]{6}"),
        Column("surname", Classification.IDENTIFIER),
        Column("forenames", Classification.IDENTIFIER),
        Column(
            "rank",
            Classification.QUASI,
            required=True,
            vocabulary=("PC", "Constable", "Sergeant"),
            generalisations={"rank_band": {"PC": "Constable", "Constable": "Constable", "Sergeant": "Sergeant"}},
        ),
        Column("card_type", Classification.OPERATIONAL, required=True, vocabulary=("Warrant card", "Staff pass")),
        Column("site", Classification.OPERATIONAL, pattern="[A-Z]{3}|HQ"),
        Column("photo_file", Classification.PHOTO, photo_purposes=("print warrant cards",)),
    ),
    person_key="pay_number",
    protected_column=None,
)

POLICY = Policy(
    supplier="card-printer",
    token_prefix="WC",
    purpose="print warrant cards",
    agreement="DPA-2026-014",
    legal_basis="public task",
    delete_after_days=30,
    dpia="DPIA-2026-031",
    columns=(
        TokenColumn("person_token", ("pay_number",), "joins photo and card"),
        TokenColumn("name_token", ("surname", "forenames"), "tells that a name changed"),
        GeneraliseColumn("rank_band", "rank", "card colour"),
        KeepColumn("card_type", "card stock"),
        KeepColumn("site", "where to post the card"),
    ),
    photo=PhotoSpec(of="photo_file", width_mm=25, height_mm=32, dpi=300, max_bytes=60000, name="person_token"),
)

FILES = {
    "people.csv": b"person_token,card_type\r\nWC1-7K3M9X2PQRTV8HJED,Staff pass\r\n",
    "people.schema.json": b"{}\n",
    "README.txt": b"what this is\n",
    "photos/WC1-7K3M9X2PQRTV8HJED.jpg": b"\xff\xd8\xff\xd9",
}

DAY = date(2026, 11, 23)
NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    """A store, a staging root and a signing key below one directory."""

    root: Path
    signer: SigningKey
    policy: Policy = POLICY
    contract: Contract = CONTRACT

    @property
    def store(self) -> ReleaseStore:
        return ReleaseStore(self.root / "out", self.root / "records", (self.signer.public_bytes(),))

    @property
    def shelf(self) -> Path:
        return self.root / "out" / self.policy.supplier

    @property
    def records(self) -> Path:
        return self.root / "records" / self.policy.supplier

    def report(self, day: date = DAY, tag: str = "7f3a9c") -> StageReport:
        return StageReport(
            supplier=self.policy.supplier,
            date=day,
            release_id=f"{day.isoformat()}-{tag}",
            rows=1,
            tokens=TokenScheme("sv-token/1", {"person_token": "aes-256-cmac"}, "sv-canonical/1", "17.0.0", 1, "card-printer/1"),
            photo_codec={"pillow": "12.3.0"},
            contract_sha256=fingerprint(self.contract),
            policy_sha256=fingerprint(self.policy),
            export_sha256=hashlib.sha256(b"export").hexdigest(),
            software={"supplier-views": "0.1.0"},
            counts={"in": 5, "protected": 3, "released": 1},
        )

    def stage(self, day: date = DAY, tag: str = "7f3a9c", files: dict[str, bytes] = FILES) -> SupplierStaging:
        area = SupplierStaging(self.root / "staging" / day.isoformat() / self.policy.supplier, self.policy.supplier, day)
        area.begin()
        for name, data in files.items():
            (area.release / name).parent.mkdir(exist_ok=True)
            (area.release / name).write_bytes(data)
        area.write_report(self.report(day, tag))
        return area

    def clean(self, day: date = DAY, tag: str = "7f3a9c", files: dict[str, bytes] = FILES) -> CleanRelease:
        area = self.stage(day, tag, files)
        read = [(name, len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()]
        return attest(area, read, ["closed-world"])

    def publish(
        self,
        clean: CleanRelease,
        now: datetime = NOON,
        on_step: Callable[[Step], None] = lambda step: None,
        actor: str = "operator",
    ) -> Outcome:
        return publish(clean, self.policy, self.contract, self.store, self.signer, actor=actor, now=now, on_step=on_step)

    def with_policy(self, policy: Policy) -> World:
        return replace(self, policy=policy)

    def visible(self) -> dict[str, tuple[bytes, int, float]]:
        """What a supplier can see: path, bytes, mode and modification time of every file and directory that is not hidden."""
        seen: dict[str, tuple[bytes, int, float]] = {}
        if not self.shelf.exists():
            return seen
        for top in (path for path in self.shelf.iterdir() if not path.name.startswith(".")):
            for path in (top, *top.rglob("*")):
                found = path.stat()
                data = path.read_bytes() if path.is_file() else b""
                seen[path.relative_to(self.shelf).as_posix()] = (data, found.st_mode, found.st_mtime)
        return seen


@pytest.fixture
def signer() -> SigningKey:
    return SigningKey(SecretKey(SEED), epoch=1)


@pytest.fixture(scope="session")
def policy() -> Policy:
    return POLICY


@pytest.fixture
def world(tmp_path: Path, signer: SigningKey) -> World:
    return World(tmp_path, signer)


@pytest.fixture
def new_world(tmp_path: Path, signer: SigningKey) -> Callable[[str], World]:
    """Makes further worlds that differ in nothing but their place."""

    def make(name: str) -> World:
        root = tmp_path / name
        root.mkdir()
        return World(root, signer)

    return make


@pytest.fixture
def in_child() -> Callable[[Callable[[], int]], int]:
    """Runs a function in a process of its own and gives its exit status, or minus the signal that ended it."""

    def run(work: Callable[[], int]) -> int:
        child = os.fork()
        if child == 0:
            status = 99
            try:
                status = work()
            except BaseException:  # noqa: BLE001  # the parent sees only a status: say why before it is gone
                traceback.print_exc()
            finally:
                os._exit(status)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    return run


@pytest.fixture
def terms() -> ReleaseTerms:
    """Terms with text beyond ASCII, so that the golden file pins how it is written."""
    return ReleaseTerms(
        supplier="card-printer",
        date=DAY,
        release_id="2026-11-23-7f3a9c",
        data_class="personal/pseudonymised",
        purpose="print warrant cards – £2 each",
        agreement="DPA-2026-014",
        legal_basis="public task",
        legal_regime="uk-gdpr",
        role="processor",
        transfer_country="GB",
        contract="hr-export",
        contract_version="1.0.0",
        rows=1,
        columns=(ManifestColumn("person_token", "token"), ManifestColumn("rank_band", "generalise")),
        tokens=TokenScheme("sv-token/1", {"person_token": "aes-256-cmac"}, "sv-canonical/1", "17.0.0", 1, "card-printer/1"),
        photo_codec={"pillow": "12.3.0", "libjpeg-turbo": "3.1.2"},
        delete_by=date(2026, 12, 23),
        residual_risks=("face-linkable",),
        notice="keep it safe",
    )
