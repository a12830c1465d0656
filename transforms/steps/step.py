"""What every DoFn of ours does besides its work, so that it may run on a worker of any runner.

A worker may be a bare process on another machine: nothing has hardened it, its umask is its own, and its runner logs the text of
every exception and hands the launcher that text alone. So an error that leaves a step is one of ours, without a cell value
[R15], and carries itself in a note that the launcher reads back.
"""

from __future__ import annotations

import functools
import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import apache_beam as beam

from transforms.errors import InternalError, SupplierViewsError, store_unavailable, to_text
from transforms.keyring.hardening import harden_process

_METHODS = ("setup", "start_bundle", "process", "finish_bundle", "teardown")


class Step(beam.DoFn):
    """A DoFn whose methods raise errors of ours only, in a process that is fit to hold keys and rows.

    The process stays so: no core dumps, and files that nobody else can read.
    """

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        for name in _METHODS:
            if name in cls.__dict__:
                setattr(cls, name, _told(cls.__dict__[name], first=_enter if name == "setup" else None))

    def setup(self) -> None:
        """Makes the process fit; a subclass that opens something here need not call it."""
        with _errors_of_ours():
            _enter()


def _enter() -> None:
    harden_process()
    os.umask(0o077)


def _told(method: Callable[..., Any], first: Callable[[], None] | None) -> Callable[..., Any]:
    if inspect.isgeneratorfunction(method):

        @functools.wraps(method)
        def guarded(self: Any, *arguments: Any, **named: Any) -> Any:
            with _errors_of_ours():
                yield from method(self, *arguments, **named)

    else:

        @functools.wraps(method)
        def guarded(self: Any, *arguments: Any, **named: Any) -> Any:
            with _errors_of_ours():
                if first is not None:
                    first()
                return method(self, *arguments, **named)

    return guarded


@contextmanager
def _errors_of_ours() -> Iterator[None]:
    try:
        yield
    except SupplierViewsError as error:
        raise _noted(error) from None
    except Exception as error:  # noqa: BLE001 - whatever it is, its text may quote a cell value
        raise _noted(of_ours(error)) from None


def of_ours(error: Exception) -> SupplierViewsError:
    """What a foreign error is told as: its kind and the line that raised it, never its text."""
    if isinstance(error, OSError) and isinstance(error.errno, int):
        return store_unavailable(error, "a file that the pipeline reads or writes")
    frame = None
    trace = error.__traceback__
    while trace is not None:
        frame, trace = trace, trace.tb_next
    place = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else ""
    return InternalError(f"a step of the pipeline failed with {type(error).__name__}", place=place, hint="report it")


def _noted(error: SupplierViewsError) -> SupplierViewsError:
    error.add_note(to_text(error))
    return error
