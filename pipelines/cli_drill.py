"""The breach drill on the command line; `pipelines.cli` adds it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pipelines.cli_defaults import Defaults
from transforms.errors import UsageError

Summary = dict[str, Any]
Now = Callable[[], datetime]

_EPILOG = """An attacker gets the release directories and what the public knows, made from the export; who is who is used to
score, on this side, with the keys. A flag that is missing is read from supplier-views.toml.
docs/drill.md says what each number means."""


def add_commands(commands: Any, parse_date: Callable[[str], date], now: Now) -> None:
    """Adds `drill`."""
    text = "attack published releases as a thief would, and hold what falls to the policies' limits"
    drill = commands.add_parser("drill", help=text, description=text, epilog=_EPILOG)
    drill.add_argument("--contract", metavar="FILE")
    drill.add_argument("--policies", metavar="DIR")
    drill.add_argument("--export", metavar="GLOB", help="the export of --date")
    drill.add_argument("--photos", metavar="DIR", help="HR's photos, of which the press has a few")
    drill.add_argument("--keys", metavar="URI", help="such as file:DIR; for scoring, and for what a stolen key costs")
    drill.add_argument("--out", metavar="DIR", help="where the releases are")
    drill.add_argument("--date", type=parse_date, required=True, metavar="YYYY-MM-DD", help="business date of the releases")
    drill.add_argument(
        "--earlier", nargs=2, metavar=("YYYY-MM-DD", "GLOB"), help="an earlier business date and its export, to attack two nights"
    )
    drill.add_argument("--supplier", nargs="+", action="extend", default=[], metavar="NAME", help="default: every policy")
    drill.add_argument("--nightly", action="store_true", help="the part that every run takes: no careless designs, no stolen key")
    drill.add_argument("--report", type=Path, metavar="FILE", help="write the whole result as JSON; the file is replaced")
    drill.set_defaults(handler=lambda options: _drill(options, parse_date, now))


def _drill(options: argparse.Namespace, parse_date: Callable[[str], date], now: Now) -> Summary:
    from pipelines.drill.model import Verdict, report_json
    from pipelines.drill.run import DrillSettings, drill, hold_limits, verdicts
    from pipelines.progress import Progress
    from pipelines.release.files import replace
    from transforms.policy.load import load_policies

    values = Defaults(options)
    exports = {options.date: values.require("export")}
    if options.earlier is not None:
        try:
            earlier = parse_date(options.earlier[0])
        except argparse.ArgumentTypeError as error:
            raise UsageError(f"--earlier {error}", hint="name a date and an export") from None
        if earlier >= options.date:
            raise UsageError("--earlier is not before --date", hint="the newer night is --date")
        exports[earlier] = options.earlier[1]
    photos = values.get("photos")
    settings = DrillSettings(
        contract=Path(values.require("contract")),
        policies=Path(values.require("policies")),
        exports=exports,
        photos=Path(photos) if photos else None,
        keys=values.require("keys"),
        out=Path(values.require("out")),
        suppliers=tuple(options.supplier),
        quick=options.nightly,
    )
    began = time.monotonic()
    report = drill(settings, now(), Progress(sys.stderr))
    seconds = round(time.monotonic() - began, 1)
    if options.report is not None:
        replace(options.report, report_json(report))
    held = [f"{result.attack} on {result.target}" for result in report.attacks if result.verdict is Verdict.HELD]
    for each in held:
        print(
            f"supplier-views: notice: {each}: a careless design did not fall, so this attack proves nothing here", file=sys.stderr
        )
    hold_limits(report, load_policies(settings.policies))
    return {
        "outcome": "within-limits",
        "nights": [night.isoformat() for night in report.nights],
        "suppliers": list(report.suppliers),
        "people": report.people,
        "attacks": len(report.attacks),
        "verdicts": verdicts(report),
        "not_run": len(report.not_run),
        "proves_nothing": held,
        "report": str(options.report) if options.report else None,
        "drill_s": seconds,
    }
