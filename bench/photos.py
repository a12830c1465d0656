"""Photos of 2, 5, 8 and 12 megapixels to a print of 295 x 378: beside the least that it can cost, and beside other tools.

One core, CPU seconds of every process that takes part, contenders in turn round by round, medians. The limit is a C loop on
libjpeg-turbo (photo_limit.c): it decodes at the coarsest scale that covers the print, encodes a print, and checks nothing. Every
contender reads its files; all but the limit turn, crop and resample. What starts once a night (Python, the decoding
process) is started before the clock; the command lines get all files of a round in one call.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from photo_material import BYTES_PER_PIXEL, copies, large_photos, photos_of
from PIL import Image, ImageOps

from transforms.photos.cache import PhotoCache
from transforms.photos.encode import render
from transforms.photos.mark import Mark
from transforms.photos.minimise import Minimiser, read_source
from transforms.photos.model import Limits, PhotoRefused, PrintSpec
from transforms.photos.pool import PhotoPool
from transforms.photos.worker import _ENVIRONMENT, PhotoWorker

ROOT = Path(__file__).resolve().parent.parent
SIZES = (2, 5, 8, 12)
CAMERA = 0  # stands among the sizes for photographs of real cameras, where the corpus is at hand
SPEC = PrintSpec(295, 378, 300, 60_000)  # 25 x 32 mm at 300 dpi
OTHER = PrintSpec(248, 319, 300, 60_000)  # 21 x 27 mm: another supplier's card
QUALITY = 85
MARK, OTHER_MARK = Mark(bytes(32)), Mark(bytes([1] * 32))

Contender = Callable[[Sequence[Path]], float]


def children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def process_cpu(pid: int) -> float:
    """CPU seconds of another live process: its clock, as clock_getcpuclockid(3) makes the number of it."""
    return time.clock_gettime(~pid << 3 | 2)


class Limit:
    """The C loop, compiled here."""

    def __init__(self, work: Path) -> None:
        self._program = work / "limit"
        source = ROOT / "bench" / "photo_limit.c"
        subprocess.run(["cc", "-O2", "-Wall", "-o", str(self._program), str(source), "-ljpeg"], check=True)

    def __call__(self, paths: Sequence[Path]) -> float:
        arguments = [str(self._program), "1", str(SPEC.width_px), str(SPEC.height_px), str(QUALITY), *map(str, paths)]
        return float(subprocess.run(arguments, check=True, capture_output=True, text=True).stdout)


class Product:
    """The whole way of a photo through a run: read, walked, decoded in the confined process, marked, encoded and audited here."""

    def __init__(self, specs: Sequence[PrintSpec], marks: Sequence[Mark]) -> None:
        self._specs, self._marks = specs, marks
        self._worker = PhotoWorker().__enter__()

    def __call__(self, paths: Sequence[Path]) -> float:
        pid = self._worker.pid
        assert pid is not None
        start, child = time.process_time(), process_cpu(pid)
        for path in paths:
            self._worker.minimise(path.read_bytes(), self._specs, self._marks)
        assert self._worker.pid == pid
        return time.process_time() - start + process_cpu(pid) - child

    def close(self) -> None:
        self._worker.close()


class Unconfined:
    """The same code in this process."""

    def __init__(self) -> None:
        self._minimiser = Minimiser()

    def __call__(self, paths: Sequence[Path]) -> float:
        start = time.process_time()
        for path in paths:
            render(self._minimiser.pictures(path.read_bytes(), [SPEC]), [SPEC], [MARK])
        return time.process_time() - start


def plain_pillow(paths: Sequence[Path]) -> float:
    """What one writes first; it checks nothing and keeps the colours as they come."""
    start = time.process_time()
    for path in paths:
        with Image.open(path) as image:
            fitted = ImageOps.fit(ImageOps.exif_transpose(image), (SPEC.width_px, SPEC.height_px), centering=(0.5, 0.0))
        fitted.save(io.BytesIO(), "JPEG", quality=QUALITY, subsampling=0)
    return time.process_time() - start


class CommandLine:
    """A program that takes all files in one call; its CPU is what the kernel charges to it, its start included."""

    def __init__(self, work: Path, *command: str) -> None:
        self._command, self._out = command, work / "out"

    def __call__(self, paths: Sequence[Path]) -> float:
        shutil.rmtree(self._out, ignore_errors=True)
        self._out.mkdir()
        before = children_cpu()
        environment = {**os.environ, "VIPS_CONCURRENCY": "1", "MAGICK_THREAD_LIMIT": "1", "OMP_NUM_THREADS": "1"}
        subprocess.run([*self._command, *map(str, paths)], check=True, cwd=self._out, env=environment, capture_output=True)
        cost = children_cpu() - before
        assert len(list(self._out.iterdir())) == len(paths), f"{self._command[0]} did not write every photo"
        return cost


def command_lines(work: Path) -> dict[str, Contender]:
    out = str(work / "out")
    size = f"{SPEC.width_px}x{SPEC.height_px}"
    vips = f"{out}/%s.jpg[Q={QUALITY},strip,subsample-mode=off]"
    hint = f"jpeg:size={2 * SPEC.width_px}x{2 * SPEC.height_px}"
    return {
        "vipsthumbnail": CommandLine(work, "vipsthumbnail", "--size", size, "--smartcrop", "low", "-o", vips),
        "ImageMagick": CommandLine(
            work, "mogrify", "-path", out, "-define", hint, "-auto-orient", "-thumbnail", f"{size}^", "-gravity", "north",
            "-extent", size, "-strip", "-sampling-factor", "1x1", "-quality", str(QUALITY),
        ),
    }  # fmt: skip


def photos_a_second(rounds: int, material: Mapping[int, Sequence[Path]], work: Path) -> dict[str, dict[int, list[float]]]:
    """CPU seconds a photo: by contender and size, one figure a round."""
    one, two = Product([SPEC], [MARK]), Product([SPEC, OTHER], [MARK, OTHER_MARK])
    contenders: dict[str, Contender] = {
        "limit": Limit(work),
        "supplier-views": one,
        "two suppliers": two,
        "not confined": Unconfined(),
        **command_lines(work),
        "plain Pillow": plain_pillow,
    }
    costs: dict[str, dict[int, list[float]]] = {name: {size: [] for size in material} for name in contenders}
    for number in range(rounds + 1):
        for size, paths in material.items():
            for name, contender in contenders.items():
                cost = contender(paths) / len(paths)
                if number:  # the first round warms caches up
                    costs[name][size].append(cost)
    one.close()
    two.close()
    return costs


def two_workers(paths: Sequence[Path], rounds: int) -> tuple[float, list[float]]:
    """Wall time of one worker over that of two, round by round, and the load of the machine meanwhile."""
    ratios = []
    with PhotoPool(1) as one, PhotoPool(2) as two:
        for number in range(rounds + 1):
            walls = []
            for pool in (one, two):
                start = time.perf_counter()
                for _key, result in pool.map(((path, path.read_bytes) for path in paths), [SPEC], [MARK]):
                    assert not isinstance(result, PhotoRefused), result
                walls.append(time.perf_counter() - start)
            if number:
                ratios.append(walls[0] / walls[1])
    return statistics.median(ratios), ratios


def two_nights(work: Path, originals: Sequence[Path], count: int) -> tuple[float, float]:
    """CPU seconds a photo of a first night, and of a second on which one photo in a hundred is new."""
    folder, kept, out = work / "night", work / "night-cache", work / "night-out"
    for path in (folder, kept, out):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
    nights = []
    try:
        paths = list(copies(originals, folder, count + count // 100))
        for night in (paths[:count], paths[count // 100 :]):
            with PhotoPool(1, cache=PhotoCache(kept, bytes(32), None)) as pool:
                list(pool.map([(0, originals[0].read_bytes)], [OTHER]))
                (pid,) = pool.pids
                start, child = time.process_time(), process_cpu(pid or 0)
                for path, result in pool.map(((path, path.read_bytes) for path in night), [SPEC], [MARK]):
                    assert not isinstance(result, PhotoRefused), result
                    (out / path.name).write_bytes(result.rendition().jpeg)
                nights.append((time.process_time() - start + process_cpu(pid or 0) - child) / count)
    finally:
        for path in (folder, kept, out):
            shutil.rmtree(path)
    return nights[0], nights[1]


def peak_mb(work: Path) -> dict[str, float]:
    """The most resident memory that a worker ever had, with one large photo of each kind: a fresh worker each."""
    files = large_photos(work / "material")
    peaks = {}
    for name, path in files.items():
        with PhotoWorker(Limits(seconds=60)) as worker:
            worker.minimise(path.read_bytes(), [SPEC])
            status = Path(f"/proc/{worker.pid}/status").read_text()
        peaks[name] = next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))
    return peaks


def camera_photos() -> list[Path]:
    """Photographs of two megapixels and more of a public corpus that the product takes; none without the corpus."""
    taken = []
    for path in sorted((ROOT / ".." / "shared" / "suites" / "img-exif-samples").rglob("*.jpg")):
        try:
            source = read_source(path.read_bytes(), Limits())
            if source.width * source.height >= 2_000_000:
                render(Minimiser().pictures(path.read_bytes(), [SPEC]), [SPEC])
                taken.append(path)
        except PhotoRefused:
            continue
    return taken


def plot(rates: Mapping[str, Mapping[int, float]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 4.5))
    width = 0.8 / len(rates)
    for index, (name, by_size) in enumerate(rates.items()):
        places = [number + index * width for number in range(len(SIZES))]
        axes.bar(places, [by_size[size] for size in SIZES], width, label=name)
    axes.set_xticks([number + 0.4 - width / 2 for number in range(len(SIZES))], [f"{size} MP" for size in SIZES])
    axes.set_ylabel("photos a CPU second")
    axes.set_title(f"JPEG to {SPEC.width_px} x {SPEC.height_px}, one core")
    axes.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--photos", type=int, default=8, help="distinct photos of each size")
    parser.add_argument("--night", type=int, default=2000, help="photos of the two nights")
    parser.add_argument("--work", type=Path, default=ROOT / "local" / "bench" / "photos")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    material: dict[int, list[Path]] = {size: photos_of(options.work / "material", size, options.photos) for size in SIZES}
    if camera := camera_photos():
        material[CAMERA] = camera
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[:1])
    costs = photos_a_second(options.rounds, material, options.work)
    peaks = peak_mb(options.work)
    nights = two_nights(options.work, material[2], options.night)
    os.sched_setaffinity(0, cores)
    pair, pair_rounds = two_workers(material[5] * 4, options.rounds)

    def ratio(above: str, below: str, size: int) -> float:
        """Median over rounds of one contender's cost over another's in the same round."""
        return statistics.median(a / b for a, b in zip(costs[above][size], costs[below][size], strict=True))

    print(f"drawn portraits, {options.photos} of each size, MB a megapixel as of real cameras: ", end="")
    print(", ".join(f"{size} MP {BYTES_PER_PIXEL[size]}" for size in SIZES), end="; ")
    print(f"medians of {options.rounds} rounds in turn on one core; load of the machine {os.getloadavg()[0]:.1f}")
    rates = {name: {s: 1 / statistics.median(v) for s, v in by_size.items()} for name, by_size in costs.items()}
    heads = (f"{size} MP" if size else f"{len(material[size])} of cameras" for size in material)
    print(f"{'photos a CPU second':24}" + "".join(f"{head:>14}" for head in heads) + "   (share of the limit)")
    for name, by_size in rates.items():
        cells = (f"{by_size[size]:8.1f} {1 / ratio(name, 'limit', size):5.2f}" for size in material)
        print(f"{name:24}" + "".join(cells))
    for name, mb in peaks.items():
        print(f"peak memory of a worker, {name}: {mb:.0f} MB")
    print(f"{options.night:,} photos of 2 MP, CPU ms a photo: first night {nights[0] * 1e3:.2f}, ", end="")
    print(f"second night, one in a hundred new, {nights[1] * 1e3:.2f}")
    print("two workers beside one, by round: " + ", ".join(f"{value:.2f}" for value in pair_rounds))
    plot(rates, options.work / "photos.png")
    print(f"plot: {options.work / 'photos.png'}")
    ratios = {
        **{f"share_of_limit_{size}mp": round(1 / ratio("supplier-views", "limit", size), 2) for size in SIZES},
        "vs_vipsthumbnail": round(min(ratio("vipsthumbnail", "supplier-views", size) for size in SIZES), 2),
        "vs_imagemagick": round(min(ratio("ImageMagick", "supplier-views", size) for size in SIZES), 2),
        "sandbox_cost": round(max(ratio("supplier-views", "not confined", size) for size in SIZES) - 1, 2),
        "two_workers": round(pair, 2),
        "second_supplier_cost": round(max(ratio("two suppliers", "supplier-views", size) for size in SIZES) - 1, 2),
        "second_night_cost": round(nights[1] / nights[0], 3),
        "peak_mb_50mp": round(max(peaks.values())),
    }
    print(json.dumps(ratios))


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in _ENVIRONMENT.items()):
        # Every contender in this process gets the allocator that the decoding process has.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **_ENVIRONMENT})  # noqa: S606
    main()
