"""Draws a head and shoulders from numbers: never of a real person, and never the same twice.

A face is curves (filled with Pillow at twice the size and reduced, which smooths the edges), then light (sums of soft blobs and a
rounded head, multiplied in with numpy). Points are in pixels of the drawing, `WIDTH` x `HEIGHT`, origin at the top left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipelines.demo_data import wardrobe
from pipelines.demo_data.sketch import Colour, Pen, Points, curve, jitter, mix, shade
from pipelines.demo_data.wardrobe import Outfit

WIDTH, HEIGHT = 450, 600
_SCALE = 2  # drawn at this multiple, then reduced

_SKINS: Sequence[Colour] = (
    (246, 215, 194), (240, 200, 175), (233, 188, 160), (222, 174, 141), (209, 157, 122),
    (190, 136, 100), (168, 114, 80), (141, 92, 63), (112, 71, 48), (86, 54, 38),
)  # fmt: skip
_SKIN_WEIGHTS = np.array([0.16, 0.22, 0.18, 0.12, 0.09, 0.07, 0.06, 0.04, 0.04, 0.02])
_HAIRS: Sequence[Colour] = (
    (28, 23, 22), (45, 33, 27), (72, 50, 36), (101, 72, 48), (139, 104, 66),
    (186, 150, 98), (146, 78, 44), (120, 118, 116), (184, 182, 178),
)  # fmt: skip
_HAIR_WEIGHTS = np.array([0.18, 0.2, 0.2, 0.12, 0.08, 0.06, 0.04, 0.08, 0.04])
_IRISES: Sequence[Colour] = ((74, 52, 36), (96, 68, 42), (106, 97, 58), (88, 116, 92), (92, 122, 150), (116, 128, 138))
_STYLES = ("bald", "crop", "parting", "quiff", "curls", "bob", "long", "bun", "scarf")
_STYLE_WEIGHTS = np.array([0.07, 0.22, 0.17, 0.1, 0.08, 0.12, 0.12, 0.09, 0.03])
_LONG_STYLES = ("bob", "long", "bun", "scarf")


@dataclass(frozen=True, slots=True)
class Face:
    """The numbers of one face; lengths in pixels of the drawing."""

    skin: Colour
    hair: Colour
    iris: Colour
    style: str
    outfit: Outfit
    background: Colour
    centre: tuple[float, float]  # between the eyes
    half_width: float
    skull: float  # from the eyes up
    jaw: float  # from the eyes down to the chin
    squareness: float  # of the jaw
    eye_gap: float
    eye_width: float
    eye_open: float
    brow_weight: float
    brow_slope: float
    nose_length: float
    nose_width: float
    mouth_width: float
    lips: float
    smile: float
    beard: float  # 0 none, up to 0.35 stubble, 1 full
    moustache: bool
    glasses: bool
    age: float  # 0 young, 1 old
    light: tuple[float, float]


def invent(rng: np.random.Generator) -> Face:
    """Draws the numbers of one face."""
    u = rng.uniform
    style = _STYLES[int(rng.choice(len(_STYLES), p=_STYLE_WEIGHTS / _STYLE_WEIGHTS.sum()))]
    skin_index = int(rng.choice(len(_SKINS), p=_SKIN_WEIGHTS / _SKIN_WEIGHTS.sum()))
    dark = skin_index >= 5  # fair hair and blue eyes are rare on dark skin
    hair_index = int(rng.integers(0, 2)) if dark else int(rng.choice(len(_HAIRS), p=_HAIR_WEIGHTS / _HAIR_WEIGHTS.sum()))
    age = float(u(0, 1))
    feminine = style in _LONG_STYLES
    bearded = not feminine and u() < 0.45
    centre = (WIDTH / 2 + u(-9, 9), 252 + u(-10, 10))
    narrow = 0.94 if feminine else 1.0
    return Face(
        skin=jitter(rng, _SKINS[skin_index], 7),
        hair=jitter(rng, _HAIRS[7 if age > 0.85 and not dark else hair_index], 8),
        iris=_IRISES[int(rng.integers(0, 2)) if dark else int(rng.integers(0, len(_IRISES)))],
        style=style,
        outfit=wardrobe.invent(rng),
        background=jitter(rng, ((206, 210, 214), (190, 200, 212), (222, 220, 214), (176, 184, 190))[int(rng.integers(0, 4))], 8),
        centre=centre,
        half_width=u(94, 109) * narrow,
        skull=u(136, 152),
        jaw=u(138, 158) * narrow,
        squareness=u(2.0, 2.7) if not feminine else u(1.8, 2.1),
        eye_gap=u(41, 48) * narrow,
        eye_width=u(18.5, 23),
        eye_open=u(6.5, 10.5),
        brow_weight=u(4.5, 8.0) * (0.7 if feminine else 1.0),
        brow_slope=u(-3, 4),
        nose_length=u(54, 68) * narrow,
        nose_width=u(17, 25) * narrow,
        mouth_width=u(31, 40) * narrow,
        lips=u(5.0, 9.5) * (1.15 if feminine or dark else 1.0),
        smile=u(-2.0, 7.0),
        beard=float(u(0.15, 1.0)) if bearded else 0.0,
        moustache=bool(bearded or (not feminine and u() < 0.06)),
        glasses=bool(u() < 0.22),
        age=age,
        light=(float(u(-0.55, 0.55)), float(u(-0.6, -0.25))),
    )


def draw(face: Face, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draws a face: (HEIGHT, WIDTH, 3) RGB, 8 bits, upright, without grain."""
    canvas = Image.new("RGB", (WIDTH * _SCALE, HEIGHT * _SCALE), face.background)
    pen = Pen(canvas, _SCALE)
    _back_hair(pen, face)
    _neck(pen, face)
    wardrobe.dress(pen.fill, face.outfit, face.centre[0], face.centre[1] + face.jaw)
    _head(pen, face)
    _beard(pen, face, rng)
    for side in (-1, 1):
        _eye(pen, face, side)
        _brow(pen, face, side, rng)
    _nose(pen, face)
    _mouth(pen, face)
    _front_hair(pen, face, rng)
    if face.glasses:
        _glasses(pen, face)
    drawn = np.asarray(canvas.reduce(_SCALE), dtype=np.uint16)
    lit = drawn * _light(face, rng)[..., None] >> 7
    pixels: NDArray[np.uint8] = np.minimum(lit, 255).astype(np.uint8)
    return pixels


