"""Watching work that Beam does: what has appeared in staging so far is the only progress that every runner shows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_SECONDS = 1.0

Report = Callable[[str, int, int], None]


class Watch:
    """Tells a `report(what, done, total)` how far a phase is, from a thread of its own."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def say(self, what: str, done: int, total: int) -> None:
        """Reports one state."""
        self._report(what, done, total)

    @contextmanager
    def staging(self, attempts: Path) -> Iterator[None]:
        """Tells while the block runs how much has appeared in `attempts`: megabytes of rows first, then photos."""
        done = threading.Event()
        thread = threading.Thread(target=self._count, args=(attempts, done), daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _count(self, attempts: Path, done: threading.Event) -> None:
        shown = ("", 0)
        while not done.wait(_SECONDS):
            photos = sum(1 for _ in attempts.glob("*.jpg"))
            spilled = sum(path.stat().st_size for path in attempts.glob("*.arrow")) >> 20
            state = ("photos ready", photos) if photos else ("megabytes of rows ready", spilled)
            if state[1] and state != shown:
                self._report(*state, 0)
                shown = state
