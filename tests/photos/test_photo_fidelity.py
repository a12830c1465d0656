"""What is saved in decoding and resampling costs no more of a print than nobody sees: 38 dB beside the slow way."""

import io

import numpy as np
import pytest
from PIL import Image

from pipelines.demo_data import camera, faces
from transforms.photos.minimise import Minimiser
from transforms.photos.model import PrintSpec

SPEC = PrintSpec(width_px=295, height_px=378, dpi=300, max_bytes=60_000)


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
    return float(10 * np.log10(255**2 / np.square(difference).mean()))


# Decoded at a half, a quarter and an eighth; and at a scale that leaves 2.07, 1.31 and 1.27 times the print to resample.
@pytest.mark.parametrize("megapixels", [2.0, 3.2, 12.0])
def test_a_print_is_what_full_decoding_and_lanczos_give(megapixels: float) -> None:
    data = portrait(megapixels)
    with Image.open(io.BytesIO(data)) as image:
        whole = image.convert("RGB")
    crop = (0, 0, whole.width, whole.width * SPEC.height_px / SPEC.width_px)
    slow = whole.resize((SPEC.width_px, SPEC.height_px), Image.Resampling.LANCZOS, crop)
    assert psnr(printed(data), slow) > 38