def _outline(face: Face, widen: float = 0.0) -> Points:
    """The head's outline, clockwise from the left temple over the skull and round the chin."""
    (x, y), a = face.centre, face.half_width + widen
    t = np.linspace(0, np.pi, 40)
    skull = np.column_stack([x - a * np.cos(t), y - (face.skull + widen) * np.sin(t) ** 0.9])
    u = np.linspace(0, 1, 30)
    half = a * (1 - u**face.squareness) ** (1 / 1.9)
    down = y + (face.jaw + widen * 0.6) * u
    right, left = np.column_stack([x + half, down]), np.column_stack([x - half, down])
    return np.vstack([skull, right, left[::-1]])


def _neck(pen: Pen, face: Face) -> None:
    x, chin = face.centre[0], face.centre[1] + face.jaw
    w = face.half_width * 0.62
    pen.fill([(x - w, chin - 70), (x + w, chin - 70), (x + w * 1.12, chin + 62), (x + w * 1.9, chin + 110),
              (x - w * 1.9, chin + 110), (x - w * 1.12, chin + 62)], shade(face.skin, 0.86))  # fmt: skip


def _head(pen: Pen, face: Face) -> None:
    (x, y), a = face.centre, face.half_width
    if face.style not in ("scarf", "long", "bob"):
        for side in (-1, 1):
            ear = x + side * (a + 3)
            pen.disc(ear, y + 16, 11, 25, shade(face.skin, 0.93))
            pen.disc(ear + side * 2, y + 16, 5.5, 16, shade(face.skin, 0.78))
    pen.fill(_outline(face), face.skin)


