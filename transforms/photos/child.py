"""The decoding process: `python -I -m transforms.photos.child LIMITS`, started by `PhotoWorker` and by nothing else.

It knows no key, no policy and no file name, imports neither Beam nor Arrow, and after its greeting can only read photos from its
standard input and write results to its standard output.
"""

from __future__ import annotations

import io
import os
import sys

from PIL import Image, ImageCms

from transforms.photos import frames
from transforms.photos.confinement import allow_cpu, confine
from transforms.photos.minimise import Minimiser
from transforms.photos.model import Limits, PhotoRefused, Picture, PrintSpec, RefusalCode

_STDIN, _STDOUT = 0, 1
_FINDER_BYTES = 384 * 2**20  # address space of OpenCV and NumPy: 261 MB before the first photo


def main(limits: Limits) -> None:
    """Decodes photos until the standard input ends."""
    minimiser = Minimiser(limits)
    _warm_up()
    _write(frames.greeting(confine(limits.memory_bytes + (_FINDER_BYTES if limits.find_faces else 0))))
    while lengths := _read(frames.LENGTHS.size):
        head_length, body_length = frames.LENGTHS.unpack(lengths)
        specs = frames.specs_of(_read(head_length))
        allow_cpu(limits.seconds)
        result: tuple[Picture, ...] | RefusalCode
        try:
            result = minimiser.pictures(_read(body_length), specs)
        except PhotoRefused as refused:
            result = refused.code
        except MemoryError:
            result = RefusalCode.OUT_OF_MEMORY
        _write(frames.reply(result))


def _warm_up() -> None:
    """Takes every path once, since what the library imports late could not be opened once the process is confined.

    Under limits of its own: those of a run may be too narrow for these pictures.
    """
    minimiser = Minimiser(Limits(formats=("jpeg", "png", "webp")))
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    grey = Image.linear_gradient("L")
    for kind, image in (
        ("JPEG", grey.convert("RGB")),
        ("JPEG", grey.convert("CMYK")),
        ("PNG", grey.convert("RGBA")),
        ("PNG", grey.convert("P")),
        ("PNG", grey.convert("I;16")),
        ("WEBP", grey.convert("RGBA")),
    ):
        buffer = io.BytesIO()
        image.save(buffer, kind, icc_profile=profile)
        minimiser.pictures(buffer.getvalue(), [PrintSpec(32, 40, 300, 60_000)])


def _read(length: int) -> bytes:
    """Exactly that many bytes; none at all if the input ended before the first."""
    parts: list[bytes] = []
    missing = length
    while missing:
        part = os.read(_STDIN, missing)
        if not part:
            if parts:
                raise EOFError
            return b""
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def _write(message: bytes) -> None:
    view = memoryview(message)
    while view:
        view = view[os.write(_STDOUT, view) :]


if __name__ == "__main__":
    main(frames.limits_of(sys.argv[1]))
