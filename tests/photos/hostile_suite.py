"""Thousands of mutated photos, each through the confined process that a run uses: `make test-photos-hostile`.

Not collected with the other tests, because it takes minutes. Every mutation follows from its seed and number, so a failure names a
file that can be made again. What is held for each file: it ends as clean or refused with a code of the list, in time; the process
that asked goes on, and starts no more decoders than photos took down; a clean print passes the parser of what writes it and the
parser of the leak gate, which share no code, and has no run of 16 bytes of the source's metadata.
"""

from __future__ import annotations

import io
import itertools
import random
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from transforms.leaks.jpeg import PhotoReader
from transforms.leaks.words import Words
from transforms.photos.audit import audit
from transforms.photos.faces import can_find_faces
from transforms.photos.minimise import minimise
from transforms.photos.model import Limits, PhotoRefused, PrintSpec, RefusalCode
from transforms.photos.worker import PhotoWorker
from transforms.policy.model import PhotoSpec

SUITES = Path(__file__).resolve().parents[2] / ".." / "shared" / "suites"
SPEC = PrintSpec(width_px=118, height_px=151, dpi=300, max_bytes=60_000)
ON_FACE = PrintSpec(width_px=118, height_px=151, dpi=300, max_bytes=60_000, crop="detected")
GATE = PhotoSpec(of="photo", width_mm=10, height_mm=12.8, dpi=300, max_bytes=60_000, name="token")
MUTATIONS_OF_A_SEED = 600
ALL_FORMATS = Limits(formats=("jpeg", "png", "webp"))
TAKES_THE_DECODER_DOWN = {RefusalCode.CRASHED.value, RefusalCode.TIMED_OUT.value, RefusalCode.OUT_OF_MEMORY.value}
# No file that we know of ends like this.
NEVER = (RefusalCode.CRASHED.value, RefusalCode.TIMED_OUT.value, RefusalCode.AUDIT.value)

SECRET = random.Random(16).randbytes(600)  # noqa: S311 repeatable on purpose
SECRET_TEXT = SECRET.hex()[:400]


# ---- photos to start from, each full of metadata


def portrait(width: int = 200, height: int = 256) -> Image.Image:
    cells = np.random.default_rng(9).integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)


def exif() -> bytes:
    block = Image.Exif()
    block[0x0112] = 6
    block[0x010F] = SECRET_TEXT[:100]
    block.get_ifd(0x8825)[1] = SECRET_TEXT[100:200]
    block.get_ifd(0x8769)[0x927C] = SECRET
    return block.tobytes()


def jpeg(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif(), comment=SECRET, icc_profile=profile(image.mode), **options)
    data = buffer.getvalue()
    xmp = b"http://ns.adobe.com/xap/1.0/\0" + SECRET_TEXT.encode()
    return data[:2] + struct.pack(">BBH", 0xFF, 0xE1, len(xmp) + 2) + xmp + data[2:] + SECRET


def png(image: Image.Image, **options: Any) -> bytes:
    notes = PngInfo()
    notes.add_text("Author", SECRET_TEXT)
    notes.add_itxt("XML:com.adobe.xmp", SECRET_TEXT)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=notes, exif=exif(), icc_profile=profile("RGB"), **options)
    return buffer.getvalue() + SECRET


def profile(mode: str) -> bytes | None:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() if mode == "RGB" else None


def ycck() -> bytes:
    data = jpeg(portrait().convert("CMYK"), quality=85)
    at = data.index(b"Adobe")
    return data[: at + 11] + b"\x02" + data[at + 12 :]


def multi_picture() -> bytes:
    buffer = io.BytesIO()
    portrait().save(buffer, "MPO", save_all=True, append_images=[portrait()], exif=exif())
    return buffer.getvalue() + SECRET