def _back_hair(pen: Pen, face: Face) -> None:
    (x, y), a = face.centre, face.half_width
    dark = shade(face.hair, 0.78)
    if face.style == "bun":
        pen.disc(x, y - face.skull - 16, 40, 34, dark)
    if face.style in ("bob", "long"):
        drop = face.jaw + (18 if face.style == "bob" else 105)
        pen.fill(
            curve((x, y - face.skull - 24), (x + a + 16, y - 70), (x + a + 30, y + 40), (x + a + 22, y + drop), (x + 30,
            y + drop + 8),
                   (x - 30, y + drop + 8), (x - a - 22, y + drop), (x - a - 30, y + 40), (x - a - 16, y - 70), closed=True),
            dark,
        )  # fmt: skip
    if face.style == "scarf":
        low = y + face.jaw + 70
        pen.fill(
            curve((x, y - face.skull - 26), (x + a + 24, y - 60), (x + a + 26, y + 60), (x + a + 40, low), (x, low + 60),
                   (x - a - 40, low), (x - a - 26, y + 60), (x - a - 24, y - 60), closed=True),
            shade(face.outfit.accent, 0.8),
        )  # fmt: skip


def _front_hair(pen: Pen, face: Face, rng: np.random.Generator) -> None:
    (x, y), a, top = face.centre, face.half_width, face.centre[1] - face.skull
    if face.style == "scarf":
        frame = _outline(face, 30.0)
        inner = np.array([x, y + 12]) + (_outline(face) - np.array([x, y + 12])) * 0.93
        pen.fill(np.vstack([frame, frame[:1], inner[:1], inner[::-1]]), face.outfit.accent)
        return
    if face.style == "bald":
        return
    lift, side = {"crop": (8, 0.0), "parting": (15, 0.45), "quiff": (26, 0.2), "curls": (20, 0.0), "bob": (20, 0.3),
                  "long": (20, 0.05), "bun": (12, 0.0)}[face.style]  # fmt: skip
    recede = 18 * face.age if face.style in ("crop", "parting", "quiff") else 0.0
    line = top + 58 - recede
    bottom = y + (70 if face.style in ("bob", "long") else -2)
    part = x + side * a * (1 if face.light[0] > 0 else -1)
    fringe = 16 if face.style in ("parting", "bob", "long") else 4
    outer = curve((x - a - 4, bottom), (x - a - 9, y - 52), (x - a * 0.82, top + 34 - lift * 0.4), (x - a * 0.45,
    top + 2 - lift * 0.8),
                   (x, top - lift), (x + a * 0.45, top + 2 - lift * 0.8), (x + a * 0.82, top + 34 - lift * 0.4), (x + a + 9,
                   y - 52),
                   (x + a + 4, bottom))  # fmt: skip
    inner = curve((x + a - 3, bottom), (x + a - 10, y - 40), (x + a * 0.74, line + fringe + 8), (part, line - fringe * 0.6),
                   (x - a * 0.74, line + fringe + 8), (x - a + 10, y - 40), (x - a + 3, bottom))  # fmt: skip
    pen.fill(np.vstack([outer, inner]), face.hair)
    if face.style == "curls":
        for t in np.linspace(0.05, np.pi - 0.05, 17):
            wobble = rng.uniform(0.85, 1.15, 3)
            px, py = x - (a + 4) * np.cos(t), y - 40 - (face.skull - 32) * np.sin(t)
            pen.disc(px, py, 20 * wobble[0], 19 * wobble[1], shade(face.hair, 0.9 + 0.12 * wobble[2]))
        return
    for share in np.sort(rng.uniform(0.06, 0.94, 46)):  # strands, from the hairline over the crown
        k, m = int(share * (len(outer) - 1)), int((1 - share) * (len(inner) - 1))
        start, end = inner[m], outer[k]
        bend = (start + end) / 2 + np.array([(part - x) * -0.05 + rng.uniform(-5, 5), -4.0])
        tone = shade(face.hair, float(rng.uniform(0.72, 1.35)))
        pen.stroke(np.vstack([start * 0.97 + end * 0.03, bend, end * 0.92 + start * 0.08]), float(rng.uniform(0.6, 1.6)), tone)


