"""Colours of a decoded picture to sRGB, by its own ICC profile where it has a sound one."""

from __future__ import annotations

import hashlib
import io
from collections import OrderedDict

from PIL import Image, ImageChops, ImageCms

_SPACES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}
_SPACE_AT = slice(16, 20)  # ICC.1:2022 table 17, data colour space
_KEPT_TRANSFORMS = 16
_LATTICE = 16  # steps of each colour at which a transform is tried


class SrgbConverter:
    """Converts pictures to sRGB; keeps the transforms of the profiles it met last, since a force has few cameras."""

    def __init__(self) -> None:
        self._srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        self._transforms: OrderedDict[bytes, ImageCms.ImageCmsTransform | None] = OrderedDict()

    def to_rgb(self, image: Image.Image, profile: bytes | None) -> Image.Image:
        """An `L`, `RGB` or `CMYK` picture as sRGB `RGB`.

        Relative colorimetric with black point compensation. A profile that is broken, or of another colour space than the
        picture, is ignored: the picture is then taken for sRGB, as every viewer does.
        """
        space = _SPACES.get(profile[_SPACE_AT]) if profile else None
        if image.mode == "L" and space == "RGB":
            image = image.convert("RGB")
        if profile and space == image.mode:
            transform = self._transform(profile, space)
            if transform is not None:
                converted = ImageCms.applyTransform(image, transform)
                if converted is not None:
                    return converted
        return image if image.mode == "RGB" else image.convert("RGB")

    def _transform(self, profile: bytes, space: str) -> ImageCms.ImageCmsTransform | None:
        digest = hashlib.sha256(profile).digest()
        if digest in self._transforms:
            self._transforms.move_to_end(digest)
            return self._transforms[digest]
        transform: ImageCms.ImageCmsTransform | None
        try:
            transform = ImageCms.buildTransform(
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                self._srgb,
                space,
                "RGB",
                ImageCms.Intent.RELATIVE_COLORIMETRIC,
                ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
            if _changes_nothing(transform, space):
                transform = None
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            transform = None
        self._transforms[digest] = transform
        if len(self._transforms) > _KEPT_TRANSFORMS:
            self._transforms.popitem(last=False)
        return transform


def _changes_nothing(transform: ImageCms.ImageCmsTransform, space: str) -> bool:
    """Whether colours come out as they go in, but for rounding: cameras embed sRGB itself, and transforming is half a resize."""
    if space == "CMYK":
        return False
    if space == "L":
        probe = Image.linear_gradient("L")
    else:
        steps = [round(255 * step / (_LATTICE - 1)) for step in range(_LATTICE)]
        probe = Image.frombytes(
            "RGB", (_LATTICE**2, _LATTICE), bytes(v for r in steps for g in steps for b in steps for v in (r, g, b))
        )
    converted = ImageCms.applyTransform(probe, transform)
    if converted is None:
        return False
    ranges = ImageChops.difference(converted, probe.convert("RGB")).getextrema()
    return all(high <= 1 for _low, high in ranges)  # type: ignore[misc]
