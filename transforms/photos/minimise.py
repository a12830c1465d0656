"""From a photo's bytes to print-sized JPEGs that hold nothing but pixels. Pure: no Beam, no policy, no files."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image, ImageChops, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from transforms.photos import jpeg, png, webp
from transforms.photos.colour import SrgbConverter
from transforms.photos.encode import render
from transforms.photos.faces import FaceFinder
from transforms.photos.geometry import Framing, decode_scale, frame, swaps_sides
from transforms.photos.model import Face, Limits, Minimised, PhotoRefused, Picture, PrintSpec, RefusalCode
from transforms.photos.source import Source

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_MAX_BLOCK = 2**24  # a file goes to the decoder in one piece; the library's own pieces are of 64 KiB
_FLAT_SHARE = 16  # a bottom of one colour that is at least a sixteenth of the height
_REDUCING_GAP = 2.0
_FINDER_PX = 640  # a face is looked for in a picture of about this many pixels on its longer side
# Lanczos costs half as much again as bicubic. From these reductions on, bicubic keeps 40 dB and more on camera photos, and earlier
# where the decoder has blurred it; nearer to the print's own size it keeps less, and the picture is so small that either is quick.
_BICUBIC_FROM, _BICUBIC_FROM_A_QUARTER = 1.75, 1.5


class Minimiser:
    """Decodes photos in this process; keeps only colour transforms between photos. Not for two threads at once."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._converter = SrgbConverter()
        self._finder = FaceFinder() if self._limits.find_faces else None

    def pictures(self, data: bytes, specs: Sequence[PrintSpec]) -> tuple[Picture | RefusalCode, ...]:
        """Decodes a photo and makes the pixels of each spec's print, or says what refused that print; see `minimise`.

        A print's pixels are the same with any other prints and alone. Prints share a decode where they need the same scale, as
        most do; where one needs finer pixels than another, the photo is decoded for each of the scales.
        """
        if not specs:
            raise ValueError("a photo is minimised for at least one print")
        source = read_source(data, self._limits)
        try:
            return self._pictures(source, specs)
        except PhotoRefused:
            raise
        except MemoryError:
            raise PhotoRefused(RefusalCode.OUT_OF_MEMORY) from None
        except Exception:  # noqa: BLE001 a decoder's own error may quote the file, and there is no list of what it raises
            raise PhotoRefused(RefusalCode.UNDECODABLE) from None

    def _pictures(self, source: Source, specs: Sequence[PrintSpec]) -> tuple[Picture | RefusalCode, ...]:
        decoded = _Decoded(source)
        specs = self._with_faces(decoded, specs) if self._finder is not None else specs
        framings = [_framing(source, spec) for spec in specs]
        made: dict[int, Picture | RefusalCode] = {}
        refused = None
        # From coarse to fine: the coarsest is what was searched for a face last.
        for number in sorted(range(len(specs)), key=lambda n: -_scale(source, framings[n])):
            try:
                picture = decoded.at(_scale(source, framings[number]))
                made[number] = self._print(picture, source, framings[number], decoded.scale, specs[number])
            except PhotoRefused as error:
                # A cut-off photo may show at one scale and not at another; what one print cannot have, another still may.
                made[number] = error.code
                refused = error
        if refused is not None and not any(isinstance(outcome, Picture) for outcome in made.values()):
            raise refused
        return tuple(made[number] for number in range(len(specs)))

    def _with_faces(self, decoded: _Decoded, specs: Sequence[PrintSpec]) -> list[PrintSpec]:
        """The specs with the face that is in the picture that each print would have from the top."""
        found: dict[int, Face | None] = {}
        scales = [_scale(decoded.source, _framing(decoded.source, spec)) if spec.crop == "detected" else 0 for spec in specs]
        for scale in sorted(set(scales) - {0}):
            with contextlib.suppress(PhotoRefused):  # will be refused again when it is printed
                found[scale] = self._find_face(decoded.at(scale), decoded.source, scale)
        return [replace(spec, face=found.get(scale)) if scale else spec for spec, scale in zip(specs, scales, strict=True)]

    def _find_face(self, picture: Image.Image, source: Source, scale: int) -> Face | None:
        """The one face of a decoded picture, in pixels of the upright picture at full size."""
        # What a finder sees need not be right in colour, only small, upright and opaque.
        shrink = max(1, max(picture.size) // _FINDER_PX)
        small = self._opaque(picture.reduce(shrink), None, (255, 255, 255))
        upright = small.transpose(_UPRIGHT[source.orientation]) if source.orientation in _UPRIGHT else small
        face = self._finder.only_face(upright) if self._finder is not None else None
        if face is None:
            return None
        left, top, width, height = (edge * shrink * scale for edge in face)
        return left, top, width, height

    def _print(self, picture: Image.Image, source: Source, framing: Framing, scale: int, spec: PrintSpec) -> Picture:
        size = (framing.width_px, framing.height_px)
        left, top, right, bottom = (edge / scale for edge in framing.box)
        sensor_size = size[::-1] if swaps_sides(source.orientation) else size
        bicubic_from = _BICUBIC_FROM_A_QUARTER if scale == 4 else _BICUBIC_FROM
        small = picture.resize(
            sensor_size,
            Image.Resampling.LANCZOS if right - left < bicubic_from * sensor_size[0] else Image.Resampling.BICUBIC,
            (left, top, min(right, picture.width), min(bottom, picture.height)),
            _REDUCING_GAP,
        )
        rgb = self._opaque(small, source.icc, spec.background)
        if source.orientation in _UPRIGHT:
            rgb = rgb.transpose(_UPRIGHT[source.orientation])
        # Only the pixels go on: a plain save would copy a comment and a profile from the picture it was made from [I6].
        return Picture(rgb.tobytes(), *size, framing.small, framing.without_face)

    def _opaque(self, image: Image.Image, profile: bytes | None, background: tuple[int, int, int]) -> Image.Image:
        """The picture in sRGB over the background, so that a colour hidden under transparent pixels is never shown."""
        if image.mode != "RGBA":
            return self._converter.to_rgb(image, profile)
        alpha = image.getchannel("A")
        seen = self._converter.to_rgb(Image.merge("RGB", [image.getchannel(band) for band in "RGB"]), profile)
        return Image.composite(seen, Image.new("RGB", image.size, background), alpha)


def minimise(data: bytes, specs: Sequence[PrintSpec], limits: Limits | None = None) -> Minimised:
    """Minimises one photo in this process: for trusted bytes and tests; hostile ones belong in a `PhotoWorker`.

    The picture is turned upright, cropped to each print's aspect from the top or on a face, scaled down to its pixels (never up),
    put over the background, converted to sRGB, and encoded as baseline 4:4:4 JPEG at the highest quality that fits the byte budget.
    The same bytes and specs give the same output for one version of the codecs.

    Args:
        data: the bytes of a JPEG, PNG or WebP file.
        specs: the prints to make; at least one.
        limits: what the source may be; the defaults of `Limits` if None.

    Returns:
        One outcome for each spec, in order.

    Raises:
        PhotoRefused: the photo breaks a limit or cannot be decoded whole.
        ValueError: no specs.
    """
    return render(Minimiser(limits).pictures(data, specs), specs)


def read_source(data: bytes, limits: Limits) -> Source:
    """The format by its first bytes, and the structure by our own reader; PhotoRefused if either is not accepted."""
    if not data:
        raise PhotoRefused(RefusalCode.EMPTY)
    if len(data) > limits.max_bytes:
        raise PhotoRefused(RefusalCode.TOO_MANY_BYTES)
    if data.startswith(jpeg.MAGIC) and "jpeg" in limits.formats:
        source = jpeg.read_jpeg(data, limits)
    elif data.startswith(png.MAGIC) and "png" in limits.formats:
        source = png.read_png(data, limits)
    elif webp.is_webp(data) and "webp" in limits.formats:
        source = webp.read_webp(data, limits)
    else:
        raise PhotoRefused(RefusalCode.FORMAT)
    return source


class _Decoded:
    """A photo at the scale that was asked for last, so that prints of one scale share one decode."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.scale = 0
        self._result: Image.Image | PhotoRefused | None = None

    def at(self, scale: int) -> Image.Image:
        """The pixels at a scale; PhotoRefused where they cannot be had."""
        if scale != self.scale or self._result is None:
            self._result = None  # never two at a time
            self.scale = scale
            try:
                self._result = _decode(self.source, scale)
            except PhotoRefused as refused:
                self._result = refused
        if isinstance(self._result, PhotoRefused):
            raise self._result
        return self._result


def _framing(source: Source, spec: PrintSpec) -> Framing:
    return frame(source.width, source.height, source.orientation, spec)


def _scale(source: Source, framing: Framing) -> int:
    """The scale that a print's pixels are decoded at: only a JPEG can be decoded at another than its own."""
    return decode_scale(framing, source.orientation) if source.kind == "jpeg" else 1


def _decode(source: Source, scale: int) -> Image.Image:
    """The pixels in mode `L`, `RGB`, `CMYK` or `RGBA`, in the sensor's frame; at a scale other than 1 only of a JPEG."""
    stream = io.BytesIO(source.stream)
    if source.kind == "png":
        image: ImageFile.ImageFile = PngImagePlugin.PngImageFile(stream)
        _expect(image.size == (source.width, source.height))
        _load(image)
        return _unpacked(image, source.colour_key)
    if source.kind == "webp":
        image = WebPImagePlugin.WebPImageFile(stream)
        _expect(image.size == (source.width, source.height))
        _load(image)
        return image
    image = JpegImagePlugin.JpegImageFile(stream)
    _expect(image.size == (source.width, source.height))
    if scale > 1:
        image.draft(None, (source.width // scale, source.height // scale))
        _expect(image.size == (-(-source.width // scale), -(-source.height // scale)))
    _load(image)
    if _has_flat_bottom(image):
        raise PhotoRefused(RefusalCode.FLAT_BOTTOM)
    return image


def _expect(condition: bool) -> None:
    """The library read the header as our own reader did; if not, one of them is being fooled."""
    if not condition:
        raise PhotoRefused(RefusalCode.MALFORMED)


def _load(image: ImageFile.ImageFile) -> None:
    image.decodermaxblock = _MAX_BLOCK
    try:
        image.load()
    except OSError as error:
        # The library's only sign of data that end early; its text is matched and goes nowhere.
        truncated = str(error).startswith("image file is truncated")
        raise PhotoRefused(RefusalCode.TRUNCATED if truncated else RefusalCode.UNDECODABLE) from None


def _unpacked(image: Image.Image, colour_key: tuple[int, ...] | None) -> Image.Image:
    """A decoded PNG as `L`, `RGB` or `RGBA`."""
    if image.mode.startswith("I;16"):
        # Converting 16-bit grey clips it to white; the upper byte of each sample is the picture.
        image = Image.frombytes("L", image.size, image.tobytes()[1::2])
    elif image.mode == "P":
        return image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif image.mode == "LA":
        return image.convert("RGBA")
    elif image.mode == "1":
        image = image.convert("L")
    if colour_key is None:
        return image
    alpha: Image.Image | None = None
    for band, key in zip(image.split(), colour_key, strict=True):
        differs = band.point([0 if value == key else 255 for value in range(256)])
        alpha = differs if alpha is None else ImageChops.lighter(alpha, differs)
    keyed = image.convert("RGBA")
    if alpha is not None:
        keyed.putalpha(alpha)
    return keyed


def _has_flat_bottom(image: Image.Image) -> bool:
    """Whether the bottom rows, and not the whole picture, are exactly one colour that is neither black nor white.

    That is how a decoder paints what a cut-off file does not say, and how such a picture looks after somebody saved it again.
    """
    strip = image.crop((0, image.height - max(2, image.height // _FLAT_SHARE), *image.size))
    ranges = _extrema(strip)
    if any(low != high for low, high in ranges) or all(low in (0, 255) for low, _ in ranges):
        return False
    return any(low != high for low, high in _extrema(image))


def _extrema(image: Image.Image) -> list[tuple[int, int]]:
    return [band.getextrema() for band in image.split()]  # type: ignore[misc]
