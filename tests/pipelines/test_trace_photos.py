"""`trace` says whose copy a leaked photo is, by what the run released and nothing else."""

from __future__ import annotations

import io
import json
import os
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.cli import main
from pipelines.trace import trace
from transforms.errors import KeyUnavailable, UsageError
from transforms.keyring import admin
from transforms.keyring.lifecycle import compromise, destroy
from transforms.keyring.open import open_keyset
from transforms.photos.encode import render
from transforms.photos.mark import Mark, mark_key
from transforms.photos.model import Picture, PrintSpec
from transforms.policy.load import load_policies

NOW = datetime.now(UTC)
DAY = NOW.date()
EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "suppliers"
POLICIES = tuple(load_policies(EXAMPLES))
PRINTER = "card-printer"
SPEC = PrintSpec(295, 378, 300, 60_000)


@pytest.fixture
def keys(tmp_path: Path) -> str:
    uri = f"file:{tmp_path / 'custody'}"
    admin.init(uri, [policy.supplier for policy in POLICIES], DAY)
    return uri


def copy_of(keys: str, day: date = DAY) -> bytes:
    """What the printer got of a picture under its active epoch."""
    cells = np.random.default_rng(8).integers(60, 200, (9, 7, 3), dtype=np.uint8)
    picture = Picture(Image.fromarray(cells).resize((295, 378), Image.Resampling.BICUBIC).tobytes(), 295, 378, False)
    with open_keyset(keys, PRINTER, day) as keyset:
        mark = Mark(mark_key(keyset.key().reveal(), PRINTER, keyset.active.number))
    return render([picture], [SPEC], [mark]).rendition().jpeg


def test_a_leaked_copy_names_its_supplier_and_epoch_and_the_call_is_logged(keys: str, tmp_path: Path) -> None:
    (tmp_path / "leak.jpg").write_bytes(copy_of(keys))
    traced = trace([tmp_path / "leak.jpg"], keys, POLICIES, tmp_path / "records", NOW)
    (suspect,) = traced.photos
    assert (suspect.outcome, [(copy.supplier, copy.epoch) for copy in suspect.copies]) == ("found", [(PRINTER, 1)])
    (event,) = (tmp_path / "records" / "events.jsonl").read_text().splitlines()
    assert json.loads(event)["action"] == "consultation"
    assert "leak" not in event


def test_a_copy_keeps_its_epoch_when_the_supplier_has_a_new_one(keys: str, tmp_path: Path) -> None:
    old = copy_of(keys)
    admin.new_epoch(keys, PRINTER, DAY)
    for name, data in (("old.jpg", old), ("new.jpg", copy_of(keys))):
        (tmp_path / name).write_bytes(data)
    traced = trace([tmp_path / "old.jpg", tmp_path / "new.jpg"], keys, POLICIES, tmp_path / "records", NOW)
    assert [[copy.epoch for copy in suspect.copies] for suspect in traced.photos] == [[1], [2]]
    assert (traced.marks, traced.not_tried) == (2, ())


def test_a_compromised_epoch_is_still_traced_and_a_destroyed_one_is_named_as_not_tried(keys: str, tmp_path: Path) -> None:
    (tmp_path / "leak.jpg").write_bytes(copy_of(keys))
    admin.new_epoch(keys, PRINTER, DAY)
    compromise(keys, PRINTER, 1, NOW)
    traced = trace([tmp_path / "leak.jpg"], keys, POLICIES, tmp_path / "records", NOW)
    assert [copy.epoch for copy in traced.photos[0].copies] == [1]
    destroy(keys, PRINTER, 1, NOW)
    traced = trace([tmp_path / "leak.jpg"], keys, POLICIES, tmp_path / "records", NOW)
    assert traced.photos[0].outcome == "none-found"
    assert traced.not_tried == (f"{PRINTER}/1: key-destroyed",)


def test_files_that_are_no_photos_are_not_readable_and_do_not_stop_the_others(keys: str, tmp_path: Path) -> None:
    good = copy_of(keys)
    (tmp_path / "half.jpg").write_bytes(good[: len(good) // 2])
    (tmp_path / "text.jpg").write_bytes(b"no photo")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "leak.jpg").write_bytes(good)
    names = ("half.jpg", "text.jpg", "pipe.jpg", "none.jpg", "leak.jpg")
    traced = trace([tmp_path / name for name in names], keys, POLICIES, tmp_path / "records", NOW)
    refused = [suspect.refused for suspect in traced.photos]
    assert refused == ["truncated", "unsupported-format", "missing", "missing", None]


@pytest.mark.parametrize("shape", [(760, 400), (500, 500), (300, 680)])
def test_a_copy_inside_another_shape_is_found(keys: str, tmp_path: Path, shape: tuple[int, int]) -> None:
    copy = Image.open(io.BytesIO(copy_of(keys)))
    width, height = min(295, 378 * shape[0] // shape[1]), min(378, 295 * shape[1] // shape[0])
    copy.crop((0, 0, width, height)).resize(shape, Image.Resampling.BICUBIC).save(tmp_path / "leak.png")
    traced = trace([tmp_path / "leak.png"], keys, POLICIES, tmp_path / "records", NOW)
    assert [found.supplier for found in traced.photos[0].copies] == [PRINTER]


def test_a_copy_that_a_website_turned_into_webp_is_found(keys: str, tmp_path: Path) -> None:
    Image.open(io.BytesIO(copy_of(keys))).save(tmp_path / "leak.webp", quality=80)
    traced = trace([tmp_path / "leak.webp"], keys, POLICIES, tmp_path / "records", NOW)
    assert [found.supplier for found in traced.photos[0].copies] == [PRINTER]


def test_nothing_is_traced_without_a_policy_with_photos_or_a_key(keys: str, tmp_path: Path) -> None:
    plain = tuple(policy for policy in POLICIES if policy.photo is None)
    with pytest.raises(UsageError, match="no policy sends photos"):
        trace([tmp_path / "leak.jpg"], keys, plain, tmp_path / "records", NOW)
    with pytest.raises(KeyUnavailable):
        trace([tmp_path / "leak.jpg"], f"file:{tmp_path / 'nowhere'}", POLICIES, tmp_path / "records", NOW)


def test_the_command_says_it_in_words_and_then_in_json(keys: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "leak.jpg").write_bytes(copy_of(keys))
    odd = tmp_path / "odd\x1b[2J.jpg"
    odd.write_bytes(b"no photo")
    flags = ["--keys", keys, "--policies", str(EXAMPLES), "--records", str(tmp_path / "records")]
    with pytest.raises(SystemExit) as ended:
        main(["trace", str(tmp_path / "leak.jpg"), str(odd), *flags])
    assert ended.value.code == 0
    first, second, last = capfd.readouterr().out.splitlines()
    assert f"leak.jpg: {PRINTER}, epoch 1, score " in first
    assert "\x1b" not in second
    assert second.endswith("not readable: unsupported-format")
    summary = json.loads(last)
    assert (summary["command"], summary["exit"], summary["outcome"]) == ("trace", 0, "found")
    assert summary["photos"][0]["copies"][0]["score"] >= summary["threshold"]
