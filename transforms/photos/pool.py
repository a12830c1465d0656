"""Several workers for the photos of one batch: results in the order of the input, a bounded number of photos in memory."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from transforms.photos.model import Limits, Minimised, PhotoRefused, PrintSpec
from transforms.photos.worker import PhotoWorker

if TYPE_CHECKING:
    from transforms.photos.mark import Mark

K = TypeVar("K")
_Outcome = Minimised | PhotoRefused
_IN_FLIGHT_PER_WORKER = 2


class PhotoPool:
    """A fixed number of `PhotoWorker`s, each with a thread that feeds it; a context manager.

    Args:
        workers: decoding processes; one a core.
        limits: as for `PhotoWorker`.
    """

    def __init__(self, workers: int, limits: Limits | None = None) -> None:
        if workers < 1:
            raise ValueError("a pool has at least one worker")
        self._workers = [PhotoWorker(limits) for _ in range(workers)]
        self._idle: queue.SimpleQueue[PhotoWorker] = queue.SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="photo")

    def __enter__(self) -> PhotoPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def map(
        self,
        photos: Iterable[tuple[K, Callable[[], bytes]]],
        specs: Sequence[PrintSpec] | Callable[[K], Sequence[PrintSpec]],
        marks: Sequence[Mark] = (),
    ) -> Iterator[tuple[K, Minimised | PhotoRefused]]:
        """Minimises photos; yields each key with its result or its refusal, in the order of the input.

        The specs are the same for all photos, or a function of the key; the marks are as for `PhotoWorker.minimise`.

        A photo's bytes are fetched only when a worker is free for it: at most `workers` sources, and results of at most twice
        as many photos, are in memory at once. A refusal that the fetching function raises is that photo's; any other error
        of it, or of a worker that does not start, ends the iteration.
        """
        waiting: deque[tuple[K, Future[_Outcome]]] = deque()
        try:
            for key, fetch in photos:
                waiting.append((key, self._threads.submit(self._one, fetch, specs(key) if callable(specs) else specs, marks)))
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
        worker = self._idle.get()
        try:
            return worker.minimise(fetch(), specs, marks)
        except PhotoRefused as refused:
            return refused
        finally:
            self._idle.put(worker)
