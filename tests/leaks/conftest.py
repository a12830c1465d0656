"""A small force, staged with the real writers, so that a clean view is what the product makes and a leak is what a test plants."""

from __future__ import annotations

import io
import json
import os
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from pipelines.release.supplier_files import readme_text, schema_bytes
from transforms.columns.deliver import people_file, spill_batch, tie_break, write_people
from transforms.columns.order import sort_shard
from transforms.columns.select import select
from transforms.columns.view import project
from transforms.contract.load import load_contract
from transforms.contract.model import Classification, Column, Contract
from transforms.contract.places import row_ref
from transforms.errors import Refused
from transforms.leaks import (
    CheckedRelease,
    ExportMatcher,
    IssuedNumbers,
    OrderSample,
    ReleaseScan,
    RunFiles,
    judge,
    scan_release,
)
from transforms.photos.archive import write_archives
from transforms.photos.minimise import minimise
from transforms.photos.model import PrintSpec
from transforms.policy.load import load_policies
from transforms.policy.model import KeepColumn, Policy, TokenColumn, TokenKind

ROOT = Path(__file__).resolve().parents[2]
DAY = date(2026, 11, 23)
PEOPLE = 400
BATCH_ROWS = 150
# Ordinary words that are also names: of ranks, of sites, and of what a README says.
AWKWARD = ("Constable", "Sergeant", "London", "Price", "Read", "Day", "Card", "Road", "Staff", "Force", "May", "E", "Li")
SURNAMES = (*AWKWARD, "Smith", "O'Neill", "Okonkwo", "Ngũgĩ", "Strauß", "Taylor-Young", "Featherstonehaugh")
FORENAMES = ("Ada", "Bronwen", "Kofi Mensah", "Zoë", "Jean-Luc", "Aoife Grace", "Sam")
LEVELS = ("MV", "SC", "DV", "eDV", "CTC", "NPPV 2F", "AC", "BPSS")


@dataclass
class Night:
    """One supplier's staged view and the export that it was made from."""

    area: Path
    policy: Policy
    contract: Contract
    export: pa.Table
    unreadable: int = 0
    map_key: Callable[[bytes], bytes] | None = None
    run_files: RunFiles | None = None

    @property
    def release(self) -> Path:
        return self.area / "release"

    @property
    def table(self) -> Path:
        return self.release / people_file(self.policy)

    def write(self, name: str, data: bytes) -> Path:
        """Writes a file of the release, private and dated as stage leaves it."""
        path = self.release / name
        path.unlink(missing_ok=True)
        path.write_bytes(data)
        path.chmod(0o600)
        settle(self.release)
        return path

    def edit(self, old: bytes, new: bytes) -> None:
        """Replaces the first of something in the table."""
        data = self.table.read_bytes()
        assert old in data
        self.write(self.table.name, data.replace(old, new, 1))

    def lines(self) -> list[bytes]:
        return self.table.read_bytes().splitlines(keepends=True)

    def claim(self, **changes: int) -> None:
        """Changes counts in the stage report."""
        path = self.area / "stage.json"
        report = json.loads(path.read_bytes())
        report["counts"].update(changes)
        report["rows"] = changes.get("rows", report["rows"])
        path.write_text(json.dumps(report))

    def scan(self) -> ReleaseScan:
        readme = readme_text(self.policy, self.contract, DAY)
        scan = scan_release(self.area, self.policy, self.contract, DAY, readme, self.map_key, self.run_files)
        return pickle.loads(pickle.dumps(scan))  # noqa: S301

    def judge(self, *others: ReleaseScan) -> CheckedRelease:
        """Scan, one pass over the export, verdict: what `verify` does, with everything pickled as between workers."""
        scan = self.scan()
        matcher = ExportMatcher(scan, self.contract)
        order = OrderSample(self.area, self.policy, self.contract)
        matcher, order = pickle.loads(pickle.dumps((matcher, order)))  # noqa: S301
        batches = self.export.to_batches(max_chunksize=BATCH_ROWS)
        numbers = IssuedNumbers(self.area, scan, self.contract) if scan.numbers else None
        for batch in batches if numbers else ():
            numbers.look(batch)
        return judge(
            scan,
            self.policy,
            matches=[matcher.match(batch) for batch in batches],
            order=order,
            collected=[order.collect(batch) for batch in reversed(batches)],
            unreadable_rows=self.unreadable,
            numbers=numbers,
            others=others,
        )

    def refusal(self, *others: ReleaseScan) -> Refused:
        """The refusal of a view that is not clean."""
        with pytest.raises(Refused) as caught:
            self.judge(*others)
        assert caught.value.code == "leak"
        return caught.value


