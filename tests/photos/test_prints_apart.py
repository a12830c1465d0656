"""Prints of one photo do not depend on each other: a run of one supplier gives it the bytes that a run of all gives it."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from transforms.photos import minimise as decoding
from transforms.photos.faces import can_find_faces
from transforms.photos.minimise import Minimiser, minimise
from transforms.photos.model import Limits, PhotoRefused, PrintSpec, RefusalCode, Rendition
from transforms.photos.worker import PhotoWorker

CARD = PrintSpec(width_px=295, height_px=378, dpi=300, max_bytes=400_000)
SMALLER = PrintSpec(width_px=248, height_px=319, dpi=300, max_bytes=400_000)
POSTER = PrintSpec(width_px=591, height_px=756, dpi=600, max_bytes=900_000)
ON_FACE = replace(CARD, crop="face", face=(500.0, 500.0, 300.0, 380.0))


def jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def grain(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (height, width, 3), dtype=np.uint8)


PHOTO = jpeg(grain(1240, 1600))


@pytest.mark.parametrize("others", [[POSTER], [SMALLER], [POSTER, SMALLER, ON_FACE], [ON_FACE]])
def test_a_print_has_the_same_pixels_alone_and_beside_finer_and_coarser_ones(others: list[PrintSpec]) -> None:
    alone = Minimiser().pictures(PHOTO, [CARD])
    assert Minimiser().pictures(PHOTO, [CARD, *others])[:1] == alone
    assert Minimiser().pictures(PHOTO, [*others, CARD])[-1:] == alone


def test_the_process_that_decodes_gives_each_print_its_own_pixels() -> None:
    specs = [POSTER, CARD, ON_FACE, SMALLER]
    with PhotoWorker() as worker:
        assert worker.pictures(PHOTO, specs) == tuple(worker.pictures(PHOTO, [spec])[0] for spec in specs)


@pytest.mark.skipif(not can_find_faces(), reason="the extra face is not installed")
def test_a_print_that_is_cropped_on_a_found_face_does_not_depend_on_the_others() -> None:
    limits = Limits(find_faces=True)
    detected = replace(CARD, crop="detected")
    alone = Minimiser(limits).pictures(PHOTO, [detected])
    assert Minimiser(limits).pictures(PHOTO, [POSTER, detected, replace(POSTER, crop="detected")])[1:2] == alone


def test_prints_that_need_the_same_scale_share_one_decode() -> None:
    source = decoding.read_source(PHOTO, Limits())
    scales = [decoding._scale(source, decoding._framing(source, spec)) for spec in (CARD, SMALLER, POSTER)]
    assert scales == [4, 4, 1]
    decoded = decoding._Decoded(source)
    assert decoded.at(4) is decoded.at(4)


def test_a_photo_that_shows_its_cut_at_one_scale_is_refused_for_the_prints_of_that_scale_only() -> None:
    pixels = grain(375, 488).repeat(8, 0).repeat(8, 1)
    rows, columns = np.mgrid[0:1200, 0:3000] // 4
    pixels[-1200:] = np.where((rows + columns) % 2, 100, 140)[:, :, None]  # each block of eight has the same mean
    data = jpeg(pixels)
    with pytest.raises(PhotoRefused, match="flat-bottom"):
        minimise(data, [CARD])
    for specs in ([CARD, POSTER], [POSTER, CARD]):
        outcomes = minimise(data, specs).outcomes
        assert outcomes[specs.index(CARD)] is RefusalCode.FLAT_BOTTOM
        assert outcomes[specs.index(POSTER)] == minimise(data, [POSTER]).outcomes[0]
        assert isinstance(outcomes[specs.index(POSTER)], Rendition)
        with PhotoWorker() as worker:
            assert worker.minimise(data, specs).outcomes == outcomes