def with_alpha() -> Image.Image:
    image = portrait()
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def interlaced(depth: int, colour: int) -> bytes:
    """A PNG with Adam7 rows, which the library reads and does not write."""
    width, height = 200, 256
    channels = {0: 1, 2: 3, 6: 4}[colour]
    chance = np.random.default_rng(3)
    body = b""
    for x0, y0, dx, dy in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):
        across, down = -(-(width - x0) // dx), -(-(height - y0) // dy)
        row = -(-across * channels * depth // 8)
        body += b"".join(b"\0" + chance.bytes(row) for _ in range(down))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 1)
    chunks = chunk(b"IHDR", header) + chunk(b"tEXt", b"Author\0" + SECRET_TEXT.encode()) + chunk(b"IDAT", zlib.compress(body))
    return b"\x89PNG\r\n\x1a\n" + chunks + chunk(b"IEND", b"")


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def webp(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", exif=exif(), xmp=SECRET_TEXT.encode(), icc_profile=profile("RGB"), **options)
    return buffer.getvalue() + SECRET


SEEDS: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: jpeg(portrait(), quality=85),
    "jpeg-420": lambda: jpeg(portrait(), subsampling=2, quality=70),
    "jpeg-progressive": lambda: jpeg(portrait(), progressive=True, quality=80),
    "jpeg-restarts": lambda: jpeg(portrait(), restart_marker_blocks=3),
    "jpeg-grey": lambda: jpeg(portrait().convert("L"), optimize=True),
    "jpeg-cmyk": lambda: jpeg(portrait().convert("CMYK")),
    "jpeg-ycck": ycck,
    "jpeg-multi-picture": multi_picture,
    "png": lambda: png(portrait()),
    "png-alpha": lambda: png(with_alpha()),
    "png-palette": lambda: png(portrait().quantize(64), transparency=bytes(range(64))),
    "png-grey-16": lambda: png(Image.fromarray(np.arange(200 * 256, dtype=np.uint16).reshape(256, 200))),
    "png-bits": lambda: png(portrait().convert("1")),
    "png-animated": lambda: png(portrait(), save_all=True, append_images=[portrait().rotate(180)]),
    "webp": lambda: webp(portrait(), quality=80),
    "webp-alpha": lambda: webp(with_alpha(), quality=80),
    "webp-lossless": lambda: webp(portrait(), lossless=True),
    "png-interlaced": lambda: interlaced(8, 2),
    "png-interlaced-16": lambda: interlaced(16, 6),
}


# ---- mutations


def flip_bits(data: bytearray, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 2, 8, 64))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def flip_head(data: bytearray, chance: random.Random) -> None:
    """The head is where the structure is."""
    for _ in range(chance.randint(1, 4)):
        data[chance.randrange(min(900, len(data)))] = chance.randrange(256)


def cut(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(1, len(data)) :]
    if chance.random() < 0.5:
        data += chance.choice((b"\xff\xd9", chunk(b"IEND", b""), b"\xff", b"\0" * 64))


def cut_out(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    del data[at : at + chance.choice((1, 2, 7, 64, 1000))]


def put_in(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data))
    data[at:at] = chance.choice(
        (chance.randbytes(chance.randint(1, 300)), b"\xff" * 40, bytes(40), b"\xff\xd8\xff", b"\xff\xda\0\x0c")
    )


CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"eXIf", b"acTL", b"fdAT", b"zTXt")
MARKERS = (0xC0, 0xC1, 0xC2, 0xC4, 0xC9, 0xD0, 0xD9, 0xDA, 0xDB, 0xDD, 0xE0, 0xE1, 0xEE, 0xFE, 0x01)


def swap_markers(data: bytearray, chance: random.Random) -> None:
    """Another marker or chunk name in the place of one that is there."""
    if data.startswith(b"\x89PNG"):
        places = [at for at, _ in png_chunks(bytes(data))]
        if places:
            at = chance.choice(places)
            data[at + 4 : at + 8] = chance.choice(CHUNKS)
            mend(data, at)
        return
    places = [at for at in range(len(data) - 1) if data[at] == 0xFF and data[at + 1] not in (0, 0xFF)]
    if places:
        data[chance.choice(places) + 1] = chance.choice(MARKERS)


def lie_about_length(data: bytearray, chance: random.Random) -> None:
    if data.startswith(b"\x89PNG"):
        places = [at for at, _ in png_chunks(bytes(data))]
        if places:
            at = chance.choice(places)
            lie = chance.choice((0, 1, 2**31 - 1, 2**32 - 1, chance.randrange(70_000)))
            data[at : at + 4] = struct.pack(">I", lie)
            mend(data, at)
        return
    if data.startswith(b"RIFF"):
        at = chance.choice([0, *webp_chunks(bytes(data))])
        data[at + 4 : at + 8] = struct.pack("<I", chance.choice((0, 1, 2**31 - 1, 2**32 - 1, chance.randrange(70_000))))
        return
    places = [at for at in range(len(data) - 4) if data[at] == 0xFF and data[at + 1] >= 0xC0 and data[at + 1] != 0xFF]
    if places:
        at = chance.choice(places)
        data[at + 2 : at + 4] = struct.pack(">H", chance.choice((0, 1, 2, 3, 0xFFFF, chance.randrange(2**16))))