def settle(root: Path) -> None:
    """Gives everything in a release the time that stage gives it."""
    stamp = int(datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC).timestamp())
    for path in [*root.rglob("*"), root]:
        os.utime(path, (stamp, stamp), follow_symlinks=False)


def make_export(contract: Contract, people: int) -> pa.Table:
    """An export in the order of pay numbers, as HR systems write it."""
    numbers = np.arange(people) * 7 + 120_034
    cycle = {
        "surname": SURNAMES,
        "forenames": FORENAMES,
        "known_as": (None, "Bee", "Max"),
        "vetting_level": LEVELS,
        "card_due": ("yes", "no", "no", "no", "no", "no", "no", "no"),
        "protected": ("no",) * 12 + ("yes",),
        "card_expiry": ("2027-04", "2028-11", "2030-01"),
        "hire_date": ("1999-04-12", "2011-09-05", "2024-02-29"),
        "vetting_date": ("2019-03-04", "2022-12-01"),
    }
    made = {
        "pay_number": [f"{number:08}" for number in numbers],
        "warrant_number": [f"{number - 4_321:06}" for number in numbers],
        "collar_number": [f"CW{number % 9000:04}" for number in numbers],
        "email": [f"p{number:08}@force.example" for number in numbers],
        "phone": [f"0790{number:07}" for number in numbers],
        "photo_file": [f"CW/{number:08}_portrait.jpg" for number in numbers],
    }
    columns = {}
    for column in contract.columns:
        values = cycle.get(column.name) or column.vocabulary or ("A 1", "B 2")
        columns[column.name] = pa.array(made.get(column.name) or [values[row % len(values)] for row in range(people)], pa.string())
    columns["row_ref"] = pa.array([row_ref(0, row + 1) for row in range(people)], pa.int64())
    return pa.table(columns)


def stage(
    area: Path, policy: Policy, contract: Contract, export: pa.Table, portrait: bytes | None, *, key: int, epoch: int = 1
) -> Night:
    """Stages a view with the product's own columns, writers and documents."""
    release = area / "release"
    release.mkdir(parents=True, mode=0o700)
    batch = pa.RecordBatch.from_arrays(
        [pa.concat_arrays(c.chunks) if c.num_chunks else pa.array([], c.type) for c in export.columns], schema=export.schema
    )
    selection = select(batch, contract, policy)
    rows = batch.filter(pa.array(selection.candidates))
    lengths = {"reversible": 64}
    keys = {token.name: bytes([key + index] * lengths.get(token.kind, 32)) for index, token in enumerate(policy.tokens)}
    view = project(rows, contract, policy, epoch=epoch, column_keys=keys)
    spill = pa.Table.from_batches([spill_batch(view, rows.column("row_ref"), contract, policy)])
    shard = sort_shard(spill, tie_break(policy))
    write_people(release / people_file(policy), [shard], policy)
    np.save(area / "order.npy", shard.column("row_ref").to_numpy())
    if policy.photo and policy.photo_delivery == "zip":
        (area / "portrait.jpg").write_bytes(portrait or b"")
        write_archives(release, [(name, area / "portrait.jpg") for name in sorted(view.columns["photo"].to_pylist())])
        (area / "portrait.jpg").unlink()
    elif policy.photo:
        (release / "photos").mkdir(mode=0o700)
        for name in view.columns["photo"].to_pylist():
            (release / "photos" / name).write_bytes(portrait or b"")
    (release / "README.txt").write_text(readme_text(policy, contract, DAY), encoding="utf-8")
    (release / "people.schema.json").write_bytes(schema_bytes(policy, contract))
    for path in release.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    settle(release)
    report = {
        "supplier": policy.supplier,
        "date": DAY.isoformat(),
        "rows": rows.num_rows,
        "tokens": {"epoch": epoch},
        "counts": {
            "in": batch.num_rows,
            "accepted": batch.num_rows,
            "quarantined": 0,
            "released": rows.num_rows,
            "not_due": selection.not_due,
            "protected": selection.protected,
            "photos_withheld": 0,
        },
    }
    (area / "stage.json").write_text(json.dumps(report))
    return Night(area, policy, contract, export)


