"""From the pixels of a print to its JPEG, on the side that no hostile byte reaches but as a pixel."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from PIL import Image

from transforms.photos.audit import audit
from transforms.photos.model import Minimised, PhotoRefused, Picture, PrintSpec, RefusalCode, Rendition

if TYPE_CHECKING:  # a decoding process imports this module, and has no use for the library of keys
    from transforms.photos.mark import Mark

_LOWEST_QUALITY = 40
_QUALITY_STEP = 5


def render(pictures: Sequence[Picture | RefusalCode], specs: Sequence[PrintSpec], marks: Sequence[Mark] = ()) -> Minimised:
    """Encodes each picture, with its supplier's mark, as its print's JPEG and audits it.

    Args:
        pictures: one for each spec, in order, or the code that refused it.
        specs: the prints.
        marks: one for each spec; none at all for prints that no supplier gets.

    Returns:
        One outcome for each spec: a rendition, or the code that refused that print alone.
    """
    unmarked: list[Mark | None] = [None] * len(specs)
    prints = zip(pictures, specs, marks or unmarked, strict=True)
    return Minimised(tuple(_outcome(picture, spec, mark) for picture, spec, mark in prints))


def _outcome(picture: Picture | RefusalCode, spec: PrintSpec, mark: Mark | None) -> Rendition | RefusalCode:
    if isinstance(picture, RefusalCode):
        return picture
    size = (picture.width_px, picture.height_px)
    try:
        jpeg, quality = _encode(Image.frombytes("RGB", size, picture.rgb), spec, mark)
        audit(jpeg, spec, size)
    except PhotoRefused as refused:
        return refused.code
    return Rendition(jpeg, *size, quality, picture.small, picture.without_face)


def _encode(image: Image.Image, spec: PrintSpec, mark: Mark | None) -> tuple[bytes, int]:
    """A baseline JPEG within the spec's bytes and its quality: 90 for a print of 600 dpi and more, 85 below, or lower [I3]."""
    if mark is not None:
        image = mark.apply(image)
    for quality in range(90 if spec.dpi >= 600 else 85, _LOWEST_QUALITY - 1, -_QUALITY_STEP):
        step = {"quality": quality} if mark is None else {"qtables": mark.quantisers(quality)}
        for tables_of_its_own in (False, True):  # cost as much again as all else here, and save a twentieth of the bytes
            buffer = io.BytesIO()
            try:
                image.save(buffer, "JPEG", **step, subsampling=0, optimize=tables_of_its_own, dpi=(spec.dpi, spec.dpi))
            except OSError:
                # The library gives the encoder one byte a pixel, and 64 KiB at least; noise needs more, and a lower quality less.
                continue
            if buffer.tell() <= spec.max_bytes:
                return buffer.getvalue(), quality
    raise PhotoRefused(RefusalCode.OVER_BUDGET)
