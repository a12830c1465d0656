"""What `--help` says, and how soon: the snapshots under tests/cli/help are what people read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from transforms import errors

if TYPE_CHECKING:
    from conftest import Call

HELP = Path(__file__).parent / "help"
COMMANDS = (
    "demo-data",
    "check",
    "explain",
    "keys",
    "resolve",
    "subject",
    "audit",
    "open-continuity",
    "trace",
    "drill",
    "report",
    "run",
    "stage",
    "verify",
    "publish",
)
KEYS = ("init", "list", "new-epoch", "check", "deactivate", "compromise", "destroy", "rewrap")
SCREENS = (
    (),
    *((command,) for command in COMMANDS),
    *(("keys", action) for action in KEYS),
    *(("audit", action) for action in ("verify", "read", "keygen", "approve")),
)
HEAVY = ("apache_beam", "cryptography", "numpy", "PIL", "pyarrow", "pydantic", "tqdm", "yaml")

_SAYS_HELP = """
import sys
from pipelines.cli import main
try:
    main(sys.argv[1:])
finally:
    print(*sys.modules, file=sys.stderr)
"""


@pytest.mark.parametrize("words", SCREENS, ids=["-".join(words) or "supplier-views" for words in SCREENS])
def test_help_says_what_its_snapshot_says(words: tuple[str, ...], call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "1000")  # so that no version of Python wraps it in its own way
    shown = call(*words, "--help")
    assert (shown.status, shown.stderr) == (0, "")
    snapshot = HELP / f"{'-'.join(words) or 'supplier-views'}.txt"
    assert shown.stdout == snapshot.read_text(encoding="utf-8"), (
        f"if the change is meant: COLUMNS=1000 supplier-views {' '.join(words)} --help >{snapshot}"
    )


def test_every_screen_has_a_snapshot_and_every_command_a_screen(call: Call) -> None:
    assert {path.stem for path in HELP.iterdir()} == {"-".join(words) or "supplier-views" for words in SCREENS}
    refused = call("no-such-command").summary["rule"]
    assert tuple(re.findall(r"[a-z]+(?:-[a-z]+)*", refused.partition("choose from")[2])) == COMMANDS


def test_the_screen_lists_every_exit_status_that_an_error_can_have(call: Call) -> None:
    listed = {int(status) for status in re.findall(r"^  (\d+) ", call("--help").stdout, re.MULTILINE)}
    assert listed == {0, *(kind.exit_status for kind in _kinds(errors.SupplierViewsError))}


def _kinds(kind: type[errors.SupplierViewsError]) -> Iterator[type[errors.SupplierViewsError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from _kinds(child)


def test_help_imports_nothing_that_starts_slowly() -> None:
    for words in ([], ["run"]):
        done = subprocess.run([sys.executable, "-c", _SAYS_HELP, *words, "--help"], capture_output=True, text=True, check=True)
        modules = {name.partition(".")[0] for name in done.stderr.split()}
        assert {"argparse", "pipelines", "transforms"} <= modules
        assert modules & set(HEAVY) == set()


def test_help_answers_in_less_than_three_tenths_of_a_second() -> None:
    """Of the processor's time, the best of three: the wall's depends on who else is at work."""
    spent = []
    for _ in range(3):
        process = subprocess.Popen([Path(sys.executable).with_name("supplier-views"), "--help"], stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0
        spent.append(used.ru_utime + used.ru_stime)
    assert min(spent) < 0.3
