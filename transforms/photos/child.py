"""The decoding process: `python -I -m transforms.photos.child LIMITS`, started by `PhotoWorker` and by nothing else.

It knows no key, no policy and no file name, imports neither Beam nor Arrow, and after its greeting can only read photos from its
standard input and write results to its standard output.
"""

from __future__ import annotations

import io
import sys

from PIL import Image, ImageCms

from transforms.photos import frames
from transforms.photos.confinement import allow_cpu, confine
from transforms.photos.minimise import Minimiser
from transforms.photos.model import Limits, PhotoRefused, Picture, PrintSpec, RefusalCode

_FINDER_BYTES = 384 * 2**20  # address space of OpenCV and NumPy: 261 MB before the first photo


def main(limits: Limits) -> None:
    """Decodes photos until the standard input ends."""
    minimiser = Minimiser(limits)
    _warm_up()
    photos, pixels = sys.stdin.buffer, sys.stdout.buffer
    pixels.writelines(frames.greeting(confine(limits.memory_bytes + (_FINDER_BYTES if limits.find_faces else 0))))
    pixels.flush()
    while lengths := photos.read(frames.LENGTHS.size):
        head_length, body_length = frames.LENGTHS.unpack(lengths)
        specs = frames.specs_of(photos.read(head_length))
        allow_cpu(limits.seconds)
        result: tuple[Picture | RefusalCode, ...] | RefusalCode
        try:
            result = minimiser.pictures(photos.read(body_length), specs)
        except PhotoRefused as refused:
            result = refused.code
        except MemoryError:
            result = RefusalCode.OUT_OF_MEMORY
        pixels.writelines(frames.reply(result))
        pixels.flush()


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


if __name__ == "__main__":
    main(frames.limits_of(sys.argv[1]))
