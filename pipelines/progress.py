"""How long work shows itself: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from typing import Any, TextIO

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Told `(what, done, total)` as often as work likes; shows it as often as a reader likes.

    `total` 0 means that nobody knows it yet.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: tqdm[Any] | None = None
        self._what = ""
        self._last_line = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        """Shows the state of one kind of work; the last call of a kind has `done == total`."""
        if self._stream.isatty():
            self._draw(what, done, total)
        else:
            self._print(what, done, total)

    def _draw(self, what: str, done: int, total: int) -> None:
        bar = self._bar
        if bar is None or what != self._what:
            bar = self._bar = tqdm(total=total or None, desc=what, file=self._stream, leave=False)
            self._what = what
        bar.total = total or None
        bar.update(done - bar.n)
        if total and done >= total:
            bar.close()
            self._bar = None

    def _print(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        finished = bool(total) and done >= total
        if what == self._what and not finished and now - self._last_line < _SECONDS_BETWEEN_LINES:
            return
        self._what, self._last_line = what, now
        self._stream.write(f"{what}: {done:,} of {total:,}\n" if total else f"{what}: {done:,}\n")
        self._stream.flush()
