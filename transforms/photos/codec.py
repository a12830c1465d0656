"""Which codecs decode and encode; output bytes are promised for one version of them."""

from __future__ import annotations

import PIL
from PIL import features


def codec_versions() -> dict[str, str]:
    """Names and versions of the libraries that an output's bytes depend on, for the manifest."""
    versions = {"pillow": PIL.__version__}
    for label, name in (("libjpeg-turbo", "libjpeg_turbo"), ("littlecms", "littlecms2"), ("zlib", "zlib")):
        versions[label] = features.version(name) or "unknown"
    return versions
