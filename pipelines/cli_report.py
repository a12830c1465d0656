"""The page of a run on the command line; `pipelines.cli` adds it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.cli_defaults import Defaults
from transforms.errors import UsageError

Summary = dict[str, Any]

_EPILOG = """Every run writes its own page; this command makes one page and the index anew from what runs recorded, and
reads neither export nor keys. docs/report.md says how to read a page."""


def add_commands(commands: Any, parse_date: Callable[[str], date]) -> None:
    """Adds `report`."""
    text = "make the page of a run anew from its record, and show it"
    report = commands.add_parser("report", help=text, description=text, epilog=_EPILOG)
    report.add_argument("--records", metavar="DIR", help="default: OUT/.records")
    report.add_argument("--out", metavar="DIR", help="where the releases are; only to find the records")
    report.add_argument(
        "--date", type=parse_date, metavar="YYYY-MM-DD", help="the last run of that business date; default: the last run"
    )
    report.add_argument(
        "--drill", type=Path, metavar="FILE", help="put a full drill's report on the page, and on those that follow"
    )
    report.add_argument("--open", action="store_true", help="open the page in a browser")
    report.set_defaults(handler=_report)


def _report(options: argparse.Namespace) -> Summary:
    import webbrowser

    from pipelines.reporting.drill_file import read_drill
    from pipelines.reporting.shelf import find, load
    from pipelines.reporting.write import rebuild_index, rebuild_page

    values = Defaults(options)
    records = values.get("records") or str(Path(values.require("out")) / ".records")
    directory = find(Path(records), options.date)
    report = load(directory)
    if options.drill is not None:
        drill = read_drill(options.drill)
        if drill is None:
            raise UsageError("there is no such drill report", hint="write one with supplier-views drill --report FILE")
        report = replace(report, full_drill=drill)
    page = rebuild_page(directory, report)
    index = rebuild_index(Path(records))
    opened = webbrowser.open(page.resolve().as_uri()) if options.open else False
    return {
        "outcome": "written",
        "date": report.date.isoformat(),
        "run": report.number,
        "report": str(page),
        "index": str(index),
        "model": str(directory / "report.json"),
        "opened": opened,
    }
