"""Arguments, messages and exit codes: the only module that prints or exits.

What starts slowly is imported where a command needs it, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from pipelines import cli_continuity, cli_drill, cli_keys, cli_report, cli_resolving, cli_tracing
from pipelines.cli_defaults import Defaults, count
from pipelines.settings import DEFAULTS_FILE
from transforms.errors import InternalError, OutcomeUnknown, SupplierViewsError, UsageError

if TYPE_CHECKING:
    from pipelines.settings import Settings

PROGRAM = "supplier-views"
Summary = dict[str, Any]

_EPILOG = """exit status:
  0   published, or nothing to do (the summary says which)
  2   wrong arguments
  10  refused: leak, quarantine or risk over its limit, changed input
  20  contract, policy or export invalid
  30  key, store, lock or clock unavailable
  40  outcome unknown: look before retrying
  50  a bug

The last line of stdout is one JSON object; everything else goes to stderr.
Defaults for flags are read from supplier-views.toml in the working directory."""

_RUN_EPILOG = "A flag that is missing is read from supplier-views.toml. Options for Beam follow a lone --."


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"{self.prog} --help")


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs one command and exits with its status."""
    # Libraries log the text of their exceptions, and with it whatever value the text quotes [R15].
    logging.getLogger().addHandler(logging.NullHandler())
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = arguments[0] if arguments and not arguments[0].startswith("-") else PROGRAM
    try:
        with _ended_by_signals():
            summary = _run(arguments)
    except SupplierViewsError as error:
        _fail(command, error)
    except _Ended as ended:
        _end(command, ended.number)
    except Exception as error:  # noqa: BLE001 - the last line of defence: a foreign message may quote a cell value [R15]
        _print_frames(error)
        bug = InternalError(
            f"unexpected {type(error).__name__}", hint="report it with the lines above; they hold no data of the export"
        )
        _fail(command, bug)
    if summary is not None:
        _print_summary({"command": command, "exit": 0, **summary})
    sys.exit(0)


def _print_summary(summary: Summary) -> None:
    """The last line of stdout; whoever cannot get it must look for the outcome."""
    try:
        print(json.dumps(summary), flush=True)
    except OSError:
        print(f"{PROGRAM}: error: stdout cannot be written, so the summary is lost", file=sys.stderr)
        print(f"{PROGRAM}: hint: look at the releases before retrying", file=sys.stderr)
        os._exit(OutcomeUnknown.exit_status)  # a plain exit would try to flush stdout once more


