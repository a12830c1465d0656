"""Pictures that newspapers printed of a few people: HR's portraits, cut and compressed once more."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from pipelines.drill.public import PRESSED, drawn

_LEAST = 5


def print_press(people: pa.Table, person_key: str, column: str, photos: Path, to: Path) -> tuple[tuple[str, Path], ...]:
    """Writes the pictures of 1 % of the people who have a photo, at least five; person keys and files.

    Each is cut by up to 4 % a side and saved at quality 70, half as large.
    """
    keys: Any = people.column(person_key).combine_chunks()
    chances = drawn(keys, "in the press")
    paths = people.column(column).to_pylist()
    wanted = max(_LEAST, round(PRESSED * people.num_rows))
    shown: list[tuple[str, Path]] = []
    to.mkdir()
    for row in np.argsort(chances, kind="stable").tolist():
        if len(shown) == wanted:
            break
        source = photos / paths[row] if paths[row] else None
        if source is None or not source.is_file():
            continue
        data = _printed(source, float(chances[row]) / PRESSED)
        if data is not None:
            file = to / f"{len(shown)}.jpg"
            file.write_bytes(data)
            shown.append((keys[row].as_py(), file))
    return tuple(shown)


def _printed(source: Path, chance: float) -> bytes | None:
    try:
        with Image.open(source, formats=("JPEG", "PNG")) as opened:
            turn = {3: 180, 6: 270, 8: 90}.get(opened.getexif().get(274, 1), 0)
            image = opened.convert("RGB").rotate(turn, expand=True)
    except (OSError, ValueError, SyntaxError):
        return None
    cut = 0.04 * (chance % 1)
    width, height = image.size
    box = (int(width * cut / 2), 0, int(width * (1 - cut / 2)), int(height * (1 - cut)))
    out = io.BytesIO()
    image.crop(box).resize((max(32, width // 2), max(32, height // 2))).save(out, "JPEG", quality=70)
    return out.getvalue()
