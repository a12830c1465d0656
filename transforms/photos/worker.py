"""A decoding process that is kept warm, and replaced when a photo kills or stalls it."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from transforms.errors import InternalError
from transforms.photos import frames
from transforms.photos.encode import render
from transforms.photos.model import Limits, Minimised, PhotoRefused, Picture, PrintSpec, RefusalCode

if TYPE_CHECKING:
    from transforms.photos.mark import Mark

_START_SECONDS = 60.0  # imports on a machine that is busy
_PIPE_BYTES = 2**20  # a photo crosses in a few pieces; what Linux allows without privilege

# All of the process's environment: glibc keeps a picture's freed pages for the next one. Faulting them in again cost a fifth.
_ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**26)}
# What finds faces works in one thread: others would each reserve address space, and could not be started any more.
_FINDER_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


class _Ended(Exception):
    """The process closed its end of a pipe."""


class _TooLate(Exception):
    """The process did not answer in time."""


class PhotoWorker:
    """Minimises photos in one confined process of its own; a context manager.

    The process gets an empty environment, no inherited file but its two pipes, and runs under `Limits.memory_bytes` and
    `Limits.seconds`. It is started afresh (not forked: the caller may have threads and keys) with the first photo, and again
    after each that crashed it, hung it or used up its memory; that photo is refused and the next one does not notice.
    Threads may share a worker; it takes one photo at a time.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._process: subprocess.Popen[bytes] | None = None
        self._confinement: Mapping[str, bool] = {}
        self._one_photo = threading.Lock()

    def __enter__(self) -> PhotoWorker:
        with self._one_photo:
            self._started()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def confinement(self) -> Mapping[str, bool]:
        """Which of the optional parts of its confinement the last process reported; see `confinement.confine`."""
        return self._confinement

    @property
    def pid(self) -> int | None:
        """The id of the process; None while there is none."""
        return None if self._process is None else self._process.pid

    def minimise(self, data: bytes, specs: Sequence[PrintSpec], marks: Sequence[Mark] = ()) -> Minimised:
        """Decodes one photo in the process and encodes its prints in this one; see `transforms.photos.minimise.minimise`.

        The marks are the suppliers', one for each spec, and never leave this process. Errors: as `pictures`.
        """
        return render(self.pictures(data, specs), specs, marks)

    def pictures(self, data: bytes, specs: Sequence[PrintSpec]) -> tuple[Picture | RefusalCode, ...]:
        """Decodes one photo in the process, for one picture a spec, or the code that refused that print alone.

        Only pixels, of a size that was checked, come from the process: its word is taken for nothing else.

        Raises:
            PhotoRefused: the photo breaks a limit, cannot be decoded, or took the process down.
            InternalError: the process does not start, whatever the photo.
            ValueError: no specs.
        """
        if not specs:
            raise ValueError("a photo is minimised for at least one print")
        if len(data) > self._limits.max_bytes:  # as the process would answer, without sending it
            raise PhotoRefused(RefusalCode.TOO_MANY_BYTES)
        with self._one_photo:
            process = self._started()
            deadline = time.monotonic() + self._limits.seconds
            try:
                head, body = _exchange(process, frames.request(data, specs), frames.largest_body(specs), deadline)
                return frames.read_reply(head, body, specs)
            except PhotoRefused as refused:
                if refused.code is RefusalCode.OUT_OF_MEMORY:
                    self._stop()  # what is left of its memory may be in pieces
                raise
            except _TooLate:
                self._stop()
                raise PhotoRefused(RefusalCode.TIMED_OUT) from None
            except (_Ended, frames.BrokenFrame):
                self._stop()
                raise PhotoRefused(RefusalCode.CRASHED) from None
            except BaseException:
                self._stop()  # an interrupted exchange leaves half a message in the pipe
                raise

    def close(self) -> None:
        """Ends the process; the next photo starts another."""
        with self._one_photo:
            self._stop()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._stop()
        process = subprocess.Popen(  # noqa: S603 our own interpreter, our own module
            [sys.executable, "-I", "-W", "ignore", "-m", "transforms.photos.child", frames.limits_argument(self._limits)],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pipesize=_PIPE_BYTES,
            stderr=subprocess.DEVNULL,  # a decoder's words may quote the photo
            cwd="/",
            env=_ENVIRONMENT | (_FINDER_ENVIRONMENT if self._limits.find_faces else {}),
            umask=0o077,
            start_new_session=True,  # an interrupt at the terminal is for the run, which then closes its workers
        )
        self._process = process
        try:
            for pipe in _pipes(process):
                os.set_blocking(pipe, False)
            head, _ = _exchange(process, [], 0, time.monotonic() + _START_SECONDS)
            self._confinement = frames.read_greeting(head)
        except (_Ended, _TooLate, frames.BrokenFrame):
            self._stop()
            raise InternalError("the process that decodes photos does not start", code="photo-worker-not-started") from None
        except BaseException:
            self._stop()
            raise
        return process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        process.wait()


def _pipes(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    if process.stdin is None or process.stdout is None:
        raise InternalError("the process that decodes photos has no pipes")
    return process.stdin.fileno(), process.stdout.fileno()


def _exchange(process: subprocess.Popen[bytes], parts: list[bytes], largest_body: int, deadline: float) -> tuple[bytes, memoryview]:
    """Sends the parts and receives one message: head and body. Reads while it writes, so neither side can block the other."""
    to_child, from_child = _pipes(process)
    unsent = [memoryview(part) for part in parts if part]
    # One byte more than the longest answer: what says too much is noticed, and nothing is read twice.
    received = memoryview(bytearray(frames.LENGTHS.size + frames.MAX_HEAD + largest_body + 1))
    count, needed = 0, frames.LENGTHS.size
    lengths: tuple[int, int] | None = None
    poll = select.poll()
    poll.register(from_child, select.POLLIN)
    if unsent:
        poll.register(to_child, select.POLLOUT)
    while count < needed:
        left = deadline - time.monotonic()
        if left <= 0:
            raise _TooLate
        for pipe, _event in poll.poll(left * 1000):
            if pipe == from_child:
                count += _read(from_child, received[count:])
            else:
                _write(to_child, unsent)
                if not unsent:
                    poll.unregister(to_child)
        if lengths is None and count >= needed:
            lengths = frames.LENGTHS.unpack(received[:needed])
            if lengths[0] > frames.MAX_HEAD or lengths[1] > largest_body:
                raise frames.BrokenFrame
            needed += sum(lengths)
    if lengths is None or count > needed or unsent:
        raise frames.BrokenFrame
    body_at = frames.LENGTHS.size + lengths[0]
    return bytes(received[frames.LENGTHS.size : body_at]), received[body_at:needed]


def _read(pipe: int, room: memoryview) -> int:
    """How many bytes the process had to say: at least one, unless there was nothing to read after all."""
    try:
        count = os.readv(pipe, [room])
    except BlockingIOError:
        return 0
    if not count:
        raise _Ended
    return count


def _write(pipe: int, unsent: list[memoryview]) -> None:
    """Sends what the pipe takes, and takes it off the list."""
    try:
        sent = os.writev(pipe, unsent)
    except BlockingIOError:
        return
    except BrokenPipeError:
        raise _Ended from None
    while unsent and sent >= len(unsent[0]):
        sent -= len(unsent.pop(0))
    if unsent:
        unsent[0] = unsent[0][sent:]
