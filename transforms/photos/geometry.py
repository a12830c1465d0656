"""Where the crop is and how large the print becomes; all boxes are (left, top, right, bottom) in pixels."""

from __future__ import annotations

from dataclasses import dataclass

from transforms.photos.model import PrintSpec

Box = tuple[float, float, float, float]

# Scaled decoding to 1.25 times the print keeps 38 dB and more against full decoding on camera photos; 1.0 loses 5 dB of that.
_DECODE_GAP = 1.25
_DCT_SCALES = (8, 4, 2, 1)


@dataclass(frozen=True, slots=True)
class Framing:
    """A crop in the sensor's frame (before orientation) and the upright size of the result."""

    box: Box
    width_px: int
    height_px: int
    small: bool


def swaps_sides(orientation: int) -> bool:
    """Whether EXIF orientation 1 to 8 turns the picture by a quarter."""
    return orientation >= 5


def frame(width: int, height: int, orientation: int, spec: PrintSpec) -> Framing:
    """The largest crop with the print's aspect, from the top and centred, of a picture of `width` x `height` sensor pixels.

    A crop with fewer pixels than the print keeps its own pixels [I2].
    """
    upright_w, upright_h = (height, width) if swaps_sides(orientation) else (width, height)
    crop_w = min(float(upright_w), upright_h * spec.width_px / spec.height_px)
    crop_h = min(float(upright_h), upright_w * spec.height_px / spec.width_px)
    small = crop_w < spec.width_px or crop_h < spec.height_px
    out_w, out_h = spec.width_px, spec.height_px
    left = (upright_w - crop_w) / 2
    if small:  # whole pixels, so that nothing is resampled
        out_w, out_h = max(1, round(crop_w)), max(1, round(crop_h))
        crop_w, crop_h = float(out_w), float(out_h)
        left = float((upright_w - out_w) // 2)
    upright = (left, 0.0, left + crop_w, crop_h)
    return Framing(_to_sensor(upright, width, height, orientation), out_w, out_h, small)


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


def decode_scale(framings: list[Framing], orientation: int) -> int:
    """The coarsest of the decoder's scales (1/8, 1/4, 1/2, 1/1, as 8, 4, 2, 1) that leaves every crop 1.25 times its print."""
    room = min(
        min((f.box[2] - f.box[0]) / w, (f.box[3] - f.box[1]) / h)
        for f in framings
        for w, h in [(f.height_px, f.width_px) if swaps_sides(orientation) else (f.width_px, f.height_px)]
    )
    return next((scale for scale in _DCT_SCALES if scale * _DECODE_GAP <= room), 1)