def lie_about_size(data: bytearray, chance: random.Random) -> None:
    """Another width, height, depth or number of components, with a checksum that is right."""
    if data.startswith(b"\x89PNG") and len(data) > 33:
        field = chance.choice((16, 20, 24))
        if field == 24:
            data[24 + chance.randrange(5)] = chance.choice((0, 1, 2, 3, 4, 6, 8, 16, 255))
        else:
            data[field : field + 4] = struct.pack(">I", chance.choice((0, 1, 199, 400, 5_000, 9_999, 2**31 - 1)))
        mend(data, 8)
        return
    for start in (0xC0, 0xC1, 0xC2):
        at = data.find(bytes((0xFF, start)))
        if 0 <= at < len(data) - 12:
            offset = chance.choice((4, 5, 7, 9, 10, 11))
            if offset in (5, 7):
                data[at + offset : at + offset + 2] = struct.pack(">H", chance.choice((0, 1, 255, 300, 4_000, 9_999, 65_500)))
            else:
                data[at + offset] = chance.randrange(256)
            return


def move_pieces(data: bytearray, chance: random.Random) -> None:
    """Segments or chunks in another order, twice, or not at all."""
    pieces = list(split(bytes(data)))
    if len(pieces) < 3:
        return
    first, second = chance.randrange(1, len(pieces)), chance.randrange(1, len(pieces))
    match chance.randrange(3):
        case 0:
            pieces[first], pieces[second] = pieces[second], pieces[first]
        case 1:
            pieces.insert(first, pieces[second])
        case _:
            del pieces[first]
    data[:] = b"".join(pieces)


def splice(data: bytearray, chance: random.Random) -> None:
    other = chance.choice(list(SEEDS.values()))()
    at, from_ = chance.randrange(len(data)), chance.randrange(len(other))
    data[at:] = other[from_:]


def spoil_pixels(data: bytearray, chance: random.Random) -> None:
    """Image data that inflate well and are wrong, or a scan that is long and wrong."""
    if not data.startswith(b"\x89PNG"):
        start = max(data.find(b"\xff\xda") + 14, 1)
        for _ in range(chance.randint(1, 200)):
            if start < len(data):
                data[chance.randrange(start, len(data))] = chance.randrange(255)
        return
    for at, name in png_chunks(bytes(data)):
        if name == b"IDAT":
            length = int.from_bytes(data[at : at + 4])
            try:
                raw = bytearray(zlib.decompress(bytes(data[at + 8 : at + 8 + length])))
            except zlib.error:
                return
            for _ in range(chance.randint(1, 300)):
                raw[chance.randrange(len(raw))] = chance.randrange(256)
            del raw[chance.choice((len(raw), len(raw) - 1, len(raw) // 2)) :]
            data[at : at + 12 + length] = chunk(b"IDAT", zlib.compress(bytes(raw) + chance.choice((b"", bytes(100_000)))))
            return


def spoil_profile(data: bytearray, chance: random.Random) -> None:
    """A colour profile that the reader of profiles gets whole, and wrong."""
    if data.startswith(b"\x89PNG"):
        for at, name in png_chunks(bytes(data)):
            if name == b"iCCP":
                length = int.from_bytes(data[at : at + 4])
                bad = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
                flip_bits(bad, chance)
                data[at : at + 12 + length] = chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(bad)))
                return
        return
    at = data.find(b"ICC_PROFILE\0")
    if at >= 0:
        for _ in range(chance.randint(1, 40)):
            data[at + 14 + chance.randrange(500)] = chance.randrange(256)


MUTATIONS = (
    flip_bits, flip_head, cut, cut_out, put_in, swap_markers, lie_about_length, lie_about_size, move_pieces, splice, spoil_pixels,
    spoil_profile,
)  # fmt: skip


def png_chunks(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4])
        if at + 12 + length > len(data):
            return
        yield at, data[at + 4 : at + 8]
        at += 12 + length


def webp_chunks(data: bytes) -> Iterator[int]:
    at = 12
    while at + 8 <= len(data):
        yield at
        length = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + length + length % 2


def mend(data: bytearray, at: int) -> None:
    """Puts the checksum of a chunk right, so that a mutation gets past it."""
    length = int.from_bytes(data[at : at + 4])
    end = at + 8 + length
    if end + 4 <= len(data):
        data[end : end + 4] = struct.pack(">I", zlib.crc32(bytes(data[at + 4 : end])))


def split(data: bytes) -> Iterator[bytes]:
    """The start of a file, its segments or chunks, and what is left."""
    if data.startswith(b"\x89PNG"):
        yield data[:8]
        end = 8
        for at, _ in png_chunks(data):
            end = at + 12 + int.from_bytes(data[at : at + 4])
            yield data[at:end]
        yield data[end:]
        return
    if data.startswith(b"RIFF"):
        places = [0, *webp_chunks(data), len(data)]
        yield from (data[first:second] for first, second in itertools.pairwise(places))
        return
    yield data[:2]
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        yield data[at:end]
        at = end
    yield data[at:]


def mutated(seed: bytes, chance: random.Random) -> bytes:
    data = bytearray(seed)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        chance.choice(MUTATIONS)(data, chance)
        if not data:
            return b"\0"
    if data.startswith(b"\x89PNG") and chance.random() < 0.7:
        for at, _ in png_chunks(bytes(data)):
            mend(data, at)
    return bytes(data)


