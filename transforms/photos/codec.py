"""Which codecs decode and encode; output bytes are promised for one version of them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import PurePath

import PIL
from PIL import features

from transforms.photos.faces import MODEL


def codec_versions() -> dict[str, str]:
    """Names and versions of the libraries that an output's bytes depend on, for the manifest."""
    versions = {"pillow": PIL.__version__}
    for label, name in (("libjpeg-turbo", "libjpeg_turbo"), ("littlecms", "littlecms2"), ("zlib", "zlib")):
        versions[label] = features.version(name) or "unknown"
    return versions


def finder_versions() -> dict[str, str]:
    """Names and versions of what a crop on a found face depends on besides, for the manifest."""
    try:
        opencv = version("opencv-python-headless")
    except PackageNotFoundError:  # another build of OpenCV
        opencv = "unknown"
    return {"opencv": opencv, "face-model": PurePath(MODEL).stem}
