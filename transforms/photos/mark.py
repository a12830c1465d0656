"""An invisible mark that tells each supplier's copy of a photo from every other's, drawn from a key [I14, I16].

The mark is a faint texture that repeats every half width of the picture: waves of all directions, as strong as each other, whose
phases the key chooses. Its waves are 9 to 32 to a picture's width long, so that a smaller copy, a recompressed one, or a part of
one still holds them; `transforms.photos.trace` finds them again, without the photo that was marked.
"""

from __future__ import annotations

import io
import struct
from functools import lru_cache
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand
from PIL import Image, ImageChops

from transforms.keyring.secret import Unshareable

MARK_VERSION: Final = "1"
_LABEL = "supplier-views/photo-mark/1"
_KEY_BYTES = 32

# The grid that waves are counted on: a picture is REFERENCE pixels wide on it, and the texture repeats every TILE pixels.
REFERENCE: Final = 256
TILE: Final = 128
# Waves to a tile, in any direction: longer ones are drowned by the face, shorter ones die with the first smaller copy.
_LONGEST, _SHORTEST = 8, 28


def _waves() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """How often each wave goes up and down in a tile, downwards and to the right; of a wave and its opposite, one."""
    down, right = np.mgrid[-_SHORTEST : _SHORTEST + 1, 0 : _SHORTEST + 1]
    length = np.hypot(down, right)
    kept = (length >= _LONGEST) & (length <= _SHORTEST) & ((right > 0) | (down > 0))
    return down[kept], right[kept]


DOWN, RIGHT = _waves()

# Root mean square of the texture in grey levels, in sixteenths, by how busy the picture is: skin shows what hair hides. The upper
# bound alone keeps a picture's PSNR over 40 dB.
_STRENGTHS = [min(32, 13 + 3 * busy) for busy in range(256)]
_CELL = 7  # pixels each way over which a picture is as busy as its samples differ from their mean
_PATTERN_STEPS = 64  # a texture is kept in whole numbers, so that no processor rounds a pixel in its own way
_UNIT_BITS = 10  # of texture times strength: sixteenths, and the steps of a pattern
_HIGHEST = 1000  # of a pattern: 15 times its root mean square, so that a product with a strength fits 16 bits
_ZERO = 128  # what stands for no change in a picture of changes
_SIZES_KEPT = 8

# The last quantisers of each table, those of the finest detail, are raised by 0 to 3.
_RAISED = 16
_SIGNATURE_BYTES = 2 * _RAISED // 4


def mark_key(epoch_key: bytes | bytearray | memoryview, supplier: str, epoch: int) -> bytes:
    """The key of a supplier's mark: HKDF-SHA-256 (RFC 5869) of its epoch key, without salt, bound to both by the label.

    Args:
        epoch_key: 32 bytes, the supplier's own random key of that epoch [C2]; once it is destroyed, nobody finds the mark.
        supplier: its name.
        epoch: the number, from 1.

    Returns:
        32 bytes. The caller keeps them in memory only.

    Raises:
        ValueError: the epoch key has another length.
    """
    if len(epoch_key) != _KEY_BYTES:
        raise ValueError("an epoch key has 32 bytes")
    info = b"".join(struct.pack(">H", len(part)) + part for part in (text.encode() for text in (_LABEL, supplier, str(epoch))))
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(epoch_key)


