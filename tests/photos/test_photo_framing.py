"""Orientation, crop, size, quality and bytes of a print."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from transforms.photos.geometry import decode_scale, frame
from transforms.photos.minimise import minimise
from transforms.photos.model import Minimised, PhotoRefused, PrintSpec, RefusalCode, Rendition

CARD = PrintSpec(width_px=295, height_px=378, dpi=300, max_bytes=60_000)
LARGE = PrintSpec(width_px=591, height_px=756, dpi=600, max_bytes=200_000)
TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,  # a camera turned one way is put right by the other
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def grained(width: int, height: int, seed: int = 1, cell: int = 16) -> Image.Image:
    cells = np.random.default_rng(seed).integers(0, 256, (height // cell + 1, width // cell + 1, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)


def opened(rendition: Rendition) -> Image.Image:
    return Image.open(io.BytesIO(rendition.jpeg))


def pixels(rendition: Rendition) -> np.ndarray[Any, Any]:
    return np.asarray(opened(rendition), dtype=float)


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_out_upright(orientation: int, kind: str) -> None:
    upright = grained(700, 1000, cell=100)
    turn = TURNS[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    sensor = encoded(upright if turn is None else upright.transpose(turn), kind, exif=exif, **options)
    expected = pixels(minimise(encoded(upright, kind, **options), [CARD]).rendition())
    result = pixels(minimise(sensor, [CARD]).rendition())
    assert result.shape == (378, 295, 3)
    assert np.abs(result - expected).mean() < 1.5


@pytest.mark.parametrize(
    "block", [b"", b"II", b"MM\0*\0\0\0\x08\xff\xff", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\x09\0\0"]
)
def test_a_broken_exif_block_means_no_turn(block: bytes) -> None:
    upright = grained(400, 500)
    assert minimise(encoded(upright, exif=b"Exif\0\0" + block), [CARD]) == minimise(encoded(upright), [CARD])


def test_the_crop_keeps_the_top_and_the_middle() -> None:
    tall = Image.new("RGB", (600, 1100), (0, 0, 255))
    tall.paste((255, 0, 0), (0, 0, 600, 100))
    tall.paste((0, 255, 0), (0, 1000, 600, 1100))
    result = pixels(minimise(encoded(tall, "PNG"), [CARD]).rendition())
    assert np.abs(result[:40] - (255, 0, 0)).max() < 12
    assert not (result[..., 1] > 40).any()
    wide = Image.new("RGB", (1100, 600), (0, 0, 255))
    wide.paste((255, 0, 0), (0, 0, 200, 600))
    wide.paste((0, 255, 0), (900, 0, 1100, 600))
    assert np.abs(pixels(minimise(encoded(wide, "PNG"), [CARD]).rendition()) - (0, 0, 255)).max() < 12


@pytest.mark.parametrize(("width", "height"), [(1280, 1600), (3000, 4000), (900, 1400), (295, 378), (1201, 1601)])
def test_a_print_has_exactly_its_size_density_and_sampling(width: int, height: int) -> None:
    rendition = minimise(encoded(grained(width, height)), [CARD]).rendition()
    image = opened(rendition)
    assert (image.size, image.mode, image.info["dpi"], rendition.small) == ((295, 378), "RGB", (300, 300), False)
    assert "progressive" not in image.info
    assert {layer[1:3] for layer in image.layer} == {(1, 1)}  # type: ignore[attr-defined]


def test_a_small_source_keeps_its_own_pixels() -> None:
    source = grained(200, 256)
    rendition = minimise(encoded(source, "PNG"), [CARD]).rendition()
    assert (rendition.small, rendition.width_px, rendition.height_px) == (True, 200, 256)
    assert np.abs(pixels(rendition) - np.asarray(source, dtype=float)).mean() < 3


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_crop_on_a_face_has_the_head_at_three_quarters_of_the_height_and_in_the_middle(orientation: int) -> None:
    # A head from crown to chin, whose face has a box of 200 x 250 at (900, 700), on a picture that begins and ends black.
    upright = Image.new("RGB", (2000, 2400), (0, 0, 255))
    upright.paste((255, 255, 0), (900, 645, 1100, 950))
    for edge in (0, 2000):
        upright.paste((0, 0, 0), (0, edge, 2000, edge + 400))
    turn = TURNS[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    sensor = encoded(upright if turn is None else upright.transpose(turn), quality=95, subsampling=0, exif=exif)
    spec = PrintSpec(295, 378, 300, 60_000, crop="face", face=(900, 700, 200, 250))
    rendition = minimise(sensor, [spec]).rendition()
    yellow = pixels(rendition)[..., 2] < 100
    rows, columns = np.flatnonzero(yellow.any(axis=1)), np.flatnonzero(yellow.any(axis=0))
    assert not rendition.without_face
    assert 0.73 <= (rows[-1] - rows[0] + 1) / 378 <= 0.77
    assert 0.08 <= rows[0] / 378 <= 0.10
    assert abs((columns[0] + columns[-1]) / 2 - 147) <= 2


def test_a_face_that_needs_finer_pixels_than_the_whole_picture_gets_them() -> None:
    upright = grained(2000, 2500, cell=24)
    spec = PrintSpec(295, 378, 300, 200_000, crop="face", face=(900, 1000, 200, 250))
    data = encoded(upright, quality=95, subsampling=0)
    on_face = minimise(data, [spec]).rendition()
    whole = Image.open(io.BytesIO(data)).crop((841, 908, 1159, 1315))
    assert (on_face.width_px, on_face.height_px, on_face.small) == (295, 378, False)
    expected = np.asarray(whole.resize((295, 378), Image.Resampling.LANCZOS), dtype=float)
    assert np.abs(pixels(on_face) - expected).mean() < 12


@pytest.mark.parametrize(
    "face",
    [
        None,
        (0.0, 0.0, 0.0, 0.0),
        (500.0, 500.0, 30.0, 40.0),  # too small to be the portrait's
        (900.0, 100.0, 300.0, 300.0),  # out of the picture
        (-90.0, 100.0, 300.0, 300.0),
        (300.0, 100.0, 100.0, 300.0),  # too narrow
        (300.0, 100.0, 500.0, 300.0),  # too wide
        (float("nan"), 100.0, 300.0, 300.0),
    ],
)
def test_without_a_believable_face_the_crop_is_from_the_top_and_flagged(face: Any) -> None:
    data = encoded(grained(1000, 1300))
    from_top = minimise(data, [CARD]).rendition()
    flagged = minimise(data, [replace(CARD, crop="face", face=face)]).rendition()
    assert (flagged.jpeg, flagged.without_face, from_top.without_face) == (from_top.jpeg, True, False)


@settings(deadline=None)  # the machine may be busy
@given(
    st.integers(20, 3000), st.integers(20, 3000), st.integers(1, 8), st.tuples(*[st.floats(0, 1)] * 4).filter(lambda f: f[3] > 0)
)
def test_a_crop_on_any_face_lies_in_the_picture(width: int, height: int, orientation: int, part: Any) -> None:
    across, down = (height, width) if orientation >= 5 else (width, height)
    face = (part[0] * across, part[1] * down, part[2] * across, part[3] * down)
    framing = frame(width, height, orientation, replace(CARD, crop="face", face=face))
    left, top, right, bottom = framing.box
    assert -1e-6 <= left < right <= width + 1e-6
    assert -1e-6 <= top < bottom <= height + 1e-6
    shown_across, shown_down = (bottom - top, right - left) if orientation >= 5 else (right - left, bottom - top)
    assert framing.width_px <= shown_across + 1e-6
    assert framing.height_px <= shown_down + 1e-6
    # what the leak gate holds every print to
    assert abs(framing.width_px * 378 - framing.height_px * 295) * 2 <= 295 + 378


@settings(deadline=None)  # the machine may be busy
@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 8))
def test_a_crop_lies_in_the_picture_and_is_never_enlarged(width: int, height: int, orientation: int) -> None:
    framing = frame(width, height, orientation, CARD)
    left, top, right, bottom = framing.box
    assert 0 <= left < right <= width + 1e-6
    assert 0 <= top < bottom <= height + 1e-6
    across, down = (bottom - top, right - left) if orientation >= 5 else (right - left, bottom - top)
    assert framing.width_px <= across + 1e-6
    assert framing.height_px <= down + 1e-6
    assert abs(across * 378 / 295 - down) <= 1.5
    assert framing.small == ((framing.width_px, framing.height_px) != (295, 378))


@settings(deadline=None)  # the machine may be busy
@given(st.sampled_from([CARD, LARGE]), st.integers(300, 9000), st.integers(400, 9000), st.integers(1, 8))
def test_a_scaled_decode_leaves_every_print_the_pixels_that_its_scale_needs(
    spec: PrintSpec, width: int, height: int, orientation: int
) -> None:
    framing = frame(width, height, orientation, spec)
    scale = decode_scale(framing, orientation)
    across, down = framing.box[2] - framing.box[0], framing.box[3] - framing.box[1]
    turned = orientation >= 5
    gap = {1: 0.0, 2: 1.25, 4: 1.02, 8: 1.25}[scale]
    assert across / scale >= gap * (framing.height_px if turned else framing.width_px) - 1e-6
    assert down / scale >= gap * (framing.width_px if turned else framing.height_px) - 1e-6


def test_a_scaled_decode_is_close_to_a_full_one() -> None:
    source = grained(2400, 3075, cell=60)
    full = pixels(minimise(encoded(source, "PNG", compress_level=1), [CARD]).rendition())
    scaled = pixels(minimise(encoded(source, quality=95), [CARD]).rendition())
    assert 10 * np.log10(255**2 / np.mean((scaled - full) ** 2)) > 36


def test_one_decode_serves_several_prints_as_if_each_were_alone() -> None:
    data = encoded(grained(1200, 1600), "PNG")
    both = minimise(data, [CARD, LARGE])
    assert both.outcomes == minimise(data, [CARD]).outcomes + minimise(data, [LARGE]).outcomes
    assert [opened(both.rendition(i)).info["dpi"] for i in (0, 1)] == [(300, 300), (600, 600)]


def test_quality_starts_at_the_print_s_own_and_falls_until_the_bytes_fit() -> None:
    data = encoded(grained(1200, 1600, cell=60))
    assert [minimise(data, [spec]).rendition().quality for spec in (CARD, LARGE)] == [85, 90]
    qualities = [85]
    budget = len(minimise(data, [CARD]).rendition().jpeg)
    for _ in range(3):
        budget = budget * 9 // 10
        rendition = minimise(data, [PrintSpec(295, 378, 300, budget)]).rendition()
        assert len(rendition.jpeg) <= budget
        qualities.append(rendition.quality)
    assert qualities == sorted(qualities, reverse=True)
    assert 40 <= qualities[-1] < 85


def test_pure_noise_is_encoded_within_its_bytes() -> None:
    noise = Image.fromarray(np.random.default_rng(3).integers(0, 256, (378, 295, 3), dtype=np.uint8))
    rendition = minimise(encoded(noise, "PNG"), [PrintSpec(295, 378, 300, 400_000)]).rendition()
    assert 40 <= rendition.quality <= 85
    assert len(rendition.jpeg) <= 400_000


def test_a_budget_that_cannot_be_met_refuses_that_print_only() -> None:
    data = encoded(grained(1200, 1600, cell=4))
    result = minimise(data, [PrintSpec(295, 378, 300, 2_000), CARD])
    assert result.outcomes[0] is RefusalCode.OVER_BUDGET
    assert result.rendition(1).width_px == 295
    with pytest.raises(PhotoRefused, match="over-byte-budget"):
        result.rendition(0)


def test_the_same_bytes_and_print_give_the_same_bytes() -> None:
    data = encoded(grained(900, 1200))
    assert minimise(data, [CARD]) == minimise(data, [CARD])
    assert isinstance(minimise(data, [CARD]), Minimised)


@pytest.mark.parametrize(
    "wrong",
    [
        {"width_px": 0},
        {"width_px": 5000},
        {"width_px": 100, "height_px": 378},
        {"dpi": 0},
        {"dpi": 70_000},
        {"max_bytes": 10},
        {"background": (0, 0, 256)},
        {"background": (0, 0)},
    ],
)
def test_a_print_that_no_printer_has_is_an_error(wrong: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"width_px": 295, "height_px": 378, "dpi": 300, "max_bytes": 60_000, "background": (255, 255, 255)}
    with pytest.raises(ValueError, match=r"print|dots|budget|background"):
        PrintSpec(**{**fields, **wrong})


def test_a_photo_for_no_print_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one print"):
        minimise(encoded(grained(400, 500)), [])
