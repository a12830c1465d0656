"""Writes the page of a run at its end. It never makes a run fail: what cannot be written is said in the run's summary."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pipelines.drill.nightly import report_path
from pipelines.release.files import make_directory
from pipelines.release.store import DIRECTORY_MODE
from pipelines.reporting.drill_file import read_drill
from pipelines.reporting.gather import Beside, Told, gather, read_keys
from pipelines.reporting.model import Drill, KeyLine, Refusal, Report, report_json
from pipelines.reporting.page import Listed, render_index, render_page
from pipelines.reporting.search import search_page
from pipelines.reporting.shelf import PAGE, claim, give_up, keep, load_all, reports_directory, write_index
from pipelines.settings import Settings
from transforms.errors import SupplierViewsError

_DRILL_REFUSED = "drill-over-limit"
_LEFT_OUT = "reasons and notices are left out of this page, since they could not be shown to hold no value of the export"


@dataclass(frozen=True, slots=True)
class Written:
    """Where the page is, None if there is none, and what somebody should be told about it."""

    page: Path | None
    notices: tuple[str, ...] = ()


def write_page(settings: Settings, told: Told, now: datetime) -> Written:
    """Writes model and page of a run, and the index anew. Never raises: the run's outcome stands, whatever becomes of its page."""
    try:
        make_directory(settings.out, DIRECTORY_MODE)  # before the records, which may be the first thing in it
        directory, number = claim(settings.records, settings.date)
    except SupplierViewsError as error:
        return Written(None, (_not_written(error),))
    try:
        report = gather(told, settings.date, number, now, _beside(settings, told, now))
        notices: tuple[str, ...] = ()
        try:
            page = _keep_searched(settings, told, report, directory)
        except SupplierViewsError as error:
            page = _keep_searched(settings, told, _bare(report), directory)
            notices = (f"report: {_LEFT_OUT} ({error.code})",)
    except SupplierViewsError as error:
        give_up(directory)
        return Written(None, (_not_written(error),))
    except Exception as error:  # noqa: BLE001 - a bug here must not turn a published run into a failed one
        give_up(directory)
        return Written(None, (f"report: not written: unexpected {type(error).__name__}",))
    try:
        rebuild_index(settings.records)
    except SupplierViewsError as error:
        notices = (*notices, f"report: the index is not written: {error.rule}")
    return Written(page, notices)


def rebuild_index(records: Path) -> Path:
    """Writes the index of all runs anew. Raises StoreUnavailable."""
    root = reports_directory(records)
    listed = [Listed((directory / PAGE).relative_to(root).as_posix(), report) for directory, report in load_all(records)]
    return write_index(records, render_index(listed))


def rebuild_page(directory: Path, report: Report) -> Path:
    """Writes a kept page anew from its model. Raises StoreUnavailable."""
    return keep(directory, report_json(report), render_page(report))


def _keep_searched(settings: Settings, told: Told, report: Report, directory: Path) -> Path:
    model, html = report_json(report), render_page(report)
    terms = told.terms
    said = [str(path) for path in (settings.contract, settings.policies, settings.out, settings.staging, settings.records)]
    said += [settings.export, settings.photos or "", settings.keys]
    search_page(html, model, report, terms.contract if terms else None, terms.policies if terms else (), said, settings.export)
    return keep(directory, model, html)


def _bare(report: Report) -> Report:
    """The report without any text that was not written beforehand."""
    refusal = report.refusal
    if refusal is not None:
        refusal = Refusal(refusal.during, refusal.code, "see the run's summary", "", "", refusal.more)
    return replace(report, refusal=refusal, notices=(_LEFT_OUT,))


def _beside(settings: Settings, told: Told, now: datetime) -> Beside:
    before = [report for _, report in load_all(settings.records)]
    drill: Drill | None = None
    keys: tuple[KeyLine, ...] = ()
    if told.clean is not None or (told.error is not None and told.error.code == _DRILL_REFUSED):
        with suppress(SupplierViewsError):  # the page says that it was not run
            drill = read_drill(report_path(settings.records, settings.date))
    if told.terms is not None:
        with suppress(SupplierViewsError):  # the page says that keys were not listed; the run itself has opened those it needs
            keys = read_keys(settings.keys, [policy.supplier for policy in told.terms.policies], now.date())
    return Beside(before, drill, next((page.full_drill for page in before if page.full_drill), None), keys)


def _not_written(error: SupplierViewsError) -> str:
    return f"report: not written: {error.place + ': ' if error.place else ''}{error.rule} ({error.code})"