# ---- what holds for every file


class Ends:
    """What became of photos in one worker, held to what must hold for each."""

    def __init__(self, worker: PhotoWorker, secret: bytes = SECRET, texts: Iterable[bytes] = (SECRET_TEXT.encode(),)) -> None:
        self._worker = worker
        self._secret = {run for part in (secret, *texts) for run in runs(part)}
        self._pids = {worker.pid}
        self.counts: Counter[str] = Counter()
        self.slowest = 0.0

    def see(self, data: bytes, spec: PrintSpec = SPEC) -> None:
        started = time.monotonic()
        try:
            rendition = self._worker.minimise(data, [spec]).rendition()
        except PhotoRefused as refused:
            self.counts[str(refused)] += 1  # an exception's whole text is its code
        else:
            self.counts["clean"] += 1
            audit(rendition.jpeg, spec, (rendition.width_px, rendition.height_px))
            gate = PhotoReader(GATE, words := Words())
            gate.read(rendition.jpeg, "a photo")
            assert not [finding for check in gate.checks for finding in check.findings()]
            assert not words.places
            assert self._secret.isdisjoint(runs(rendition.jpeg))
        self.slowest = max(self.slowest, time.monotonic() - started)
        self._pids.add(self._worker.pid)

    def close(self) -> None:
        """The worker still works, and no decoder was started but for a photo that took one down."""
        assert set(self.counts) <= {"clean", *RefusalCode}
        taken_down = sum(self.counts[code] for code in TAKES_THE_DECODER_DOWN)
        assert len(self._pids) <= 1 + taken_down
        assert self.slowest < Limits().seconds + 10
        good = jpeg(portrait())
        assert self._worker.minimise(good, [SPEC]) == minimise(good, [SPEC])


def runs(data: bytes) -> set[bytes]:
    """Every run of 16 bytes that are not all alike."""
    return {run for at in range(len(data) - 15) if len(set(run := data[at : at + 16])) > 4}


@pytest.mark.parametrize("kind", SEEDS)
def test_every_mutated_photo_ends_clean_or_refused_and_takes_nobody_with_it(kind: str) -> None:
    seed = SEEDS[kind]()
    chance = random.Random(f"20261123 {kind}")  # noqa: S311 repeatable on purpose
    with PhotoWorker(ALL_FORMATS) as worker:
        ends = Ends(worker)
        ends.see(seed)
        assert ends.counts["clean"] == 1
        for _ in range(MUTATIONS_OF_A_SEED):
            ends.see(mutated(seed, chance))
        ends.close()
    assert ends.counts.total() == MUTATIONS_OF_A_SEED + 1
    # Mutations that are all refused at the door would prove nothing about the decoder, and the other way round.
    assert 10 < ends.counts["clean"] < MUTATIONS_OF_A_SEED - 60
    assert not sum(ends.counts[code] for code in NEVER)


def test_there_are_at_least_five_thousand_mutated_photos() -> None:
    assert len(SEEDS) * MUTATIONS_OF_A_SEED >= 5_000


@pytest.mark.skipif(not can_find_faces(), reason="the extra face is not installed")
def test_every_mutated_photo_in_which_a_face_is_looked_for_ends_clean_or_refused() -> None:
    chance = random.Random("20261123 faces")  # noqa: S311 repeatable on purpose
    with PhotoWorker(replace(ALL_FORMATS, find_faces=True)) as worker:
        ends = Ends(worker)
        for make in SEEDS.values():
            seed = make()
            for _ in range(30):
                ends.see(mutated(seed, chance), ON_FACE)
        ends.close()
    assert ends.counts["clean"] > 50
    assert not sum(ends.counts[code] for code in NEVER)


@pytest.mark.suites
@pytest.mark.skipif(not SUITES.is_dir(), reason="the public corpora are not beside this checkout")
@pytest.mark.parametrize("corpus", ["img-exif-samples", "img-pngsuite", "img-libjpeg-turbo", "img-orientation", "img-faces"])
def test_mutated_files_of_a_corpus_end_clean_or_refused(corpus: str) -> None:
    chance = random.Random(f"20261123 {corpus}")  # noqa: S311 repeatable on purpose
    files = [path for path in sorted((SUITES / corpus).rglob("*")) if path.is_file() and path.stat().st_size < 1_000_000]
    with PhotoWorker() as worker:
        ends = Ends(worker)
        for path in files:
            data = path.read_bytes()
            if data.startswith((b"\xff\xd8\xff", b"\x89PNG")):
                for _ in range(6):
                    ends.see(mutated(data, chance))
        ends.close()
    assert ends.counts.total() >= 6 * 4
    assert not sum(ends.counts[code] for code in NEVER)
