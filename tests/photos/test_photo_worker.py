"""The confined process: the same results, no way out of it, and a photo that takes it down takes only itself."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from transforms.photos.codec import codec_versions
from transforms.photos.minimise import minimise
from transforms.photos.model import Limits, PhotoRefused, PrintSpec
from transforms.photos.worker import PhotoWorker

SPEC = PrintSpec(width_px=295, height_px=378, dpi=300, max_bytes=60_000)
LARGE = PrintSpec(width_px=591, height_px=756, dpi=600, max_bytes=200_000, background=(1, 2, 3))


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def portrait(width: int = 640, height: int = 800) -> Image.Image:
    cells = np.random.default_rng(9).integers(0, 256, (height // 30, width // 30, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)


def slow_photo() -> bytes:
    """A progressive picture whose first scan comes 90 times: within every limit, and a second or more of decoding."""
    whole = encoded(Image.new("RGB", (3000, 4000), (90, 120, 200)), progressive=True, subsampling=0)
    start = whole.index(b"\xff\xda")
    data = start + 2 + int.from_bytes(whole[start + 2 : start + 4])
    after = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]").search(whole, data)
    assert after is not None
    return whole[:start] + whole[start : after.start()] * 90 + whole[after.start() :]


def wide_memory_photo() -> bytes:
    return encoded(Image.new("RGBA", (4900, 5000), (1, 2, 3, 77)), "PNG", compress_level=1)


def refusal(worker: PhotoWorker, data: bytes) -> str:
    with pytest.raises(PhotoRefused) as refused:
        worker.minimise(data, [SPEC])
    return refused.value.code.value


def test_a_worker_gives_what_this_process_gives() -> None:
    with PhotoWorker() as worker:
        for data in (encoded(portrait()), encoded(portrait().convert("RGBA"), "PNG"), encoded(portrait(200, 256))):
            assert worker.minimise(data, [SPEC, LARGE]) == minimise(data, [SPEC, LARGE])
        tight = PrintSpec(295, 378, 300, 1_024)
        assert worker.minimise(encoded(portrait()), [tight, SPEC]) == minimise(encoded(portrait()), [tight, SPEC])


def test_a_worker_keeps_one_process_for_good_and_refused_photos() -> None:
    with PhotoWorker() as worker:
        first = worker.pid
        assert refusal(worker, b"") == "empty"
        assert refusal(worker, b"text") == "unsupported-format"
        assert refusal(worker, encoded(portrait())[:9000]) == "truncated"
        assert refusal(worker, bytes(10_000_001)) == "too-many-bytes"
        worker.minimise(encoded(portrait()), [SPEC])
        assert worker.pid == first
    assert worker.pid is None


def test_a_worker_that_is_killed_in_the_middle_of_a_photo_loses_that_photo_only() -> None:
    data, ends = slow_photo(), list[str]()
    with PhotoWorker() as worker:
        first = worker.pid
        assert first is not None
        ticks = cpu_ticks(first)
        thread = threading.Thread(target=lambda: ends.append(refusal(worker, data)))
        thread.start()
        while thread.is_alive() and cpu_ticks(first) < ticks + 10:
            time.sleep(0.005)
        os.kill(first, signal.SIGKILL)
        thread.join()
        assert ends == ["decoder-crashed"]
        assert worker.minimise(encoded(portrait()), [SPEC]) == minimise(encoded(portrait()), [SPEC])
        assert worker.pid != first


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_a_worker_that_was_killed_between_photos_is_not_missed() -> None:
    with PhotoWorker() as worker:
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        while Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.005)
        assert worker.minimise(encoded(portrait()), [SPEC]) == minimise(encoded(portrait()), [SPEC])


def test_a_photo_that_takes_too_long_is_refused_in_time_and_the_next_one_passes() -> None:
    with PhotoWorker(Limits(seconds=0.5)) as worker:
        first = worker.pid
        started = time.monotonic()
        assert refusal(worker, slow_photo_bytes := slow_photo()) == "timed-out"
        assert time.monotonic() - started < 5
        assert len(slow_photo_bytes) < 10_000_000
        assert worker.minimise(encoded(portrait()), [SPEC]) == minimise(encoded(portrait()), [SPEC])
        assert worker.pid != first


def test_a_process_that_stops_answering_is_replaced() -> None:
    with PhotoWorker(Limits(seconds=0.5)) as worker:
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGSTOP)
        assert refusal(worker, encoded(portrait())) == "timed-out"
        assert worker.minimise(encoded(portrait()), [SPEC]) == minimise(encoded(portrait()), [SPEC])


def test_a_photo_that_needs_too_much_memory_is_refused_and_the_next_one_passes() -> None:
    data = wide_memory_photo()
    with PhotoWorker(Limits(memory_bytes=96 * 2**20)) as worker:
        assert refusal(worker, data) == "out-of-memory"
        assert worker.minimise(encoded(portrait()), [SPEC]) == minimise(encoded(portrait()), [SPEC])
    with PhotoWorker() as worker:
        assert worker.minimise(data, [SPEC]).rendition().width_px == 295


@pytest.mark.parametrize(
    "limits",
    [
        Limits(formats=("png",)),
        Limits(jpeg_pixels=1_000, png_pixels=1_000, max_bytes=1_000),
        Limits(aspect_min=0.9, aspect_max=1.1),
    ],
)
def test_a_process_starts_under_the_narrowest_limits_and_keeps_to_them(limits: Limits) -> None:
    with PhotoWorker(limits) as worker:
        with pytest.raises(PhotoRefused) as here:
            minimise(encoded(portrait()), [SPEC], limits)
        assert refusal(worker, encoded(portrait())) == here.value.code.value


def test_threads_may_share_a_worker() -> None:
    photos = [encoded(portrait(500 + 10 * number, 700)) for number in range(6)]
    results: dict[int, object] = {}
    with PhotoWorker() as worker:
        threads = [
            threading.Thread(target=lambda n=number: results.__setitem__(n, worker.minimise(photos[n], [SPEC])))
            for number in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == {number: minimise(data, [SPEC]) for number, data in enumerate(photos)}


def test_the_process_is_confined_as_far_as_this_kernel_can() -> None:
    with PhotoWorker() as worker:
        assert set(worker.confinement) == {"unprivileged", "no-new-privileges", "system-calls"}
        assert worker.confinement["no-new-privileges"]
        status = dict(line.split(":\t", 1) for line in Path(f"/proc/{worker.pid}/status").read_text().splitlines())
        assert status["NoNewPrivs"] == "1"
        assert (status["Seccomp"] == "2") == worker.confinement["system-calls"]
        assert (status["Uid"].split()[1] != "0") == worker.confinement["unprivileged"]


def test_the_process_has_neither_the_environment_nor_the_files_of_its_parent(tmp_path: Path) -> None:
    probe = """