def _eye(pen: Pen, face: Face, side: int) -> None:
    x, y = face.centre[0] + side * face.eye_gap, face.centre[1] + 6
    w, h = face.eye_width, face.eye_open
    lid, line = shade(face.skin, 0.8), shade(mix(face.skin, (30, 18, 14), 0.75), 0.8)
    pen.disc(x, y - 2, w + 5, h + 7, shade(face.skin, 0.93))
    top = curve((x - w, y + 1.5), (x - w * 0.5, y - h * 0.8), (x, y - h), (x + w * 0.55, y - h * 0.72), (x + w, y))
    low = curve((x + w, y), (x + w * 0.5, y + h * 0.6), (x, y + h * 0.74), (x - w * 0.5, y + h * 0.55), (x - w, y + 1.5))
    pen.fill(np.vstack([top, low]), (232, 226, 220))
    r = min(h * 1.02, 9.6)
    pen.disc(x, y - 1, r, r, shade(face.iris, 0.55))
    pen.disc(x, y - 1, r - 1.4, r - 1.4, face.iris)
    pen.disc(x, y - 1, r * 0.44, r * 0.44, (14, 11, 10))
    pen.disc(x + 2.8 * np.sign(face.light[0] or 1.0), y - 4, 1.9, 1.9, (250, 250, 248))
    # The lids cover what of the iris stands out of the opening.
    pen.fill(np.vstack([top, [[x + w, y - h - 9], [x - w, y - h - 9]]]), shade(face.skin, 0.93))
    pen.fill(np.vstack([low, [[x - w, y + h + 6], [x + w, y + h + 6]]]), shade(face.skin, 0.97))
    pen.stroke(top, 2.3, line)
    pen.stroke(low, 0.9, lid)
    pen.stroke(top + np.array([0, -4.6]), 1.2, lid)
    if face.age > 0.45:
        pen.stroke(low + np.array([0, 5.5]), 1.1, shade(face.skin, 0.86))
    if face.style in _LONG_STYLES:
        pen.stroke(curve((x + side * w * 0.5, y - h * 0.8), (x + side * (w + 4), y - 3)), 2.4, line)


def _brow(pen: Pen, face: Face, side: int, rng: np.random.Generator) -> None:
    x, y = face.centre[0] + side * face.eye_gap, face.centre[1] - face.eye_open - 13
    w, t = face.eye_width + 6, face.brow_weight
    colour = mix(face.hair, face.skin, 0.25 if face.style != "bald" else 0.4)
    inner, outer = x - side * w * 0.9, x + side * (w + 2)
    slope = face.brow_slope
    upper = curve((inner, y + slope - t * 0.3), (x + side * 2, y - t - 1), (outer, y + 3))
    lower = curve((outer, y + 3), (x + side * 2, y - t * 0.1), (inner, y + slope + t * 0.6))
    pen.fill(np.vstack([upper, lower]), colour)
    for share in rng.uniform(0.05, 0.9, 14):
        root = np.array([inner + (outer - inner) * share, y - t * 0.3 * (1 - share) + 1])
        pen.stroke(np.vstack([root, root + np.array([side * 6.0, -t * 0.6])]), 0.8, shade(colour, 0.75))


def _nose(pen: Pen, face: Face) -> None:
    x, tip = face.centre[0], face.centre[1] + face.nose_length
    w, dark = face.nose_width, shade(face.skin, 0.68)
    pen.fill(curve((x - w, tip + 1), (x - w * 0.6, tip - 9), (x, tip - 12), (x + w * 0.6, tip - 9), (x + w, tip + 1),
    (x + w * 0.5, tip + 6),
                    (x, tip + 9), (x - w * 0.5, tip + 6), closed=True), shade(face.skin, 0.985))  # fmt: skip
    for side in (-1, 1):
        pen.disc(x + side * w * 0.44, tip + 4.5, w * 0.24, 2.8, shade(face.skin, 0.48))
        pen.stroke(curve((x + side * w * 0.85, tip - 9), (x + side * w * 1.03, tip - 1), (x + side * w * 0.8, tip + 6)), 1.6, dark)
    pen.stroke(curve((x - w * 0.3, tip + 8), (x, tip + 10), (x + w * 0.3, tip + 8)), 1.5, dark)


