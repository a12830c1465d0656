"""Several workers for the photos of one batch: results in the order of the input, a bounded number of photos in memory."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from transforms.photos.cache import PhotoCache
from transforms.photos.encode import render
from transforms.photos.model import Limits, Minimised, PhotoRefused, Picture, PrintSpec, RefusalCode
from transforms.photos.worker import PhotoWorker

if TYPE_CHECKING:
    from transforms.photos.mark import Mark

K = TypeVar("K")
_Outcome = Minimised | PhotoRefused
# A thread reads, seals or encodes one photo while the process decodes another's.
_THREADS_PER_WORKER = 4
_IN_FLIGHT_PER_WORKER = 8


class PhotoPool:
    """A fixed number of `PhotoWorker`s, each with threads that feed it; a context manager.

    Args:
        workers: decoding processes; one a core.
        limits: as for `PhotoWorker`.
        cache: where the prints of photos that did not change are found, and kept; None to decode all.
    """

    def __init__(self, workers: int, limits: Limits | None = None, cache: PhotoCache | None = None) -> None:
        if workers < 1:
            raise ValueError("a pool has at least one worker")
        self._workers = [PhotoWorker(limits) for _ in range(workers)]
        self._idle: queue.SimpleQueue[PhotoWorker] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._cache = cache
        self._threads = ThreadPoolExecutor(_THREADS_PER_WORKER * workers, thread_name_prefix="photo")

    def __enter__(self) -> PhotoPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def pids(self) -> list[int | None]:
        """The ids of the decoding processes; None for one that no photo has needed yet."""
        return [worker.pid for worker in self._workers]

    def map(
        self,
        photos: Iterable[tuple[K, Callable[[], bytes]]],
        specs: Sequence[PrintSpec] | Callable[[K], Sequence[PrintSpec]],
        marks: Sequence[Mark] | Callable[[K], Sequence[Mark]] = (),
    ) -> Iterator[tuple[K, Minimised | PhotoRefused]]:
        """Minimises photos; yields each key with its result or its refusal, in the order of the input.

        Specs and marks are the same for all photos, or a function of the key; marks are as for `PhotoWorker.minimise`.

        Photos are fetched ahead of the workers, several at once: sources of at most four times as many photos as there are
        workers, and results of at most eight times as many, are in memory. A refusal that the fetching function raises is that
        photo's; any other error of it, or of a worker that does not start, ends the iteration.
        """
        waiting: deque[tuple[K, Future[_Outcome]]] = deque()
        try:
            for key, fetch in photos:
                asked = specs(key) if callable(specs) else specs
                marked = marks(key) if callable(marks) else marks
                waiting.append((key, self._threads.submit(self._one, fetch, asked, marked)))
                if len(waiting) >= _IN_FLIGHT_PER_WORKER * len(self._workers):
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _key, future in waiting:
                future.cancel()

    def close(self) -> None:
        """Waits for the photos in work, then ends the processes."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for worker in self._workers:
            worker.close()

    def _one(self, fetch: Callable[[], bytes], specs: Sequence[PrintSpec], marks: Sequence[Mark]) -> _Outcome:
        try:
            data = fetch()
            if self._cache is None:
                return render(self._pictures(data, specs), specs, marks)
            name = self._cache.name(data, specs, [mark.tag for mark in marks])
            kept = self._cache.find(name, specs)
            if kept is not None:
                return kept
            made = render(self._pictures(data, specs), specs, marks)
            self._cache.keep(name, made)
            return made
        except PhotoRefused as refused:
            return refused

    def _pictures(self, data: bytes, specs: Sequence[PrintSpec]) -> tuple[Picture | RefusalCode, ...]:
        worker = self._idle.get()
        try:
            return worker.pictures(data, specs)
        finally:
            self._idle.put(worker)