@final
class Mark(Unshareable):
    """One supplier's mark; keeps its texture for the sizes that it met last. Threads may share it.

    `tag` is 16 bytes that tell the mark from every other, as secret as its key.

    Args:
        key: 32 bytes, from `mark_key`.

    Raises:
        ValueError: the key has another length.
    """

    __slots__ = ("_patterns", "_signature", "phases", "tag")

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise ValueError("a mark's key has 32 bytes")
        stream = HKDFExpand(algorithm=SHA256(), length=2 * DOWN.size + _SIGNATURE_BYTES, info=b"waves").derive(key)
        # Uniform over a whole turn, and independent: all that the odds of a false attribution rest on.
        self.phases: npt.NDArray[np.float64] = np.frombuffer(stream, ">u2", DOWN.size) * (2 * np.pi / 65536)
        bits = np.unpackbits(np.frombuffer(stream, np.uint8, offset=2 * DOWN.size))
        self._signature = (bits[::2] * 2 + bits[1::2]).reshape(2, _RAISED)
        self._patterns: dict[tuple[int, int], npt.NDArray[np.int16]] = {}
        self.tag: bytes = HKDFExpand(algorithm=SHA256(), length=16, info=b"tag").derive(key)

    def apply(self, image: Image.Image) -> Image.Image:
        """A marked copy of an `RGB` picture: each pixel's three samples moved by the same few levels, so that colours stay.

        The same picture and key give the same copy.
        """
        change = self._pattern(*image.size) * np.asarray(_strength(image))
        change += 1 << (_UNIT_BITS - 1)
        change >>= _UNIT_BITS
        moved = Image.fromarray((change + _ZERO).astype(np.uint8))
        return ImageChops.add(image, Image.merge("RGB", (moved, moved, moved)), offset=-_ZERO)

    def quantisers(self, quality: int) -> list[list[int]]:
        """The library's two tables for a quality with the key's signature in them.

        Even where a picture leaves no room for the texture, as one white pixel does, two suppliers' files differ.
        """
        tables = []
        for table, raised in zip(_library_quantisers(quality), self._signature.tolist(), strict=True):
            kept, last = table[:-_RAISED], table[-_RAISED:]
            tables.append([*kept, *(min(255, step + more) for step, more in zip(last, raised, strict=True))])
        return tables

    def _pattern(self, width: int, height: int) -> npt.NDArray[np.int16]:
        """The texture over a picture of that many pixels: (height, width), its root mean square is `_PATTERN_STEPS`."""
        known = self._patterns.get((width, height))
        if known is not None:
            return known
        counts = np.arange(-_SHORTEST, _SHORTEST + 1)
        waves = np.zeros((counts.size, _SHORTEST + 1), np.complex128)
        waves[DOWN + _SHORTEST, RIGHT] = np.exp(1j * self.phases)
        scale = REFERENCE / width / TILE  # of tiles a pixel, both ways: a print's pixels are square
        down = np.exp(2j * np.pi * scale * np.outer(np.arange(height) + 0.5, counts))
        right = np.exp(2j * np.pi * scale * np.outer(counts[_SHORTEST:], np.arange(width) + 0.5))
        pattern = (down @ waves @ right).real / np.sqrt(DOWN.size / 2)
        made: npt.NDArray[np.int16] = np.clip(np.round(pattern * _PATTERN_STEPS), -_HIGHEST, _HIGHEST).astype(np.int16)
        patterns = dict([*self._patterns.items(), ((width, height), made)][-_SIZES_KEPT:])
        self._patterns = patterns  # in one step: another thread sees the old or the new one
        return made


def _strength(image: Image.Image) -> Image.Image:
    """How strong the texture is at each pixel, in sixteenths of a grey level: from cell to cell without a step."""
    grey = image.convert("L")
    means = grey.reduce(_CELL)
    whole = (means.width * _CELL, means.height * _CELL)
    busy = ImageChops.difference(grey, means.resize(whole, Image.Resampling.NEAREST)).reduce(_CELL)
    return busy.point(_STRENGTHS).resize(whole, Image.Resampling.BILINEAR).crop((0, 0, *image.size))


@lru_cache(maxsize=64)
def _library_quantisers(quality: int) -> list[list[int]]:
    """The luma and chroma tables that the library has for a quality, as it takes them back."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG", quality=quality)
    written: Any = Image.open(buffer, formats=["JPEG"])
    return [list(written.quantization[table]) for table in (0, 1)]
