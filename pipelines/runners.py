"""Which Beam runner a pipeline starts on, and the settings that no run may have."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners import create_runner
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.runner_presets import Chosen, choose
from transforms.errors import SupplierViewsError, Unavailable, UsageError, from_text
from transforms.steps.arrow_coder import register_arrow_coder
from transforms.steps.step import of_ours


def pipeline_options(chosen: Chosen) -> PipelineOptions:
    """Beam's options for a runner that a preset allows.

    Raises:
        UsageError: a value that Beam refuses, or a runner that is not installed.
    """
    try:
        options = PipelineOptions(list(chosen.arguments))
        options.get_all_options()
    except SystemExit:
        raise UsageError("Beam refuses the options after --", hint="see Beam's documentation of the runner") from None
    try:
        if not chosen.in_process:
            create_runner(chosen.runner)
    except (ImportError, ValueError, AttributeError):
        raise UsageError("that runner is not installed", hint="see docs/running-on-a-cluster.md", code="runner-missing") from None
    return options


def run_pipeline(build: Callable[[beam.Pipeline], None], arguments: Sequence[str], in_process: FnApiRunner | None = None) -> None:
    """Builds and runs one pipeline to its end.

    The default runner is Beam's in-process one, named outright: `DirectRunner` may try to download another. `in_process` is one
    that was made with other settings, such as bundles that are run twice.

    Raises:
        SupplierViewsError: the first error of ours that a step raised, as it was raised.
        UsageError: see `pipelines.runner_presets.choose`.
        StoreUnavailable: a step could not read or write a file: a disk is full, or a store is gone.
        Unavailable: code `runner-failed`: a runner outside this process, or a worker of it, was not there or went away.
        InternalError: any other failure; its text is not repeated, since a foreign message may quote a cell value [R15].
    """
    chosen = choose(arguments)
    options = pipeline_options(chosen)
    register_arrow_coder()
    runner = (in_process or FnApiRunner()) if chosen.in_process else chosen.runner
    with _quiet_beam():
        try:
            with beam.Pipeline(runner=runner, options=options) as pipeline:
                build(pipeline)
        except Exception as failure:  # noqa: BLE001 - whatever Beam raises is told apart below
            raise _ours(failure, chosen) from None


def _ours(failure: Exception, chosen: Chosen) -> SupplierViewsError:
    chain = list(_chain(failure))
    for error in chain:
        if isinstance(error, SupplierViewsError):
            return error
    for error in chain:  # a runner on other machines hands back text, and in it what `Step` noted
        told = from_text(str(error))
        if told is not None:
            return told
    if not chosen.in_process:  # every step of ours notes its errors, so this is none
        return Unavailable(
            f"the runner gave up, or cannot be reached ({type(failure).__name__})",
            place=chosen.runner,
            hint="nothing was handed over; read the runner's own log and those of its workers, then run again",
            code="runner-failed",
        )
    for error in chain:
        # Beam makes a new exception of each, with its own text in the place of the number.
        if isinstance(error, OSError) and isinstance(error.errno, int):
            return of_ours(error)
    return of_ours(failure)


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
