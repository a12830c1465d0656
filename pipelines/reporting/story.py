"""What a run tells its page as it goes along, so that a run that ends early has a page too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from pipelines.inputs import Terms, read_terms
from pipelines.publish import Published
from pipelines.release.proof import CleanRelease
from pipelines.release.stage_report import StageReport
from pipelines.reporting.gather import Told
from pipelines.reporting.write import write_page
from pipelines.settings import Settings
from transforms.errors import InternalError, SupplierViewsError, UsageError

_ANOTHER_RUN = "run-in-progress"  # its own page will tell


class Story:
    """What is known of a run so far."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime]) -> None:
        self._settings = settings
        self._clock = clock
        self._told = Told()

    def staging(self) -> None:
        """The run begins to read the export."""
        self._told = replace(self._told, during="staging")

    def checking(self, terms: Terms, reports: Mapping[str, StageReport] | None, notices: tuple[str, ...]) -> None:
        """Terms are read, and views are staged; the run begins to check them."""
        self._told = replace(self._told, during="checking", terms=terms, reports=reports, notices=notices)

    def publishing(self, clean: Mapping[str, CleanRelease]) -> None:
        """Every view is clean; the run begins to hand them over."""
        reports = {supplier: release.report for supplier, release in clean.items()}
        self._told = replace(self._told, during="publishing", clean=clean, reports=reports)

    def end(self, published: Mapping[str, Published], summary: dict[str, Any]) -> dict[str, Any]:
        """Writes the page of a run that came to its end; the summary with `report`, the page's path or None, and its notices."""
        told = replace(self._told, published=published, notices=tuple(summary["notices"]))
        written = write_page(self._settings, told, self._clock())
        page = str(written.page) if written.page else None
        return {**summary, "notices": [*summary["notices"], *written.notices], "report": page}

    def end_early(self, error: SupplierViewsError) -> None:
        """Writes the page of a run that was refused or failed, with what the policies say where they can be read."""
        terms = self._told.terms
        if terms is None:
            with suppress(SupplierViewsError):
                terms = read_terms(self._settings)
        write_page(self._settings, replace(self._told, terms=terms, error=error), self._clock())


@contextmanager
def telling(settings: Settings, clock: Callable[[], datetime]) -> Iterator[Story]:
    """A story whose page is written if the block fails; `Story.end` writes it otherwise.

    Wrong arguments, and a run that finds another at work, leave no page: nothing was run.
    """
    story = Story(settings, clock)
    try:
        yield story
    except SupplierViewsError as error:
        if not isinstance(error, UsageError) and error.code != _ANOTHER_RUN:
            story.end_early(error)
        raise
    except Exception as error:
        story.end_early(InternalError(f"unexpected {type(error).__name__}"))
        raise