import os, sys
from transforms.photos.worker import PhotoWorker
opened = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.set_inheritable(opened, True)
with PhotoWorker() as worker:
    try:
        names = [entry.partition("=")[0] for entry in open(f"/proc/{worker.pid}/environ").read().split("\\0") if entry]
        print(*sorted(os.listdir(f"/proc/{worker.pid}/fd")), *sorted(names))
    except PermissionError:
        print("hidden")
"""
    done = subprocess.run(
        [sys.executable, "-c", probe, str(tmp_path / "keyset")],
        env={**os.environ, "SECRET": "passphrase"},
        capture_output=True,
        text=True,
        check=True,
    )
    # Only root may look into a process that gave up its privileges.
    assert done.stdout.strip() in ("0 1 2 MALLOC_MMAP_THRESHOLD_ MALLOC_TRIM_THRESHOLD_", "hidden")


def test_a_confined_process_can_neither_open_connect_fork_kill_nor_grow() -> None:
    probe = """
import json, os, resource, signal, socket, sys
from transforms.photos.confinement import allow_cpu, confine
existing = os.path.abspath(sys.argv[1])
dropped, done = os.pipe(), os.pipe()
another = os.fork()
if another == 0:  # a process of the user that the confined one has
    os.close(done[1])
    if os.getuid() == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
    os.write(dropped[1], b".")
    os.read(done[0], 1)  # until the other has ended
    os._exit(0)
os.read(dropped[0], 1)
report = confine(2 ** 28)
def fails(action):
    try:
        action()
    except (OSError, MemoryError, ValueError):
        return True
    return False
report["tried"] = {
    "open": fails(lambda: os.open(existing, os.O_RDONLY)),
    "create": fails(lambda: os.open("/tmp/new-file", os.O_WRONLY | os.O_CREAT)),
    "unlink": fails(lambda: os.unlink(existing)),
    "connect": fails(lambda: socket.socket()),
    "fork": fails(os.fork),
    "execute": fails(lambda: os.execv(sys.executable, [sys.executable, "-c", ""])),
    "kill": fails(lambda: os.kill(os.getppid(), 0)),
    "grow": fails(lambda: bytearray(2 ** 28)),
    "limit-another": fails(lambda: resource.prlimit(another, resource.RLIMIT_CORE, (0, 0))),
    "raise-limits": fails(lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1))),
}
allow_cpu(5)
os.write(1, json.dumps(report).encode())
"""
    done = subprocess.run([sys.executable, "-I", "-c", probe, __file__], capture_output=True, check=True)
    report = json.loads(done.stdout)
    if report["system-calls"]:
        assert report["tried"] == dict.fromkeys(report["tried"], True)
    assert all(report["tried"][limited] for limited in ("open", "create", "connect", "grow"))
    assert Path(__file__).exists()


def test_the_process_imports_neither_beam_nor_arrow_nor_anything_that_holds_keys() -> None:
    probe = "import sys, transforms.photos.child; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-I", "-c", probe], capture_output=True, text=True, check=True)
    assert not {"apache_beam", "pyarrow", "numpy", "cryptography", "pydantic", "socket", "yaml"} & set(done.stdout.split())
    keyed = "import sys, transforms.photos.child; print(*[n for n in sys.modules if n.startswith('transforms.')])"
    done = subprocess.run([sys.executable, "-I", "-c", keyed], capture_output=True, text=True, check=True)
    assert {name.split(".")[1] for name in done.stdout.split()} <= {"photos", "errors"}


def test_the_codecs_that_bytes_depend_on_are_named() -> None:
    versions = codec_versions()
    assert set(versions) == {"pillow", "numpy", "libjpeg-turbo", "libwebp", "littlecms", "zlib"}
    assert all(re.match(r"\d+\.\d+", version) for version in versions.values())
