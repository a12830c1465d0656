"""Where the crop is and how large the print becomes; all boxes are (left, top, right, bottom) in pixels."""

from __future__ import annotations

from dataclasses import dataclass

from transforms.photos.model import Face, PrintSpec

Box = tuple[float, float, float, float]

# How many times the print a picture decoded at a scale must be, to keep 38 dB and more beside full decoding. Measured on 46 camera
# photos, each cut to sizes around the limit: a quarter kept 39.1 dB from 1.03 times the print on, an eighth 39.9 from 1.25 on
# (36.3 at 1.0). A half is worst, since what small pictures show is sharp to the last pixel: 36.5 at 1.25, in 200 pixels.
_DECODE_GAPS = {8: 1.25, 4: 1.02, 2: 1.25}

# A portrait as travel documents have it [I15]: crown to chin is 70 to 80 % of the height, and the eyes are 50 to 70 % above the
# lower edge. So passport offices quote ICAO Doc 9303 and ISO/IEC 19794-5 (now 39794-5); neither was at hand to check. We take the
# middle of the first, and a margin that puts the eyes of an average head a little over half way up.
_HEAD_SHARE = 0.75
_ABOVE_HEAD = 0.09
# A face box ends at the chin and begins near the hairline. In 40 drawn faces the crown was 0.22 (0.13 to 0.33) of it further up.
_CROWN_ABOVE_BOX = 0.22
# What a box must be to be believed: no narrower than half and no wider than one and a half of its height, and no smaller than a
# twelfth of the picture's shorter side.
_BOX_ASPECT = (0.5, 1.5)
_SMALLEST_FACE = 12


@dataclass(frozen=True, slots=True)
class Framing:
    """A crop in the sensor's frame (before orientation) and the upright size of the result.

    `without_face` says that the print asked for a crop on a face, and no believable one was given: the crop is from the top.
    """

    box: Box
    width_px: int
    height_px: int
    small: bool
    without_face: bool = False


def swaps_sides(orientation: int) -> bool:
    """Whether EXIF orientation 1 to 8 turns the picture by a quarter."""
    return orientation >= 5


def frame(width: int, height: int, orientation: int, spec: PrintSpec) -> Framing:
    """The crop of a picture of `width` x `height` sensor pixels that a print asks for.

    From the top: the largest with the print's aspect, from the top and centred. On a face: with the head at three quarters of the
    height where the picture has room, shifted and shrunk into the picture where it has not; without a believable face from the top.
    A crop with fewer pixels than the print keeps its own pixels [I2].
    """
    upright_w, upright_h = (height, width) if swaps_sides(orientation) else (width, height)
    on_face = spec.crop != "top" and spec.face is not None and _is_believable(spec.face, upright_w, upright_h)
    crop_w = min(float(upright_w), upright_h * spec.width_px / spec.height_px)
    crop_h = min(float(upright_h), upright_w * spec.height_px / spec.width_px)
    centre, top = upright_w / 2, 0.0
    if on_face and spec.face is not None:
        x, y, w, h = spec.face
        crown, head = y - _CROWN_ABOVE_BOX * h, (1 + _CROWN_ABOVE_BOX) * h
        shrink = min(1.0, head / _HEAD_SHARE / crop_h)
        crop_w, crop_h = crop_w * shrink, crop_h * shrink
        centre, top = x + w / 2, crown - _ABOVE_HEAD * crop_h
    small = crop_w < spec.width_px or crop_h < spec.height_px
    out_w, out_h = spec.width_px, spec.height_px
    if small:  # whole pixels, so that nothing is resampled
        out_w, out_h = max(1, round(crop_w)), max(1, round(crop_h))
        crop_w, crop_h = float(out_w), float(out_h)
    left = min(max(centre - crop_w / 2, 0.0), upright_w - crop_w)
    top = min(max(top, 0.0), upright_h - crop_h)
    if small:
        left, top = float(int(left)), float(int(top))
    upright = (left, top, left + crop_w, top + crop_h)
    without_face = spec.crop != "top" and not on_face
    return Framing(_to_sensor(upright, width, height, orientation), out_w, out_h, small, without_face)


def _is_believable(face: Face, width: int, height: int) -> bool:
    """Whether a face lies in a picture and has the shape and size that a portrait's face may have."""
    x, y, w, h = face
    # A detector may end a face that touches the edge a few pixels beyond it.
    slack = 0.02 * max(width, height)
    inside = -slack <= x and -slack <= y and x + w <= width + slack and y + h <= height + slack
    return inside and h * _SMALLEST_FACE >= min(width, height) and _BOX_ASPECT[0] * h <= w <= _BOX_ASPECT[1] * h


def _to_sensor(box: Box, width: int, height: int, orientation: int) -> Box:
    """An upright box in the frame of a sensor of `width` x `height`: the inverse of what EXIF orientation does."""
    x0, y0, x1, y1 = box
    if swaps_sides(orientation):
        x0, y0, x1, y1 = y0, x0, y1, x1
    if orientation in (2, 3, 7, 8):
        x0, x1 = width - x1, width - x0
    if orientation in (3, 4, 6, 7):
        y0, y1 = height - y1, height - y0
    return x0, y0, x1, y1


def decode_scale(framing: Framing, orientation: int) -> int:
    """The coarsest of the decoder's scales (1/8, 1/4, 1/2, 1/1, as 8, 4, 2, 1) that keeps what a print shows.

    It depends on this one print: no other supplier's size has a part in its pixels.
    """
    width, height = (framing.height_px, framing.width_px) if swaps_sides(orientation) else (framing.width_px, framing.height_px)
    left, top, right, bottom = framing.box
    room = min((right - left) / width, (bottom - top) / height)
    return next((scale for scale, gap in _DECODE_GAPS.items() if scale * gap <= room), 1)
