"""Public corpora: every file ends clean or refused, and the process that asked is alive."""

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from transforms.photos.model import PhotoRefused, PrintSpec, RefusalCode, Rendition
from transforms.photos.worker import PhotoWorker

SUITES = Path(__file__).resolve().parents[2] / ".." / "shared" / "suites"
SPEC = PrintSpec(width_px=295, height_px=378, dpi=300, max_bytes=200_000)

pytestmark = [
    pytest.mark.suites,
    pytest.mark.skipif(not SUITES.is_dir(), reason="the public corpora are not beside this checkout"),
]


def outcome(worker: PhotoWorker, path: Path) -> Rendition | RefusalCode:
    try:
        return worker.minimise(path.read_bytes(), [SPEC]).outcomes[0]
    except PhotoRefused as refused:
        return refused.code


@pytest.mark.parametrize(
    ("corpus", "least_clean"),
    [("img-exif-samples", 65), ("img-pngsuite", 170), ("img-libjpeg-turbo", 4), ("img-orientation", 18), ("img-faces", 5)],
)
def test_every_file_of_a_corpus_ends_clean_or_refused(corpus: str, least_clean: int) -> None:
    ends: Counter[str] = Counter()
    with PhotoWorker() as worker:
        first = worker.pid
        for path in sorted(p for p in (SUITES / corpus).rglob("*") if p.is_file()):
            result = outcome(worker, path)
            ends["clean" if isinstance(result, Rendition) else result.value] += 1
        assert worker.pid == first
    assert ends["clean"] >= least_clean
    assert not ends[RefusalCode.CRASHED.value] + ends[RefusalCode.TIMED_OUT.value] + ends[RefusalCode.AUDIT.value]


def test_corrupt_files_of_the_png_suite_are_refused() -> None:
    with PhotoWorker() as worker:
        corrupt = sorted((SUITES / "img-pngsuite").rglob("x*.png"))
        accepted = [path.name for path in corrupt if isinstance(outcome(worker, path), Rendition)]
    assert len(corrupt) >= 14
    assert accepted == []


@pytest.mark.parametrize("kind", ["Landscape", "Portrait"])
def test_camera_photos_of_every_orientation_come_out_like_the_first(kind: str) -> None:
    with PhotoWorker() as worker:
        pictures = {}
        for number in range(9):
            result = outcome(worker, SUITES / "img-orientation" / f"{kind}_{number}.jpg")
            assert isinstance(result, Rendition)
            pictures[number] = np.asarray(Image.open(io.BytesIO(result.jpeg)), dtype=float)
    # Each file has its own number painted on it, so they are nearly and not wholly equal.
    for picture in pictures.values():
        assert picture.shape == (378, 295, 3)
        assert np.abs(picture - pictures[1]).mean() < 8


@pytest.mark.parametrize(
    ("corpus", "least"),
    [("img-exif-samples", 60), ("img-pngsuite", 100), ("img-libjpeg-turbo", 3), ("img-orientation", 18), ("img-faces", 3)],
)
def test_no_run_of_a_source_s_metadata_is_in_the_output(corpus: str, least: int) -> None:
    checked = 0
    with PhotoWorker() as worker:
        for path in sorted(p for p in (SUITES / corpus).rglob("*") if p.is_file()):
            source = path.read_bytes()
            result = outcome(worker, path)
            if isinstance(result, RefusalCode):
                continue
            # The audit has seen that the headers are tables only, and tables of two files may well be alike.
            scan = result.jpeg[result.jpeg.index(b"\xff\xda") :]
            assert runs(metadata(source)) & runs(scan) == set(), path.name
            checked += 1
    assert checked >= least


def metadata(source: bytes) -> bytes:
    """All of a file but its pixels: what stands before a JPEG's last scan and behind it, or every chunk of a PNG but its image."""
    if source.startswith(b"\xff\xd8"):
        return source[2 : source.rindex(b"\xff\xda")] + source[source.rindex(b"\xff\xd9") :]
    found, at = b"", 8
    while at + 12 <= len(source):
        end = at + 12 + int.from_bytes(source[at : at + 4])
        if source[at + 4 : at + 8] not in (b"IDAT", b"PLTE"):
            found += source[at + 8 : end - 4]
        at = end
    return found


def runs(data: bytes) -> set[bytes]:
    """Every run of 16 bytes that are not all alike."""
    return {run for at in range(len(data) - 15) if len(set(run := data[at : at + 16])) > 4}
