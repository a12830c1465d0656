"""Prism as a real process, and a pool of workers that have the installed package, shared storage and nothing else of ours."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipelines.demo import DemoSummary, make_demo

ROOT = Path(__file__).resolve().parents[3]
PEOPLE = int(os.environ.get("PEOPLE", "2000"))
PRISM = os.environ.get("PRISM", "")


@dataclass
class Cluster:
    """Prism and its workers, each writing below `root`; `start` starts what is not running."""

    root: Path
    worker_python: Path
    ports: tuple[int, int]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def options(self) -> tuple[str, ...]:
        """What follows on a command line."""
        job, pool = (f"localhost:{port}" for port in self.ports)
        external = ("--environment_type=EXTERNAL", f"--environment_config={pool}")
        return ("--", "--runner=PortableRunner", f"--job_endpoint={job}", *external)

    def start(self) -> None:
        job, pool = self.ports
        self._start("prism", job, [PRISM, "-job_port", str(job), "-serve_http=false", "-log_kind=json"])
        module = "apache_beam.runners.worker.worker_pool_main"
        self._start("workers", pool, [str(self.worker_python), "-m", module, "--service_port", str(pool)])

    def _start(self, name: str, port: int, line: list[str]) -> None:
        if name in self.processes and self.processes[name].poll() is None:
            return
        # Only a search path and a place for temporary files: whatever a worker knows besides, it has from the graph.
        scratch = self.root / name
        scratch.mkdir(exist_ok=True)
        environment = {"PATH": f"{self.worker_python.parent}:/usr/bin:/bin", "TMPDIR": str(scratch), "HOME": str(scratch)}
        with (self.root / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                line, cwd=scratch, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self.processes[name] = process
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert process.poll() is None, f"{name} ended: {(self.root / f'{name}.log').read_text()[-2000:]}"
            with socket.socket() as probe:
                if probe.connect_ex(("localhost", port)) == 0:
                    return
            time.sleep(0.1)
        pytest.fail(f"{name} does not listen")

    def kill(self, name: str) -> None:
        """Ends Prism or the pool with its workers, as a lost machine would."""
        os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes[name].wait()

    def worker(self) -> int | None:
        """The process that works at a job now, if there is one."""
        pool = self.processes["workers"].pid
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                number, rest = status.read_text().split(" ", 1)
            except OSError:
                continue
            fields = rest.rpartition(")")[2].split()
            if int(fields[1]) == pool and fields[0] != "Z":
                return int(number)
        return None

    def kept(self) -> Iterator[tuple[str, bytes]]:
        """Everything that Prism and the workers have written: logs, staged artefacts, whatever is in their temporary places."""
        for path in sorted(self.root.rglob("*")):
            if path.is_file():
                yield path.relative_to(self.root).as_posix(), path.read_bytes()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoSummary:
    """A synthetic export with photos, larger than the one next door."""
    return make_demo(PEOPLE, 7, tmp_path_factory.mktemp("demo"), "csv", 0.0, 0.05, lambda what, done, total: None)


@pytest.fixture(scope="session")
def worker_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with the wheel of this checkout; dependencies are those of the tests' own environment, the checkout is not."""
    place = tmp_path_factory.mktemp("worker")
    wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
    subprocess.run([*wheel, "--wheel-dir", str(place), str(ROOT)], check=True)
    venv.create(place / "venv", with_pip=False)
    (library,) = (place / "venv").glob("lib/python*/site-packages")
    (built,) = place.glob("*.whl")
    shutil.unpack_archive(built, library, "zip")
    # A path file below a directory that a path file names is not read: the editable checkout stays out.
    (library / "dependencies.pth").write_text(f"{Path(pytest.__file__).parents[1]}\n")
    return place / "venv" / "bin" / "python"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, worker_python: Path) -> Iterator[Cluster]:
    """Prism and a pool of workers for the whole session."""
    if not PRISM:
        pytest.skip("the variable PRISM names no binary of Prism; `make test-prism` builds one")
    with socket.socket() as first, socket.socket() as second:
        first.bind(("localhost", 0))
        second.bind(("localhost", 0))
        ports = first.getsockname()[1], second.getsockname()[1]
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), worker_python, ports)
    try:
        cluster.start()
        yield cluster
    finally:
        for name, process in cluster.processes.items():
            if process.poll() is None:
                cluster.kill(name)


@pytest.fixture
def prism(cluster: Cluster) -> Cluster:
    """The cluster with everything running."""
    cluster.start()
    return cluster


@pytest.fixture
def patient() -> Callable[[Callable[[], bool]], bool]:
    """Waits a minute for something; tells whether it happened."""

    def wait(happened: Callable[[], bool]) -> bool:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if happened():
                return True
            time.sleep(0.02)
        return False

    return wait
