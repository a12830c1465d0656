"""The mark makes suppliers' copies differ, changes nothing that anybody sees, and stays on the side that holds keys [I14, I16]."""

from __future__ import annotations

import copy
import hashlib
import hmac
import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from portraits import SPEC, portrait

from transforms.photos.audit import audit
from transforms.photos.encode import render
from transforms.photos.mark import Mark, mark_key
from transforms.photos.minimise import Minimiser
from transforms.photos.model import Picture, PrintSpec
from transforms.photos.pool import PhotoPool
from transforms.photos.worker import PhotoWorker

EPOCH_KEY = bytes(range(32))
LARGE = PrintSpec(width_px=591, height_px=756, dpi=600, max_bytes=200_000)


def mark(number: int = 0) -> Mark:
    return Mark(mark_key(EPOCH_KEY, f"supplier-{number}", 1))


def plain(width: int, height: int, level: int) -> Picture:
    return Picture(bytes([level]) * (3 * width * height), width, height, True)


def psnr(one: Image.Image, other: Image.Image) -> float:
    difference = np.asarray(one, np.float64) - np.asarray(other, np.float64)
    return float(10 * np.log10(255**2 / np.mean(difference**2)))


PICTURES = {
    "portrait": portrait(1),
    "noise": Picture(np.random.default_rng(3).integers(0, 256, 3 * 295 * 378, dtype=np.uint8).tobytes(), 295, 378, False),
    "white": plain(295, 378, 255),
    "black": plain(295, 378, 0),
    "grey": plain(295, 378, 128),
    "small": plain(16, 20, 200),
    "one white pixel": plain(1, 1, 255),
}


@pytest.mark.parametrize("name", PICTURES)
def test_two_suppliers_with_the_same_print_get_different_bytes_of_the_same_picture(name: str) -> None:
    picture, spec = PICTURES[name], replace(SPEC, max_bytes=400_000)
    copies = [render([picture], [spec], [mark(number)]).rendition().jpeg for number in range(20)]
    assert len(set(copies)) == 20
    for one in copies:
        audit(one, spec, (picture.width_px, picture.height_px))


def test_one_supplier_gets_the_same_bytes_in_every_run() -> None:
    picture = PICTURES["portrait"]
    first = render([picture], [SPEC], [mark()])
    kept = mark()
    assert render([picture], [SPEC], [kept]) == first
    assert render([PICTURES["small"], picture], [SPEC, SPEC], [kept, kept]).outcomes[1] == first.outcomes[0]


@pytest.mark.parametrize("name", PICTURES)
def test_a_marked_picture_is_within_40_db_of_the_one_that_was_marked(name: str) -> None:
    picture = PICTURES[name]
    image = Image.frombytes("RGB", (picture.width_px, picture.height_px), picture.rgb)
    assert psnr(mark().apply(image), image) >= 40


def test_a_mark_moves_the_three_samples_of_a_pixel_alike() -> None:
    picture = portrait(2, LARGE)
    image = Image.frombytes("RGB", (picture.width_px, picture.height_px), picture.rgb)
    before, after = np.asarray(image, np.int16), np.asarray(mark().apply(image), np.int16)
    moved = (after - before)[((before > 10) & (before < 245)).all(2)]
    assert (moved == moved[:, :1]).all()
    assert np.abs(moved).max() > 1


@pytest.mark.parametrize("quality", range(40, 91, 5))
def test_a_signature_coarsens_only_the_finest_quantisers_and_by_three_at_most(quality: int) -> None:
    tables = mark().quantisers(quality)
    usual = Mark(bytes(32)).quantisers(quality)
    for table, other in zip(tables, usual, strict=True):
        assert table[:48] == other[:48]
        assert all(abs(one - two) <= 3 and 1 <= one <= 255 for one, two in zip(table[48:], other[48:], strict=True))
    assert tables != usual


def test_a_marks_key_is_hkdf_of_the_epoch_key_bound_to_supplier_and_epoch() -> None:
    label = b"\x00\x1bsupplier-views/photo-mark/1\x00\x07printer\x00\x0212"
    extracted = hmac.digest(bytes(32), EPOCH_KEY, "sha256")  # RFC 5869 section 2.2, without salt
    assert mark_key(EPOCH_KEY, "printer", 12) == hmac.digest(extracted, label + b"\x01", "sha256")
    others = {mark_key(EPOCH_KEY, "printer", 1), mark_key(EPOCH_KEY, "printer1", 2), mark_key(bytes(32), "printer", 12)}
    assert len(others | {mark_key(EPOCH_KEY, "printer", 12)}) == 4


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        mark_key(bytes(31), "printer", 1)
    with pytest.raises(ValueError, match="32 bytes"):
        Mark(bytes(33))


def test_a_mark_does_not_travel() -> None:
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="never pickled or copied"):
            attempt(mark())
    assert repr(mark()) == "<Mark: hidden>"


def test_a_worker_and_a_pool_mark_what_the_process_decodes() -> None:
    data = render([PICTURES["portrait"]], [SPEC]).rendition().jpeg
    marks = [mark(1), mark(2)]
    expected = render(Minimiser().pictures(data, [SPEC, SPEC]), [SPEC, SPEC], marks)
    with PhotoWorker() as worker:
        assert worker.minimise(data, [SPEC, SPEC], marks) == expected
    with PhotoPool(1) as pool:
        assert [result for _, result in pool.map([(0, lambda: data)], [SPEC, SPEC], marks)] == [expected]
    assert expected.rendition(0).jpeg != expected.rendition(1).jpeg


def test_a_decoding_process_has_no_use_for_keys_or_marks() -> None:
    code = "import sys, transforms.photos.child; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert "transforms.photos.minimise" in modules
    assert not {"cryptography", "numpy", "transforms.photos.mark", "transforms.keyring"} & modules


def test_the_digest_of_a_marked_print_is_pinned_by_the_version_of_the_mark() -> None:
    picture = plain(64, 80, 128)
    marked = mark().apply(Image.frombytes("RGB", (64, 80), picture.rgb)).tobytes()
    assert hashlib.sha256(marked).hexdigest() == "cc9cc308d19d6a141f2259320b094f57181255b82466eeed2c7c673c1a7f068a"
