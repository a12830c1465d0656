"""The command that names the supplier of a leaked photo: arguments and what it prints. Imported by `pipelines.cli` alone."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.cli_defaults import Defaults

if TYPE_CHECKING:
    from pipelines.trace import Suspect

Now = Callable[[], datetime]


def add_commands(commands: Any, now: Now) -> None:
    """Adds `trace` to the command line."""
    text = "name the supplier whose copy a leaked photo is"
    trace = commands.add_parser("trace", help=text, description=text)
    trace.add_argument("photos", nargs="+", type=Path, metavar="PHOTO", help="a JPEG, PNG or WebP file, as it was found")
    for flag, metavar, told in (
        ("keys", "URI", None),
        ("policies", "DIR", "of the suppliers that may have had it"),
        ("out", "DIR", None),
        ("records", "DIR", "default: OUT/.records; the call is logged there"),
    ):
        trace.add_argument(f"--{flag}", metavar=metavar, help=told)
    trace.set_defaults(handler=lambda options: _trace(options, now))


def _trace(options: argparse.Namespace, now: Now) -> dict[str, Any]:
    from pipelines.trace import trace
    from transforms.policy.load import load_policies

    values = Defaults(options)
    records = values.get("records")
    traced = trace(
        options.photos,
        values.require("keys"),
        tuple(load_policies(Path(values.require("policies")))),
        Path(records) if records is not None else Path(values.require("out")) / ".records",
        now(),
    )
    for suspect in traced.photos:
        # Whoever named the file may have put a terminal's commands into the name.
        name = suspect.photo if suspect.photo.isprintable() else repr(suspect.photo)
        print(f"{name}: {_in_words(suspect)}")
    found = any(suspect.copies for suspect in traced.photos)
    return {"outcome": "found" if found else "none-found", **asdict(traced), "threshold": round(traced.threshold, 2)}


def _in_words(suspect: Suspect) -> str:
    if suspect.refused is not None:
        return f"not readable: {suspect.refused}"
    if not suspect.copies:
        return "none found"
    return "; ".join(
        f"{copy.supplier}, epoch {copy.epoch}, score {copy.score}" + (", mirrored" if copy.mirrored else "")
        for copy in suspect.copies
    )
