"""What is saved in decoding and resampling costs no more of a print than nobody sees: 38 dB beside the slow way."""

import contextlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.demo_data import camera, faces
from transforms.photos.minimise import Minimiser
from transforms.photos.model import PhotoRefused, PrintSpec

SPEC = PrintSpec(width_px=295, height_px=378, dpi=300, max_bytes=60_000)
SUITES = Path(__file__).resolve().parents[2] / ".." / "shared" / "suites"
ORIENTATION = 0x0112


def portrait(megapixels: float) -> bytes:
    """A drawn face as a camera takes it, with grain."""
    rng = np.random.default_rng(5)
    size = camera.size_of(megapixels)
    shot = camera.Shot(row=1, path="1.png", comment="")
    png = camera.take(camera.seat(faces.draw(faces.invent(rng), rng)), shot, 1, size, camera.grain(*size))
    out = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(out, "JPEG", quality=90)
    return out.getvalue()


def printed(data: bytes) -> Image.Image:
    (picture,) = Minimiser().pictures(data, [SPEC])
    return Image.frombytes("RGB", (picture.width_px, picture.height_px), picture.rgb)


def psnr(one: Image.Image, other: Image.Image) -> float:
    difference = np.asarray(one.convert("L"), float) - np.asarray(other.convert("L"), float)
    return float(10 * np.log10(255**2 / max(np.square(difference).mean(), 1e-9)))


# Decoded at a half, a quarter and an eighth; and at a scale that leaves 1.53, 1.04, 1.31, 2.07 and 1.27 times the print.
@pytest.mark.parametrize("megapixels", [1.1, 2.0, 3.2, 8.0, 12.0])
def test_a_print_is_what_full_decoding_and_lanczos_give(megapixels: float) -> None:
    assert_faithful(portrait(megapixels))


@pytest.mark.suites
@pytest.mark.skipif(not SUITES.is_dir(), reason="the public corpora are not beside this checkout")
def test_a_print_of_a_camera_s_photo_is_what_full_decoding_and_lanczos_give() -> None:
    seen = 0
    for path in sorted((SUITES / "img-exif-samples").rglob("*.jpg")):
        with Image.open(path) as image:
            plain = image.mode == "RGB" and "icc_profile" not in image.info and image.getexif().get(ORIENTATION, 1) == 1
        if plain and image.width >= SPEC.width_px and image.height >= SPEC.height_px:
            with contextlib.suppress(PhotoRefused):
                assert_faithful(path.read_bytes())
                seen += 1
    assert seen > 20


def assert_faithful(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        whole = image.convert("RGB")
    width = min(whole.width, whole.height * SPEC.width_px / SPEC.height_px)
    left = (whole.width - width) / 2
    crop = (left, 0, left + width, min(whole.height, width * SPEC.height_px / SPEC.width_px))
    slow = whole.resize((SPEC.width_px, SPEC.height_px), Image.Resampling.LANCZOS, crop)
    assert psnr(printed(data), slow) > 38
