"""Drawn portraits at print size, and what may happen to a photo that leaks."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image

from pipelines.demo_data import camera, faces
from transforms.photos.minimise import Minimiser
from transforms.photos.model import Picture, PrintSpec

SPEC = PrintSpec(width_px=295, height_px=378, dpi=300, max_bytes=60_000)
_SIZE = camera.size_of(0.2)
_CROP = 0.05

Attack = Callable[[Image.Image, np.random.Generator], Image.Image]


def portrait(seed: int, spec: PrintSpec = SPEC) -> Picture:
    """The print of a drawn face that a seed gives."""
    rng = np.random.Generator(np.random.PCG64(seed))
    sitter = camera.seat(faces.draw(faces.invent(rng), rng))
    data = camera.take(sitter, camera.Shot(seed, "a.jpg", "portrait"), seed, _SIZE, camera.grain(*_SIZE))
    return Minimiser().pictures(data, [spec])[0]


def opened(data: bytes) -> Image.Image:
    """A file's picture."""
    return Image.open(io.BytesIO(data)).convert("RGB")


def recompressed(image: Image.Image, _: np.random.Generator) -> Image.Image:
    """Saved again at quality 75, with the library's subsampled colours."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75)
    return opened(buffer.getvalue())


def shrunk(image: Image.Image, _: np.random.Generator) -> Image.Image:
    """To 80 % of its width and height."""
    return image.resize((round(image.width * 0.8), round(image.height * 0.8)), Image.Resampling.LANCZOS)


def cropped(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Without 5 % of its width and of its height, from anywhere around."""
    across, down = round(image.width * _CROP), round(image.height * _CROP)
    left, top = int(rng.integers(across + 1)), int(rng.integers(down + 1))
    return image.crop((left, top, left + image.width - across, top + image.height - down))


def all_three(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Cropped, then shrunk, then recompressed."""
    return recompressed(shrunk(cropped(image, rng), rng), rng)


ATTACKS: dict[str, Attack] = {
    "as it was sent": lambda image, _: image,
    "recompressed": recompressed,
    "shrunk": shrunk,
    "cropped": cropped,
    "all three": all_three,
}
