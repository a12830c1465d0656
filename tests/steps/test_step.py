"""What leaves a step is an error of ours that a text can carry, and the process that runs one is fit for keys and rows."""

from __future__ import annotations

import errno
import subprocess
import sys
import traceback
from collections.abc import Iterator

import apache_beam as beam
import pytest

from transforms.errors import (
    ExportError,
    InternalError,
    OutcomeUnknown,
    Refused,
    StoreUnavailable,
    SupplierViewsError,
    from_text,
    to_text,
)
from transforms.steps.step import Step

SECRET = "Zyxwvutsrq 31415926"


class _Chokes(Step):
    def process(self, error: Exception) -> Iterator[str]:
        yield "first"
        raise error


class _ChokesAtOnce(Step):
    def process(self, error: Exception) -> list[str]:
        raise error


def _raised(step: Step, error: Exception) -> SupplierViewsError:
    with pytest.raises(SupplierViewsError) as caught:
        list(step.process(error))
    return caught.value


def _as_a_worker_tells_it(error: SupplierViewsError) -> str:
    """What a runner on other machines is given of an error."""
    return "".join(traceback.format_exception(error))


@pytest.mark.parametrize("step", [_Chokes(), _ChokesAtOnce()], ids=["generator", "list"])
def test_a_foreign_error_leaves_a_step_without_its_text(step: Step) -> None:
    told = _raised(step, ValueError(f"cannot parse {SECRET}"))
    assert type(told) is InternalError
    assert told.rule == "a step of the pipeline failed with ValueError"
    assert SECRET not in _as_a_worker_tells_it(told)


@pytest.mark.parametrize("step", [_Chokes(), _ChokesAtOnce()], ids=["generator", "list"])
def test_a_full_disk_leaves_a_step_as_a_store_that_is_full(step: Step) -> None:
    told = _raised(step, OSError(errno.ENOSPC, "no space", f"/staging/{SECRET}.jpg"))
    assert (type(told), told.code, told.exit_status) == (StoreUnavailable, "store-full", 30)
    assert SECRET not in _as_a_worker_tells_it(told)


@pytest.mark.parametrize(
    "error",
    [
        ExportError('a "quoted" rule; with a semicolon', place="export.csv: row 7", hint="mend it", code="unclosed-quote"),
        Refused("held", code="leak"),
        OutcomeUnknown("nobody knows", place="Łódź"),
    ],
)
def test_an_error_of_ours_comes_back_from_the_text_that_a_worker_sends(error: SupplierViewsError) -> None:
    raised = _raised(_Chokes(), error)
    sent = f"bundle failed: \"{_as_a_worker_tells_it(raised)!r} [while running 'Read files']\""
    back = from_text(sent)
    assert back is not None
    assert type(back) is type(error)
    assert (back.rule, back.place, back.hint, back.code) == (error.rule, error.place, error.hint, error.code)


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_an_error_that_was_cut_off_is_none(cut: int) -> None:
    assert from_text(to_text(Refused("held", code="leak"))[:-cut]) is None


def test_a_text_that_names_a_kind_that_is_no_error_of_ours_makes_none() -> None:
    kind = type("SystemExit", (Refused,), {})
    forged = to_text(kind("held"))
    del kind
    assert from_text(forged.replace("supplier-views-error:", "supplier-views-error:AAAA")) is None


def test_setting_a_step_up_hardens_the_process_and_closes_its_files_to_others() -> None:
    program = """
import os, resource
from transforms.steps.step import Step

class Opens(Step):
    def setup(self):
        print(oct(os.umask(0o077)), resource.getrlimit(resource.RLIMIT_CORE))

Opens().setup()
"""
    line = f"import os; os.umask(0o022)\n{program}"
    told = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=True).stdout
    assert told == "0o77 (0, 0)\n"


class _Doubles(Step):
    def process(self, number: int) -> Iterator[int]:
        yield 2 * number


class _DoublesPlainly(beam.DoFn):
    def process(self, number: int) -> Iterator[int]:
        yield 2 * number


def test_beam_infers_of_a_step_what_it_infers_of_a_dofn() -> None:
    step, plain = (beam.ParDo(kind()).get_type_hints() for kind in (_Doubles, _DoublesPlainly))
    assert (step.input_types, step.output_types) == (plain.input_types, plain.output_types)