class _Ended(Exception):
    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Lets SIGINT and SIGTERM end the work in the block as an error does, so that what it staged is wiped [R16].

    Raises:
        _Ended: whatever the work made of it: Beam turns an interruption into an error of the step that it hits.
    """
    seen: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except BaseException:
        if seen:
            raise _Ended(seen[0]) from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(command: str, number: int) -> NoReturn:
    status = 128 + number
    print(f"{PROGRAM}: error: ended by {signal.Signals(number).name}", file=sys.stderr, flush=True)
    print(json.dumps({"command": command, "exit": status, "outcome": "interrupted"}), flush=True)
    os._exit(status)  # threads whose work was interrupted may wait for ever, and an ordinary exit for them


def _fail(command: str, error: SupplierViewsError) -> NoReturn:
    findings = getattr(error, "findings", ()) or (error,)
    for finding in findings:
        place = f"{finding.place}: " if finding.place else ""
        print(f"{PROGRAM}: error: {place}{finding.rule}", file=sys.stderr)
        if finding.hint:
            print(f"{PROGRAM}: hint: {finding.hint}", file=sys.stderr)
    summary = {"command": command, "exit": error.exit_status, "outcome": "refused" if error.exit_status == 10 else "failed"}
    first, *others = (_as_json(finding) for finding in findings)
    _print_summary({**summary, **first, **({"also": others} if others else {})})
    sys.exit(error.exit_status)


def _as_json(error: SupplierViewsError) -> Summary:
    return {"code": error.code, "rule": error.rule, "place": error.place, "hint": error.hint}


def _print_frames(error: BaseException) -> None:
    for frame in traceback.extract_tb(error.__traceback__):
        print(f"{PROGRAM}: at {frame.filename}:{frame.lineno} in {frame.name}", file=sys.stderr)


def _run(arguments: list[str]) -> Summary | None:
    beam_options: list[str] = []
    if "--" in arguments:
        split = arguments.index("--")
        arguments, beam_options = arguments[:split], arguments[split + 1 :]
    options = _parser().parse_args(arguments)
    if beam_options and options.command not in ("run", "stage", "verify", "publish"):
        raise UsageError(
            "Beam options follow -- only after run, stage, verify or publish", hint="leave -- out, and what follows it"
        )
    options.beam_options = tuple(beam_options)
    handler: Callable[[argparse.Namespace], Summary | None] = options.handler
    return handler(options)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description="Give each supplier what its job needs, and nothing that hurts people when the supplier is breached.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    _add_demo(commands)
    _add_policies_commands(commands)
    cli_keys.add_commands(commands, _Parser, _date, _now)
    cli_resolving.add_commands(commands, _Parser, _now)
    cli_continuity.add_commands(commands)
    cli_tracing.add_commands(commands, _now)
    cli_drill.add_commands(commands, _date, _now)
    cli_report.add_commands(commands, _date)
    for name, handler, text in (
        ("run", _run_nightly, "stage, verify and publish every supplier's view"),
        ("stage", _stage, "read the export and write every view where no supplier can see it"),
        ("verify", _verify, "attack the staged views as a stranger would; only what passes can be published"),
        ("publish", _publish, "hand the verified views over, manifest last"),
    ):
        command = commands.add_parser(name, help=text, description=text, epilog=_RUN_EPILOG)
        _add_run_flags(command)
        command.set_defaults(handler=handler)
    return parser


def _add_demo(commands: Any) -> None:
    demo = commands.add_parser(
        "demo-data", help="write a synthetic export", description="write a synthetic export of people who do not exist"
    )
    demo.add_argument("--people", type=count, required=True, metavar="N")
    demo.add_argument("--seed", type=int, default=1, metavar="S")
    demo.add_argument("--out", type=Path, required=True, metavar="DIR")
    demo.add_argument("--format", choices=("csv", "parquet", "jsonl"), default="csv")
    demo.add_argument("--broken", type=_share, default=0.0, metavar="SHARE", help="share of rows that are broken on purpose")
    demo.add_argument("--night", type=count, default=1, metavar="N", help="a later night: some join, leave, rise or are renamed")
    photos = demo.add_mutually_exclusive_group()
    photos.add_argument("--no-photos", action="store_true")
    photos.add_argument("--photo-mp", type=float, default=0.5, metavar="MP", help="megapixels of each photo")
    demo.set_defaults(handler=_demo_data)


def _add_policies_commands(commands: Any) -> None:
    text = "hold the policies against the contract, without reading data"
    check = commands.add_parser("check", help=text, description=text)
    text = "say in plain words what one supplier gets, why, and what it does not"
    explain = commands.add_parser("explain", help=text, description=text)
    for command in (check, explain):
        command.add_argument("--contract", metavar="FILE")
        command.add_argument("--policies", metavar="DIR")
    explain.add_argument("--supplier", required=True, metavar="NAME")
    check.set_defaults(handler=_check)
    explain.set_defaults(handler=_explain)


def _add_run_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("--contract", metavar="FILE")
    command.add_argument("--policies", metavar="DIR")
    command.add_argument("--export", metavar="GLOB", help="export files: .csv, .parquet or .jsonl")
    command.add_argument("--photos", metavar="DIR")
    command.add_argument("--keys", metavar="URI", help="such as file:DIR")
    command.add_argument("--out", metavar="DIR", help="a release is DIR/SUPPLIER/RELEASE-ID/")
    command.add_argument("--staging", metavar="DIR", help="default: OUT/.staging")
    command.add_argument("--records", metavar="DIR", help="default: OUT/.records")
    command.add_argument(
        "--photo-cache", choices=("on", "off"), metavar="on|off", help="keep prints for the next night; default: on"
    )
    command.add_argument("--date", type=_date, required=True, metavar="YYYY-MM-DD", help="business date of the export")
    command.add_argument("--supplier", nargs="+", action="extend", default=[], metavar="NAME", help="default: every policy")


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError("must be a number between 0 and 1")
    return value


def _date(text: str) -> date:
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()
    except ValueError:
        raise argparse.ArgumentTypeError("must be a date as YYYY-MM-DD") from None
    if not 2000 <= day.year < 2100:
        raise argparse.ArgumentTypeError("must be a business date of this century")
    return day


def _settings(options: argparse.Namespace) -> Settings:
    from pipelines.settings import Settings

    values = Defaults(options)
    out = Path(values.require("out"))
    return Settings(
        contract=Path(values.require("contract")),
        policies=Path(values.require("policies")),
        export=values.require("export"),
        photos=values.get("photos"),
        keys=values.require("keys"),
        out=out,
        staging=Path(values.get("staging") or out / ".staging"),
        records=Path(values.get("records") or out / ".records"),
        date=options.date,
        suppliers=tuple(options.supplier),
        beam_options=options.beam_options,
        photo_cache=_on_or_off(values, "photo-cache"),
    )


def _on_or_off(values: Defaults, name: str) -> bool:
    value = values.get(name) or "on"
    if value not in ("on", "off"):  # a flag's value was checked; this one stands in the file
        raise UsageError(f"{name} must be on or off", place=DEFAULTS_FILE, hint=f'write {name} = "off" to keep nothing')
    return value == "on"


def _now() -> datetime:
    return datetime.now(UTC)


def _run_nightly(options: argparse.Namespace) -> Summary:
    from pipelines.nightly import run
    from pipelines.progress import Progress

    summary = run(_settings(options), _now, Progress(sys.stderr))
    for supplier, view in summary["suppliers"].items():
        print(_in_words(supplier, view), file=sys.stderr)
    return summary


def _in_words(supplier: str, view: Summary) -> str:
    stayed = view["not_due"] + view["protected"] + view["photos_withheld"]
    left = f"{view['released']:,} rows left with {', '.join(view['columns'])}"
    what = f"{left}; {stayed:,} rows and {len(view['stayed'])} columns stayed"
    return f"{supplier}: {view['outcome']}: {what}" + (f"; {view['directory']}" if view["directory"] else "")


def _stage(options: argparse.Namespace) -> Summary:
    from pipelines.nightly import stage_only
    from pipelines.progress import Progress

    return stage_only(_settings(options), _now, Progress(sys.stderr))


def _verify(options: argparse.Namespace) -> Summary:
    from pipelines.nightly import verify_only
    from pipelines.progress import Progress

    return verify_only(_settings(options), _now, Progress(sys.stderr))


def _publish(options: argparse.Namespace) -> Summary:
    from pipelines.nightly import publish_only
    from pipelines.progress import Progress

    return publish_only(_settings(options), _now, Progress(sys.stderr))


def _demo_data(options: argparse.Namespace) -> Summary:
    from pipelines.demo import make_demo
    from pipelines.progress import Progress

    photo_mp = None if options.no_photos else options.photo_mp
    progress = Progress(sys.stderr)
    summary = make_demo(
        options.people, options.seed, options.out, options.format, options.broken, photo_mp, progress, options.night
    )
    return {"outcome": "written", **asdict(summary), "export": str(summary.export)}


def _check(options: argparse.Namespace) -> Summary:
    from transforms.contract.load import load_contract
    from transforms.policy.lint import check_policies
    from transforms.policy.load import load_policies

    values = Defaults(options)
    contract = load_contract(Path(values.require("contract")))
    policies = load_policies(Path(values.require("policies")))
    notices = check_policies(contract, policies)
    for notice in notices:
        print(f"{PROGRAM}: notice: {notice.place}: {notice.rule}", file=sys.stderr)
        print(f"{PROGRAM}: hint: {notice.hint}", file=sys.stderr)
    suppliers = [policy.supplier for policy in policies]
    return {"outcome": "clean", "suppliers": suppliers, "notices": [asdict(notice) for notice in notices]}


def _explain(options: argparse.Namespace) -> None:
    from transforms.contract.load import load_contract
    from transforms.policy.explain import explain
    from transforms.policy.lint import check_policies
    from transforms.policy.load import load_policies

    values = Defaults(options)
    contract = load_contract(Path(values.require("contract")))
    policies = load_policies(Path(values.require("policies")))
    check_policies(contract, policies)
    for policy in policies:
        if policy.supplier == options.supplier:
            print(explain(policy, contract))
            return
    raise UsageError("no policy has that supplier", hint=f"known: {', '.join(policy.supplier for policy in policies)}")


if __name__ == "__main__":
    main()
