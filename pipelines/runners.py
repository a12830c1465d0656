"""Which Beam runner a pipeline starts on, and the settings that no run may have."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions, StandardOptions
from apache_beam.runners import create_runner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.release.files import store_unavailable
from transforms.errors import InternalError, SupplierViewsError, UsageError
from transforms.steps.arrow_coder import register_arrow_coder


def pipeline_options(arguments: Sequence[str]) -> PipelineOptions:
    """Beam's options from what followed `--` on the command line.

    Raises:
        UsageError: a value that Beam refuses, a runner that it does not have, or an option that is unsafe here.
    """
    try:
        options = PipelineOptions(list(arguments))
        options.get_all_options()
    except SystemExit:
        raise UsageError("Beam refuses the options after --", hint="see Beam's documentation of the runner") from None
    name = options.view_as(StandardOptions).runner
    if name is not None:
        try:
            create_runner(name)
        except (ImportError, ValueError, AttributeError):
            raise UsageError("Beam has no runner of that name", hint="see Beam's documentation of its runners") from None
    if options.view_as(SetupOptions).save_main_session:
        raise UsageError(
            "save_main_session is refused", hint="it pickles the whole process, keys included; workers get the installed package"
        )
    return options


def run_pipeline(build: Callable[[beam.Pipeline], None], arguments: Sequence[str], in_process: FnApiRunner | None = None) -> None:
    """Builds and runs one pipeline to its end.

    The default runner is Beam's in-process one, named outright: `DirectRunner` may try to download another. `in_process` is one
    that was made with other settings, such as bundles that are run twice.

    Raises:
        SupplierViewsError: the first error of ours that a step raised, as it was raised.
        StoreUnavailable: a step could not read or write a file: a disk is full, or a store is gone.
        InternalError: any other failure; its text is not repeated, since a foreign message may quote a cell value [R15].
    """
    options = pipeline_options(arguments)
    register_arrow_coder()
    runner = options.view_as(StandardOptions).runner or in_process or FnApiRunner()
    with _quiet_beam():
        try:
            with beam.Pipeline(runner=runner, options=options) as pipeline:
                build(pipeline)
        except Exception as failure:  # noqa: BLE001 - whatever Beam raises is told apart below
            raise _ours(failure) from None


def _ours(failure: BaseException) -> SupplierViewsError:
    chain = list(_chain(failure))
    for error in chain:
        if isinstance(error, SupplierViewsError):
            return error
    for error in chain:
        # Beam makes a new exception of each, with its own text in the place of the number.
        if isinstance(error, OSError) and isinstance(error.errno, int):
            return store_unavailable(error, Path("a file that the pipeline reads or writes"))
    frame = None
    trace = failure.__traceback__
    while trace is not None:
        frame, trace = trace, trace.tb_next
    place = f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else ""
    return InternalError(f"a step of the pipeline failed with {type(failure).__name__}", place=place, hint="report it")


def _chain(failure: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    error: BaseException | None = failure
    while error is not None and id(error) not in seen:
        yield error
        seen.add(id(error))
        error = error.__cause__ or error.__context__


@contextlib.contextmanager
def _quiet_beam() -> Iterator[None]:
    # Beam logs the text of every exception, and with it whatever value the text quotes.
    beam_log = logging.getLogger("apache_beam")
    before = beam_log.level
    beam_log.setLevel(logging.CRITICAL + 1)
    try:
        # A worker harness in this process prints them, too. What we say ourselves goes to a stream that was taken before.
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stderr(nowhere):
            yield
    finally:
        beam_log.setLevel(before)
