"""What goes in and what comes out: print specs, limits, renditions, and the closed list of refusals."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Face = tuple[float, float, float, float]  # left, top, width and height in pixels of the upright picture, hairline to chin


class RefusalCode(StrEnum):
    """Why a photo is quarantined; stable between versions."""

    MISSING = "missing"  # for a supplier of bytes that finds none
    PATH = "path-outside-store"  # for a supplier of bytes: a reference that leaves the store, or is no regular file
    EMPTY = "empty"
    TOO_MANY_BYTES = "too-many-bytes"
    FORMAT = "unsupported-format"  # by its first bytes none of the formats that the limits name
    CODING = "unsupported-coding"  # a JPEG or PNG of a kind that is not read: 12-bit, lossless, arithmetic
    MALFORMED = "malformed"
    TRUNCATED = "truncated"
    FLAT_BOTTOM = "flat-bottom"  # the lower rows are one colour: what is left of a picture that was cut off
    TOO_MANY_PIXELS = "too-many-pixels"
    TOO_LONG_SIDE = "side-too-long"
    ASPECT = "aspect-out-of-range"
    TOO_MANY_SCANS = "too-many-scans"
    UNDECODABLE = "undecodable"
    OUT_OF_MEMORY = "out-of-memory"
    TIMED_OUT = "timed-out"
    CRASHED = "decoder-crashed"
    OVER_BUDGET = "over-byte-budget"  # not even the lowest quality fits the spec's bytes
    AUDIT = "failed-output-audit"


class PhotoRefused(Exception):
    """One photo goes to quarantine; the run goes on.

    Carries the code and nothing else: no text of a decoder, no bytes, no name of a file.
    """

    def __init__(self, code: RefusalCode) -> None:
        self.code = code
        super().__init__(code.value)

    def __reduce__(self) -> tuple[type[PhotoRefused], tuple[RefusalCode]]:
        return PhotoRefused, (self.code,)


@dataclass(frozen=True, slots=True)
class PrintSpec:
    """What a printer needs: pixels, dots per inch, a byte budget, and the 8-bit sRGB colour under transparent pixels.

    `crop` is from the `top`, on the given `face`, or on one to be `detected`.

    Raises:
        ValueError: a size outside 16 to 4,096 pixels, an aspect outside 0.5 to 2.0, dpi outside 72 to 1,200, a budget under
            1,024 bytes, or a background that is not three numbers from 0 to 255.
    """

    width_px: int
    height_px: int
    dpi: int
    max_bytes: int
    background: tuple[int, int, int] = (255, 255, 255)
    crop: Literal["top", "face", "detected"] = "top"
    face: Face | None = None

    def __post_init__(self) -> None:
        if not (16 <= self.width_px <= 4096 and 16 <= self.height_px <= 4096):
            raise ValueError("a print is 16 to 4,096 pixels a side")
        if not 0.5 <= self.width_px / self.height_px <= 2.0:
            raise ValueError("a print's aspect is 0.5 to 2.0")
        if not 72 <= self.dpi <= 1200:
            raise ValueError("dots per inch are 72 to 1,200")
        if self.max_bytes < 1024:
            raise ValueError("a byte budget is at least 1,024")
        if len(self.background) != 3 or not all(0 <= part <= 255 for part in self.background):
            raise ValueError("a background is three numbers from 0 to 255")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a source may be before anything is decoded [I9], and what decoding it may take [I10].

    `formats` are of `jpeg`, `png` and `webp`. `aspect_min` and `aspect_max` bound width / height. `coefficient_bytes` bounds what a
    JPEG of several scans holds in memory while it is decoded, at whatever scale. `memory_bytes` bounds the address space of a
    decoding process, `seconds` the wall time and the CPU time of one photo; both hold only in a worker. `find_faces` gets it the
    libraries that find faces, and the address space that they take.
    """

    formats: tuple[str, ...] = ("jpeg", "png")
    max_bytes: int = 10_000_000
    jpeg_pixels: int = 50_000_000
    png_pixels: int = 25_000_000
    webp_pixels: int = 16_000_000
    side_px: int = 10_000
    aspect_min: float = 0.5
    aspect_max: float = 2.0
    scans: int = 100
    coefficient_bytes: int = 192 * 2**20  # of 50 megapixels with halved colours; of 33 with full ones
    memory_bytes: int = 512 * 2**20
    seconds: float = 10.0
    find_faces: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """Upright, opaque sRGB pixels for one print: all that leaves a decoding process.

    `rgb` is three bytes a pixel, row after row. `small` and `without_face` are as for `Rendition`.

    Raises:
        ValueError: `rgb` has another length than the size says.
    """

    rgb: bytes
    width_px: int
    height_px: int
    small: bool
    without_face: bool = False

    def __post_init__(self) -> None:
        if self.width_px < 1 or self.height_px < 1 or len(self.rgb) != 3 * self.width_px * self.height_px:
            raise ValueError("a picture has three bytes for each of its pixels")


@dataclass(frozen=True, slots=True)
class Rendition:
    """One print-sized JPEG that passed the output audit.

    `small` says that the source has fewer pixels than the print: its own pixels were kept, cropped to the print's aspect [I2].
    `without_face` says that the print asked for a crop on a face, and there was none, or several, or none to be believed.
    """

    jpeg: bytes
    width_px: int
    height_px: int
    quality: int
    small: bool
    without_face: bool = False


@dataclass(frozen=True, slots=True)
class Minimised:
    """What a photo gave for each spec, in the order of the specs.

    An outcome is a rendition, or the code of what refused that spec alone (a byte budget that cannot be met), so that one
    supplier's budget does not cost another its photo.
    """

    outcomes: tuple[Rendition | RefusalCode, ...]

    def rendition(self, index: int = 0) -> Rendition:
        """The rendition for the spec at `index`; PhotoRefused if that spec was refused."""
        outcome = self.outcomes[index]
        if isinstance(outcome, RefusalCode):
            raise PhotoRefused(outcome)
        return outcome
