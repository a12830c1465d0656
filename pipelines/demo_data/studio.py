"""Takes the photographs of a block of people, on every processor.

Faces are drawn once and photographed often: a face takes longer to draw than to photograph. Which face a person gets follows from
the row alone, never from the name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from pipelines.demo_data import camera, faces
from pipelines.demo_data.camera import Damage, Shot

_MOST_FACES = 2000
_SHOTS_PER_TASK = 64  # enough to be worth sending, few enough to show progress


@dataclass(frozen=True, slots=True)
class Task:
    """Photographs of a few faces, for one worker."""

    folder: str
    seed: int
    size: tuple[int, int]  # width and height in pixels, upright
    faces: Sequence[tuple[int, Sequence[Shot]]]


class Studio:
    """Photographs people; a context manager, because it may hold worker processes."""

    def __init__(self, folder: Path, seed: int, people: int, megapixels: float, pool: ProcessPoolExecutor | None) -> None:
        self._folder, self._seed, self._pool = folder, seed, pool
        self._size = camera.size_of(megapixels)
        self._faces = min(people, _MOST_FACES, max(100, people // 4))

    def photograph(self, shots: Sequence[Shot]) -> Iterator[tuple[int, int]]:
        """Takes the shots of one block; yields how many were asked for and how many files were written, task by task."""
        for shot in shots:
            (self._folder / shot.path).parent.mkdir(parents=True, exist_ok=True)
        if self._pool is None:
            for task in self._tasks(shots):
                yield work(task)
            return
        # Few tasks are handed out at a time: memory does not grow with the block.
        waiting = self._tasks(shots)
        running: set[Future[tuple[int, int]]] = {self._pool.submit(work, task) for task in islice(waiting, 2 * processors())}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            running |= {self._pool.submit(work, task) for task in islice(waiting, len(done))}
            for future in done:
                yield future.result()

    def _tasks(self, shots: Sequence[Shot]) -> Iterator[Task]:
        by_face: dict[int, list[Shot]] = {}
        for shot in shots:
            by_face.setdefault(shot.row % self._faces, []).append(shot)
        batch: list[tuple[int, Sequence[Shot]]] = []
        for face, its_shots in by_face.items():
            batch.append((face, its_shots))
            if sum(len(s) for _, s in batch) >= _SHOTS_PER_TASK:
                yield Task(str(self._folder), self._seed, self._size, batch)
                batch = []
        if batch:
            yield Task(str(self._folder), self._seed, self._size, batch)


@contextmanager
def open_studio(folder: Path, seed: int, people: int, megapixels: float) -> Iterator[Studio]:
    """A studio with a worker process for each processor, or without any where there is too little to share out."""
    workers = min(processors(), people // _SHOTS_PER_TASK)
    if workers < 2:
        yield Studio(folder, seed, people, megapixels, None)
        return
    # Spawned, not forked: the caller may have threads, and a forked copy of them can hang.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield Studio(folder, seed, people, megapixels, pool)


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def work(task: Task) -> tuple[int, int]:
    """Draws the faces of a task and writes their photographs; how many were asked for, and how many files that made."""
    noise = camera.grain(*task.size)
    asked = written = 0
    for face, shots in task.faces:
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([task.seed, 3, face])))
        sitter = camera.seat(faces.draw(faces.invent(rng), rng))
        for shot in shots:
            asked += 1
            if shot.damage is Damage.MISSING:
                continue
            Path(task.folder, shot.path).write_bytes(camera.take(sitter, shot, task.seed, task.size, noise))
            written += 1
    return asked, written
