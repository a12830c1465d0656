"""Synthetic photos: drawn, distinct, and full of what must be stripped."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps

from pipelines.demo_data import camera, faces
from pipelines.demo_data.camera import Damage, Shot, Sitter
from pipelines.demo_data.studio import open_studio, work

SIZE = camera.size_of(0.12)


@pytest.fixture(scope="module")
def sitter() -> Sitter:
    rng = np.random.Generator(np.random.PCG64(4))
    return camera.seat(faces.draw(faces.invent(rng), rng))


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return camera.grain(*SIZE)


def shoot(sitter: Sitter, noise: np.ndarray, row: int, suffix: str = "jpg", damage: Damage | None = None) -> bytes:
    return camera.take(sitter, Shot(row, f"00001/a.{suffix}", "Portrait of Ó Sé, pay number 00000017", damage), 1, SIZE, noise)


def orientation_of(data: bytes) -> int:
    return int(Image.open(io.BytesIO(data)).getexif()[ExifTags.Base.Orientation])


@pytest.mark.parametrize(("megapixels", "size"), [(0.5, (612, 816)), (2.0, (1224, 1632))])
def test_a_portrait_is_three_by_four_with_about_so_many_megapixels(megapixels: float, size: tuple[int, int]) -> None:
    assert camera.size_of(megapixels) == size


def test_a_photo_says_where_when_with_what_and_by_whom_it_was_taken(sitter: Sitter, noise: np.ndarray) -> None:
    exif = Image.open(io.BytesIO(shoot(sitter, noise, 1))).getexif()
    details, gps = exif.get_ifd(ExifTags.IFD.Exif), exif.get_ifd(ExifTags.IFD.GPSInfo)
    assert {ExifTags.Base.Make, ExifTags.Base.Artist, ExifTags.Base.DateTime, ExifTags.Base.Orientation} <= set(exif)
    assert {ExifTags.Base.BodySerialNumber, ExifTags.Base.DateTimeOriginal, ExifTags.Base.ImageUniqueID} <= set(details)
    degrees, minutes, seconds = (float(v) for v in gps[ExifTags.GPS.GPSLatitude])
    assert gps[ExifTags.GPS.GPSLatitudeRef] == "N"
    assert 52.2 <= degrees + minutes / 60 + seconds / 3600 <= 52.9


def test_a_photo_holds_a_thumbnail_of_the_face_as_it_is_stored(sitter: Sitter, noise: np.ndarray) -> None:
    data = shoot(sitter, noise, 1)
    block = Image.open(io.BytesIO(data)).info["exif"]
    start = block.index(b"\xff\xd8\xff")
    small = Image.open(io.BytesIO(block[start:]))
    stored = Image.open(io.BytesIO(data))
    assert (small.width < small.height) == (stored.width < stored.height)
    likeness = np.corrcoef(np.asarray(small.convert("L")).ravel(), np.asarray(stored.convert("L").resize(small.size)).ravel())[0, 1]
    assert likeness > 0.6


def test_the_second_directory_of_the_exif_block_points_at_the_thumbnail(sitter: Sitter, noise: np.ndarray) -> None:
    tiff = Image.open(io.BytesIO(shoot(sitter, noise, 1))).info["exif"][6:]
    second = int.from_bytes(tiff[(at := 8 + 2 + 12 * int.from_bytes(tiff[8:10], "little")) : at + 4], "little")
    count = int.from_bytes(tiff[second : second + 2], "little")
    entries = {
        int.from_bytes(tiff[e : e + 2], "little"): int.from_bytes(tiff[e + 8 : e + 12], "little")
        for e in range(second + 2, second + 2 + 12 * count, 12)
    }
    start, length = entries[0x0201], entries[0x0202]
    assert tiff[start : start + 2] == b"\xff\xd8"
    assert tiff[start + length - 2 : start + length] == b"\xff\xd9"
    assert start + length == len(tiff)


def test_the_comment_of_a_photo_names_the_person(sitter: Sitter, noise: np.ndarray) -> None:
    jpeg, png = (Image.open(io.BytesIO(shoot(sitter, noise, 1, suffix))) for suffix in ("jpg", "png"))
    assert jpeg.format == "JPEG"
    assert jpeg.info["comment"].decode() == "Portrait of Ó Sé, pay number 00000017"
    assert png.format == "PNG"
    assert png.info["Comment"] == "Portrait of Ó Sé, pay number 00000017"
    assert png.getexif().get_ifd(ExifTags.IFD.GPSInfo)


def test_photos_are_stored_turned_and_come_out_upright(sitter: Sitter, noise: np.ndarray) -> None:
    by_orientation = {orientation_of(data): data for data in (shoot(sitter, noise, row) for row in range(120))}
    assert set(by_orientation) == {1, 3, 6, 8}
    drawn = np.asarray(sitter.luma.resize((60, 80)), dtype=float)
    for data in by_orientation.values():
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        assert upright.size == SIZE
        seen = np.asarray(upright.convert("L").resize((60, 80)), dtype=float)
        either_way = max(np.corrcoef(drawn.ravel(), view.ravel())[0, 1] for view in (seen, seen[:, ::-1]))
        upside_down = np.corrcoef(drawn.ravel(), seen[::-1].ravel())[0, 1]
        assert either_way > 0.7 > upside_down


def test_photos_of_the_same_face_differ_in_their_pixels(sitter: Sitter, noise: np.ndarray) -> None:
    pixels = {hashlib.sha256(Image.open(io.BytesIO(shoot(sitter, noise, row))).tobytes()).digest() for row in range(30)}
    assert len(pixels) == 30


def test_grain_covers_the_whole_photo_and_never_wraps_round(sitter: Sitter, noise: np.ndarray) -> None:
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(shoot(sitter, noise, 3, "png")))).convert("L")
    wall = np.asarray(image, dtype=int)[:60, :40]  # beside the head, where nothing is drawn
    assert np.abs(np.diff(wall, axis=1)).max() <= 2 * 6 + 4  # a sum that wrapped round would jump by 256
    assert all(np.std(part) > 1 for part in np.array_split(wall, 4, axis=0))


def test_faces_differ_from_each_other() -> None:
    drawn = []
    for seed in range(25):
        rng = np.random.Generator(np.random.PCG64(seed))
        drawn.append(faces.draw(faces.invent(rng), rng))
    assert all(image.shape == (faces.HEIGHT, faces.WIDTH, 3) for image in drawn)
    assert len({image.tobytes() for image in drawn}) == 25
    assert len({faces.invent(np.random.Generator(np.random.PCG64(seed))) for seed in range(2_000)}) == 2_000


def test_a_truncated_photo_cannot_be_decoded(sitter: Sitter, noise: np.ndarray) -> None:
    with pytest.raises(OSError, match="truncated"):
        Image.open(io.BytesIO(shoot(sitter, noise, 1, damage=Damage.TRUNCATED))).load()


def test_what_is_not_an_image_is_not_recognised(sitter: Sitter, noise: np.ndarray) -> None:
    with pytest.raises(OSError, match="cannot identify"):
        Image.open(io.BytesIO(shoot(sitter, noise, 1, damage=Damage.NOT_AN_IMAGE)))


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_worker_processes_take_the_same_photos_as_one_process(tmp_path: Path) -> None:
    shots = [Shot(row, f"0000{row % 3}/p{row:04}.jpg", "x", Damage.MISSING if row == 5 else None) for row in range(130)]
    with open_studio(tmp_path / "many", seed=1, people=130, megapixels=0.02) as studio:
        assert sum(written for _, written in studio.photograph(shots)) == 129
        tasks = list(studio._tasks(shots))
    assert len(tasks) > 1
    for task in tasks:
        alone = type(task)(str(tmp_path / "one"), task.seed, task.size, task.faces)
        for _, its_shots in alone.faces:
            for shot in its_shots:
                (tmp_path / "one" / shot.path).parent.mkdir(parents=True, exist_ok=True)
        work(alone)
    many = files_of(tmp_path / "many")
    assert many == files_of(tmp_path / "one")
    assert len(set(many.values())) == 129