@pytest.fixture(scope="session")
def contract() -> Contract:
    """The example contract, and a column whose pattern lets nearly anything through."""
    example = load_contract(ROOT / "examples" / "hr-export.yaml")
    loose = Column("locker", Classification.OPERATIONAL, pattern="[^\x01-\x1f]{1,60}")
    return replace(example, columns=(*example.columns, loose))


@pytest.fixture(scope="session")
def policies() -> dict[str, Policy]:
    found = {policy.supplier: policy for policy in load_policies(ROOT / "examples" / "suppliers")}
    roster = found["shift-rostering"]
    locker = KeepColumn("locker", why="where kit is kept")
    found["lockers"] = replace(roster, supplier="lockers", token_prefix="LK", columns=(*roster.columns, locker))
    for kind in ("reversible", "digits", "short"):
        found[kind] = with_first_token(roster, kind)
    found["parquet"] = replace(found["lockers"], supplier="parquet", token_prefix="PQ", delivery_format="parquet")
    found["zipped"] = replace(found["card-printer"], supplier="zipped", token_prefix="ZP", photo_delivery="zip")
    return found


def with_first_token(policy: Policy, kind: TokenKind) -> Policy:
    """A policy for a supplier called like a kind of token, whose first token is of it."""
    first = TokenColumn("person_token", ("pay_number",), "stands for the person", kind=kind)
    prefix = {"reversible": "RE", "digits": "DG", "short": "SH"}[kind]
    return replace(policy, supplier=kind, token_prefix=prefix, columns=(first, *policy.columns[1:]))


@pytest.fixture(scope="session")
def portrait(policies: dict[str, Policy]) -> bytes:
    """A print-sized photo, made by the product."""
    photo = policies["card-printer"].photo
    assert photo is not None
    pixels = np.random.default_rng(7).integers(0, 255, (120, 90, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels).resize((600, 800))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG")
    spec = PrintSpec(photo.width_px, photo.height_px, photo.dpi, photo.max_bytes, photo.background)
    (rendition,) = minimise(buffer.getvalue(), [spec]).outcomes
    assert hasattr(rendition, "jpeg")
    return rendition.jpeg


@pytest.fixture
def night(tmp_path: Path, contract: Contract, policies: dict[str, Policy], portrait: bytes) -> Iterator[Callable[..., Night]]:
    """Stages a supplier's view in a directory of its own."""

    def make(
        supplier: str | Policy,
        *,
        people: int = PEOPLE,
        key: int | None = None,
        cells: dict[str, list[str]] | None = None,
        epoch: int = 1,
        digits: int = 8,
        as_supplier: str = "",
    ) -> Night:
        policy = policies[supplier] if isinstance(supplier, str) else supplier
        seed = sorted(policies).index(policy.supplier) * 8 + 1 if key is None else key
        if as_supplier:
            policy = replace(policy, supplier=as_supplier, token_prefix="ZZ")
        pay_number = replace(contract.column("pay_number"), pattern=f"[0-9]{{{digits}}}")
        columns = tuple(pay_number if column.name == "pay_number" else column for column in contract.columns)
        promised = replace(contract, columns=columns)
        table = make_export(contract, people)
        for name, values in (cells or {}).items():
            column = pa.array([values[row % len(values)] for row in range(people)], pa.string())
            table = table.set_column(table.schema.get_field_index(name), name, column)
        return stage(tmp_path / policy.supplier, policy, promised, table, portrait, key=seed, epoch=epoch)

    umask = os.umask(0o077)
    yield make
    os.umask(umask)
