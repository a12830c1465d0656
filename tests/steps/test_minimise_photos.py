"""What contract and policy say of photos reaches the processes that decode them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.testing.test_pipeline import TestPipeline as Pipeline  # pytest would take it for a test
from apache_beam.testing.util import assert_that
from PIL import Image

from transforms.contract.load import load_contract
from transforms.contract.model import Contract, PhotoLimits
from transforms.contract.places import BROKEN_SCHEMA, ROW_REF
from transforms.errors import KeyUnavailable
from transforms.keyring import admin
from transforms.keyring.open import open_keyset
from transforms.photos.mark import Mark, mark_key
from transforms.photos.model import Limits
from transforms.photos.trace import match, read_waves, threshold
from transforms.policy.load import load_policies
from transforms.policy.model import Policy
from transforms.steps.epoch_key import epoch_key
from transforms.steps.minimise_photos import MinimisePhotos, face_of, photo_limits
from transforms.steps.project_views import FACE_BOX, PHOTO_FILE, ViewTask

DAY = date(2026, 11, 23)
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def contract() -> Contract:
    return load_contract(EXAMPLES / "hr-export.yaml")


@pytest.fixture(scope="module")
def printer() -> Policy:
    return next(policy for policy in load_policies(EXAMPLES / "suppliers") if policy.supplier == "card-printer")


def test_a_contract_without_photo_terms_asks_for_the_decoders_own_limits(contract: Contract) -> None:
    assert photo_limits(contract) == Limits()


def test_every_limit_of_a_contract_is_the_decoders_and_a_png_has_no_more_pixels_than_fit_its_memory(contract: Contract) -> None:
    asked = replace(contract, photo_formats=("jpeg",), photo_limits=PhotoLimits(1_000_000, 60_000_000, 0.7, 1.4))
    limits = photo_limits(asked, find_faces=True)
    assert (limits.formats, limits.max_bytes, limits.jpeg_pixels, limits.png_pixels) == (
        ("jpeg",),
        1_000_000,
        60_000_000,
        25_000_000,
    )
    assert (limits.aspect_min, limits.aspect_max, limits.find_faces) == (0.7, 1.4, True)
    assert photo_limits(replace(contract, photo_limits=PhotoLimits(max_pixels=9_000_000))).png_pixels == 9_000_000


@pytest.mark.parametrize("cells", [[None] * 4, ["1", "2", "3", None], ["1", "2", "3", "x"], ["-1", "2", "3", "4"], ["1", "2", "3"]])
def test_cells_that_are_not_four_whole_numbers_are_no_face(cells: list[str | None]) -> None:
    assert face_of(cells) is None


def test_four_whole_numbers_are_a_face() -> None:
    assert face_of(["007", "20", "300", "400"]) == (7, 20, 300, 400)


def photo(width: int, height: int) -> bytes:
    cells = np.random.default_rng(5).integers(0, 256, (height // 20, width // 20, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


def test_each_row_is_cropped_on_its_own_face_and_what_somebody_should_look_at_is_flagged(
    tmp_path: Path, contract: Contract, printer: Policy
) -> None:
    assert printer.photo is not None
    (tmp_path / "store").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "store" / "large.jpg").write_bytes(photo(900, 1200))
    (tmp_path / "store" / "small.jpg").write_bytes(photo(200, 260))
    policy = replace(printer, photo=replace(printer.photo, crop="face"))
    columns: dict[str, Any] = {
        ROW_REF: pa.array([1, 2, 3, 4], pa.int64()),
        PHOTO_FILE: pa.array(["large.jpg", "large.jpg", "large.jpg", "small.jpg"]),
        policy.supplier: pa.array(["t1", "t2", "t3", "t4"]),
    }
    boxes = [["100", "300", "300", "380"], ["500", "700", "300", "380"], [None] * 4, ["60", "60", "70", "90"]]
    columns |= {name: pa.array([box[index] for box in boxes], pa.string()) for index, name in enumerate(FACE_BOX)}
    flagged: list[tuple[int, str]] = []

    def seen(batches: list[pa.RecordBatch]) -> None:
        table = pa.Table.from_batches(batches, schema=BROKEN_SCHEMA)
        flagged.extend((row[ROW_REF], row["rule"]) for row in table.to_pylist())
        assert sorted(flagged) == [
            (3, "flagged-photo-without-face"),
            (4, "flagged-photo-small"),
        ]

    def outcomes_are_photos(outcomes: list[Any]) -> None:
        assert sum(batch.num_rows for _, batch in outcomes) == 4

    with Pipeline() as pipeline:
        repeats = pipeline | "No repeats" >> beam.Create([], reshuffle=False)
        batches = pipeline | "Photos" >> beam.Create([pa.record_batch(columns)])
        done = batches | MinimisePhotos(
            contract, _tasks(policy), _keys(tmp_path, policy), DAY, str(tmp_path / "store"), str(tmp_path / "out"), 1, repeats
        )
        assert_that(done.broken, seen, label="broken")
        assert_that(done.outcomes, outcomes_are_photos, label="outcomes")
    prints = dict(_prints(tmp_path / "out"))
    assert len(prints) == 4
    assert len(set(prints.values())) == 4


def test_a_print_does_not_depend_on_whose_photos_are_in_the_same_batch(tmp_path: Path, contract: Contract, printer: Policy) -> None:
    assert printer.photo is not None
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "a.jpg").write_bytes(photo(1200, 1600))
    large = replace(printer, supplier="large-printer", photo=replace(printer.photo, width_mm=50, height_mm=64))
    keys = _keys(tmp_path, printer, large)
    row: dict[str, Any] = {ROW_REF: pa.array([1], pa.int64()), PHOTO_FILE: pa.array(["a.jpg"]), printer.supplier: pa.array(["t1"])}
    beside = {
        "alone": pa.record_batch(row),
        "with-another": pa.record_batch({**row, large.supplier: pa.nulls(1, pa.string())}),
    }
    found = {}
    for name, batch in beside.items():
        (tmp_path / name).mkdir()
        with Pipeline() as pipeline:
            repeats = pipeline | "No repeats" >> beam.Create([], reshuffle=False)
            folders = str(tmp_path / "store"), str(tmp_path / name)
            batches = pipeline | "Photos" >> beam.Create([batch])
            _ = batches | MinimisePhotos(contract, _tasks(printer, large), keys, DAY, *folders, 1, repeats, str(tmp_path / "cache"))
        found[name] = dict(_prints(tmp_path / name))
    assert found["alone"] == found["with-another"]
    assert list(found["alone"]) == [f"{printer.supplier}-t1.jpg"]


def test_suppliers_with_the_same_print_get_their_own_marked_copies_of_one_photo(
    tmp_path: Path, contract: Contract, printer: Policy
) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "store" / "a.jpg").write_bytes(photo(900, 1200))
    policies = [replace(printer, supplier=name) for name in ("first-printer", "second-printer")]
    keys = _keys(tmp_path, *policies)
    columns: dict[str, Any] = {ROW_REF: pa.array([1], pa.int64()), PHOTO_FILE: pa.array(["a.jpg"])}
    columns |= {policy.supplier: pa.array(["t1"]) for policy in policies}
    with Pipeline() as pipeline:
        repeats = pipeline | "No repeats" >> beam.Create([], reshuffle=False)
        batches = pipeline | "Photos" >> beam.Create([pa.record_batch(columns)])
        folders = str(tmp_path / "store"), str(tmp_path / "out")
        _ = batches | MinimisePhotos(contract, _tasks(*policies), keys, DAY, *folders, 1, repeats)
    copies = dict(_prints(tmp_path / "out"))
    assert len(set(copies.values())) == len(copies) == 2
    marks = {}
    for policy in policies:
        with open_keyset(keys, policy.supplier, DAY) as keyset:
            marks[policy.supplier] = Mark(mark_key(keyset.key().reveal(), policy.supplier, 1))
    for supplier in marks:
        waves = read_waves(Image.open(io.BytesIO(copies[f"{supplier}-t1.jpg"])))
        found = {name for name, mark in marks.items() if match(waves, mark).score >= threshold(2)}
        assert found == {supplier}


def test_a_supplier_gets_the_same_bytes_whichever_others_run_and_only_prints_of_its_own_rows_are_made(
    tmp_path: Path, contract: Contract, printer: Policy
) -> None:
    assert printer.photo is not None
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "a.jpg").write_bytes(photo(1240, 1600))
    (tmp_path / "store" / "b.jpg").write_bytes(photo(1000, 1300))
    finer = replace(printer, supplier="finer", photo=replace(printer.photo, dpi=600, max_bytes=200_000))
    keys = _keys(tmp_path, printer, finer)
    made = {}
    for run, policies in (("alone", [printer]), ("all", [printer, finer])):
        (tmp_path / run).mkdir()
        names = {printer.supplier: pa.array(["t1", "t2"]), finer.supplier: pa.array(["u1", None])}
        columns: dict[str, Any] = {ROW_REF: pa.array([1, 2], pa.int64()), PHOTO_FILE: pa.array(["a.jpg", "b.jpg"])}
        columns |= {policy.supplier: names[policy.supplier] for policy in policies}
        with Pipeline() as pipeline:
            repeats = pipeline | "No repeats" >> beam.Create([], reshuffle=False)
            batches = pipeline | "Photos" >> beam.Create([pa.record_batch(columns)])
            folders = str(tmp_path / "store"), str(tmp_path / run)
            _ = batches | MinimisePhotos(contract, _tasks(*policies), keys, DAY, *folders, 1, repeats)
        made[run] = dict(_prints(tmp_path / run))
    own = {f"{printer.supplier}-t1.jpg", f"{printer.supplier}-t2.jpg"}
    assert set(made["alone"]) == own
    assert set(made["all"]) == own | {"finer-u1.jpg"}
    assert {name: made["all"][name] for name in own} == made["alone"]


def test_photos_are_not_marked_under_an_epoch_that_is_no_longer_active(tmp_path: Path, contract: Contract, printer: Policy) -> None:
    keys = _keys(tmp_path, printer)
    admin.new_epoch(keys, printer.supplier, DAY)
    with pytest.raises(KeyUnavailable, match="active epoch changed"), epoch_key(keys, printer.supplier, 1, DAY):
        pass


def _tasks(*policies: Policy) -> tuple[ViewTask, ...]:
    return tuple(ViewTask(policy, 1, f"{DAY.isoformat()}-abcdef") for policy in policies)


def _keys(folder: Path, *policies: Policy) -> str:
    uri = f"file:{folder / 'custody'}"
    admin.init(uri, [policy.supplier for policy in policies], DAY)
    return uri


def _prints(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.iterdir():
        yield path.name, path.read_bytes()
