"""What a drawn person wears: the uniforms of a police force and the clothes of its staff."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.demo_data.sketch import Colour

Fill = Callable[[Sequence[tuple[float, float]], Colour], None]

_KINDS = ("tunic", "shirt", "fleece", "suit", "top")
_KIND_WEIGHTS = (0.26, 0.26, 0.16, 0.16, 0.16)
_ACCENTS: Sequence[Colour] = (
    (36, 44, 66), (92, 34, 44), (44, 74, 62), (70, 70, 78), (120, 96, 72), (58, 86, 120), (112, 72, 104), (156, 150, 140),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outfit:
    """What is worn, and the colour of what is not uniform (a tie, a top, a headscarf)."""

    kind: str
    accent: Colour


def invent(rng: np.random.Generator) -> Outfit:
    """Draws an outfit."""
    accent = _ACCENTS[int(rng.integers(0, len(_ACCENTS)))]
    return Outfit(kind=_KINDS[int(rng.choice(len(_KINDS), p=_KIND_WEIGHTS))], accent=accent)


def dress(fill: Fill, outfit: Outfit, x: float, chin: float) -> None:
    """Draws shoulders and clothes below a head whose chin is at (`x`, `chin`), in pixels of the drawing."""
    cloth = {"tunic": (32, 36, 48), "shirt": (226, 230, 234), "fleece": (40, 42, 46), "suit": (54, 58, 68), "top": outfit.accent}[
        outfit.kind
    ]
    neck, low = chin + 44, 640.0
    shoulders = [(x - 62, neck - 4), (x - 96, neck + 16), (x - 160, neck + 38), (x - 198, neck + 66), (x - 214, neck + 110),
    (x - 224, low),
                 (x + 224, low), (x + 214, neck + 110), (x + 198, neck + 66), (x + 160, neck + 38), (x + 96, neck + 16),
                 (x + 62, neck - 4),
                 (x + 34, neck + 34), (x, neck + 46), (x - 34, neck + 34)]  # fmt: skip
    fill(shoulders, cloth)
    if outfit.kind in ("tunic", "suit"):
        _shirt_and_tie(fill, x, neck, (24, 26, 34) if outfit.kind == "tunic" else outfit.accent)
        lapel = tuple(int(c * 0.8) for c in cloth)
        for side in (-1, 1):
            fill(
                [(x + side * 62, neck), (x + side * 84, neck + 70), (x + side * 22, low), (x + side * 8, low)],
                (lapel[0], lapel[1], lapel[2]),
            )
    elif outfit.kind == "shirt":
        _shirt_and_tie(fill, x, neck, (22, 24, 30))
    elif outfit.kind == "fleece":
        fill(
            [
                (x - 64, neck - 8),
                (x - 30, neck + 40),
                (x + 30, neck + 40),
                (x + 64, neck - 8),
                (x + 58, neck + 26),
                (x, neck + 64),
                (x - 58, neck + 26),
            ],
            (56, 58, 62),
        )
        fill([(x - 2, neck + 56), (x + 2, neck + 56), (x + 2, low), (x - 2, low)], (88, 90, 94))
    else:
        fill([(x - 62, neck - 4), (x - 34, neck + 34), (x, neck + 46), (x + 34, neck + 34), (x + 62, neck - 4), (x + 60,
        neck + 8), (x + 34, neck + 44), (x, neck + 56), (x - 34, neck + 44), (x - 60, neck + 8)],
             (int(cloth[0] * 0.75), int(cloth[1] * 0.75), int(cloth[2] * 0.75)))  # fmt: skip
    if outfit.kind in ("tunic", "shirt", "fleece"):
        _epaulettes(fill, x, neck, outfit.kind)


def _shirt_and_tie(fill: Fill, x: float, neck: float, tie: Colour) -> None:
    fill(
        [
            (x - 64, neck - 8),
            (x, neck + 40),
            (x + 64, neck - 8),
            (x + 70, neck + 44),
            (x + 24, 640),
            (x - 24, 640),
            (x - 70, neck + 44),
        ],
        (224, 228, 233),
    )
    fill([(x - 13, neck + 36), (x + 13, neck + 36), (x + 9, neck + 58), (x + 17, 640), (x - 17, 640), (x - 9, neck + 58)], tie)
    for side in (-1, 1):
        fill(
            [(x + side * 62, neck - 12), (x + side * 2, neck + 40), (x + side * 34, neck + 66), (x + side * 68, neck + 10)],
            (240, 242, 245),
        )


def _epaulettes(fill: Fill, x: float, neck: float, kind: str) -> None:
    board, mark = ((22, 24, 32), (206, 208, 212)) if kind != "fleece" else ((30, 32, 36), (180, 182, 186))
    for side in (-1, 1):
        fill(
            [(x + side * 116, neck + 26), (x + side * 194, neck + 64), (x + side * 184, neck + 84), (x + side * 108, neck + 42)],
            board,
        )
        for step in range(3):  # pips rather than a number that could be read
            px, py = x + side * (134 + step * 18), neck + 43 + step * 9.5
            fill([(px - 4, py), (px, py - 4), (px + 4, py), (px, py + 4)], mark)