def _mouth(pen: Pen, face: Face) -> None:
    x = face.centre[0]
    y = face.centre[1] + face.nose_length + (face.jaw - face.nose_length) * 0.40
    w, t, s = face.mouth_width, face.lips, face.smile
    red = mix(face.skin, (158, 62, 60), 0.42 if face.style in _LONG_STYLES else 0.28)
    corner_l, corner_r = (x - w, y - s), (x + w, y - s)
    seam = curve(corner_l, (x - w * 0.45, y - s * 0.1), (x, y + 1), (x + w * 0.45, y - s * 0.1), corner_r)
    upper = curve(corner_l, (x - w * 0.5, y - t * 0.75), (x - w * 0.14, y - t), (x, y - t * 0.72), (x + w * 0.14, y - t),
                   (x + w * 0.5, y - t * 0.75), corner_r)  # fmt: skip
    lower = curve(corner_r, (x + w * 0.5, y + t * 0.95), (x, y + t * 1.45), (x - w * 0.5, y + t * 0.95), corner_l)
    pen.fill(np.vstack([upper, seam[::-1]]), shade(red, 0.86))
    pen.fill(np.vstack([seam, lower]), red)
    pen.stroke(seam, 1.9, shade(red, 0.42))
    pen.stroke(curve((x - w * 0.3, y + t * 0.75), (x, y + t * 0.9), (x + w * 0.3, y + t * 0.75)), 2.2, shade(red, 1.12))
    if s > 3.5 or face.age > 0.4:
        for side in (-1, 1):
            pen.stroke(
                curve((x + side * (face.nose_width + 3), y - t - 20), (x + side * (w + 4), y - t - 4), (x + side * (w + 9), y + 6)),
                1.3,
                shade(face.skin, 0.85),
            )


def _beard(pen: Pen, face: Face, rng: np.random.Generator) -> None:
    x, y, a = *face.centre, face.half_width
    mouth = y + face.nose_length + (face.jaw - face.nose_length) * 0.40
    tone = mix(face.skin, face.hair, 0.22 if face.beard < 0.35 else 0.8)
    if face.beard:
        grow = 0.0 if face.beard < 0.5 else 14 * face.beard
        jaw = _outline(face, grow)[40:]
        right, left = jaw[8:30], jaw[30:52]
        top = curve((x - a * 0.93, y + 45), (x - a * 0.66, mouth - 12), (x - a * 0.3, mouth - 21), (x, mouth - 18),
        (x + a * 0.3, mouth - 21),
                     (x + a * 0.66, mouth - 12), (x + a * 0.93, y + 45))  # fmt: skip
        pen.fill(np.vstack([top, right, left]), tone)
        pen.disc(x, mouth + 3, face.mouth_width * 0.95, face.lips + 6, mix(face.skin, tone, 0.35))
        if face.beard >= 0.35:
            for _ in range(170):
                px, py = x + rng.uniform(-a * 0.8, a * 0.8), rng.uniform(mouth + 14, y + face.jaw + grow * 0.4)
                inside = abs(px - x) < a * (1 - min(1.0, (py - y) / (face.jaw + grow)) ** face.squareness) ** 0.53
                if inside:
                    hair = np.array([[px, py], [px + rng.uniform(-3, 3), py + rng.uniform(4, 9)]])
                    pen.stroke(hair, 0.8, shade(face.hair, float(rng.uniform(0.7, 1.5))))
    if face.moustache:
        w = face.mouth_width * 1.02
        pen.fill(curve((x - w, mouth - 1), (x - w * 0.55, mouth - 15), (x, mouth - 15), (x + w * 0.55, mouth - 15), (x + w,
        mouth - 1),
                        (x + w * 0.4, mouth - 6), (x, mouth - 7), (x - w * 0.4, mouth - 6), closed=True), tone)  # fmt: skip


def _glasses(pen: Pen, face: Face) -> None:
    y, rim = face.centre[1] + 7, (38, 34, 36)
    rx, ry = face.eye_gap * 0.78, face.eye_gap * 0.6
    t = np.linspace(0, 2 * np.pi, 48)
    for side in (-1, 1):
        x = face.centre[0] + side * face.eye_gap
        lens = np.column_stack(
            [x + rx * np.sign(np.cos(t)) * np.abs(np.cos(t)) ** 0.7, y + ry * np.sign(np.sin(t)) * np.abs(np.sin(t)) ** 0.7]
        )
        pen.stroke(lens, 2.6, rim)
        pen.stroke(np.array([[x + side * rx, y - 5], [face.centre[0] + side * (face.half_width + 2), y - 2]]), 2.6, rim)
    pen.stroke(curve((face.centre[0] - 10, y - 3), (face.centre[0], y - 7), (face.centre[0] + 10, y - 3)), 2.6, rim)


def _light(face: Face, rng: np.random.Generator) -> NDArray[np.uint16]:
    """How bright each pixel is lit, 128 for unchanged and at most 255: (HEIGHT, WIDTH)."""
    step = 3  # light is soft: a third of the size is plenty
    gx, gy = np.arange(0, WIDTH, step, dtype=np.float32), np.arange(0, HEIGHT, step, dtype=np.float32)
    (x, y), a = face.centre, face.half_width
    lx, ly = face.light

    def blob(at_x: float, at_y: float, sx: float, sy: float) -> NDArray[np.float32]:
        return np.outer(np.exp(-(((gy - at_y) / sy) ** 2)), np.exp(-(((gx - at_x) / sx) ** 2)))

    middle = y + (face.jaw - face.skull) / 2
    dx, dy = (gx - x) / (a * 1.12), (gy - middle) / ((face.jaw + face.skull) / 2 * 1.1)
    r2 = dx[None, :] ** 2 + dy[:, None] ** 2
    nz = np.sqrt(np.clip(1 - r2, 0, 1))
    lambert = np.clip(dx[None, :] * lx + dy[:, None] * ly + nz * 0.82, 0, 1.2)
    on_head = np.clip((1.02 - r2) * 9, 0, 1)
    level = 1 + on_head * (0.34 * lambert - 0.23)
    chin, tip, side = y + face.jaw, y + face.nose_length, 1.0 if lx > 0 else -1.0
    level -= 0.34 * blob(x - side * 8, chin + 26, a * 0.72, 30) * (1 - on_head)
    level += 0.10 * blob(x + side * 3, y + face.nose_length * 0.55, 6, face.nose_length * 0.4)
    level += 0.12 * blob(x + side * 2, tip - 3, 7, 7)
    level -= 0.13 * blob(x - side * face.nose_width * 0.85, y + face.nose_length * 0.66, 10, face.nose_length * 0.36)
    level -= 0.11 * blob(x - side * 3, tip + 14, face.nose_width, 6)
    mouth = tip + (face.jaw - face.nose_length) * 0.40
    level -= 0.12 * blob(x, mouth + face.lips * 1.9, face.mouth_width * 0.6, 6)
    level += 0.07 * blob(x, chin - 16, 20, 13)
    level += 0.07 * blob(x, y - face.skull * 0.52, a * 0.55, 30)
    for ear in (-1, 1):
        level -= 0.13 * blob(x + ear * face.eye_gap * 0.72, y - 4, 15, 12)
        level += 0.06 * blob(x + ear * a * 0.56, y + 42, 24, 20)
        level -= (0.04 + 0.08 * face.age) * blob(x + ear * a * 0.62, y + 78, 16, 28)
    falloff = 0.05 * (gx - WIDTH / 2) / WIDTH * side
    level += falloff[None, :] - 0.10 * (((gx - WIDTH / 2) / WIDTH) ** 2)[None, :] - 0.05 * (gy / HEIGHT)[:, None]
    cloth = np.clip((gy - chin - 45) / 60, 0, 1)[:, None]
    folds = np.sin(gx / 23 + rng.uniform(0, 6))[None, :] * np.sin(gx[None, :] / 61 + gy[:, None] / 47)
    level += cloth * (0.05 * folds - 0.16 * (np.abs(gx - x) / WIDTH)[None, :] ** 1.5)
    small = Image.fromarray(np.clip(level * 128, 0, 255).astype(np.uint8))
    return np.asarray(small.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), dtype=np.uint16)
