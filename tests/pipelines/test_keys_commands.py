"""`supplier-views keys`, from its command line, through a key's whole life."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


class Custodian:
    """Types commands in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def types(self, *words: str) -> tuple[int, dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-m", "pipelines.cli", "keys", *words],
            cwd=self._directory,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def custodian(tmp_path: Path) -> Custodian:
    (tmp_path / "supplier-views.toml").write_text(f'keys = "file:keys"\nout = "out"\npolicies = "{EXAMPLES / "suppliers"}"\n')
    custodian = Custodian(tmp_path)
    assert custodian.types("init")[0] == 0
    return custodian


def test_a_key_is_checked_rotated_compromised_destroyed_and_moved(custodian, tmp_path):
    assert custodian.types("check")[1]["outcome"] == "clean"
    assert custodian.types("new-epoch", "--supplier", "uniform")[1]["epoch"] == 2
    exposed = custodian.types("compromise", "--supplier", "uniform", "--epoch", "2")[1]
    assert (exposed["outcome"], exposed["moved"], exposed["releases"]) == ("compromised", [2], [])
    status, refused = custodian.types("check")
    assert (status, refused["code"]) == (30, "key-not-active")
    destroyed = custodian.types("destroy", "--supplier", "uniform", "--all-epochs")[1]
    assert destroyed["epochs"] == [1, 2]
    assert [Path(path).name for path in destroyed["destruction_records"]] == ["uniform-1.json", "uniform-2.json"]
    assert (tmp_path / "out" / ".records" / "destroyed" / "uniform-2.json").is_file()
    custodian.types("new-epoch", "--supplier", "uniform")
    assert custodian.types("rewrap", "--to", "file:moved")[1]["outcome"] == "rewrapped"
    assert custodian.types("check", "--keys", "file:moved")[1]["outcome"] == "clean"


def test_a_key_is_made_for_a_later_day(custodian):
    day = str(datetime.now(UTC).date() + timedelta(days=30))
    told = ("new-epoch", "--supplier", "uniform", "--activates", day)
    assert custodian.types(*told, "--rehearse")[1]["outcome"] == "rehearsed"
    done = custodian.types(*told)[1]
    assert (done["outcome"], done["epoch"], done["state"], done["activates"]) == ("prepared", 2, "pre-active", day)
    assert custodian.types("check")[0] == 0
    assert custodian.types(*told)[1]["code"] == "key-state"
    assert custodian.types("destroy", "--supplier", "uniform", "--epoch", "2")[1]["moved"] == [2]


def test_an_active_key_is_not_destroyed_before_it_is_deactivated(custodian):
    status, refused = custodian.types("destroy", "--supplier", "uniform", "--all-epochs")
    assert (status, refused["code"]) == (30, "key-state")
    assert custodian.types("deactivate", "--supplier", "uniform")[1]["moved"] == [1]
    assert custodian.types("destroy", "--supplier", "uniform", "--epoch", "1")[0] == 0


def test_a_rehearsed_rotation_says_what_the_real_one_does_and_writes_nothing(custodian, tmp_path):
    before = {path.name: path.read_bytes() for path in (tmp_path / "keys").iterdir()}
    _, rehearsed = custodian.types("new-epoch", "--supplier", "uniform", "--rehearse")
    assert {path.name: path.read_bytes() for path in (tmp_path / "keys").iterdir()} == before
    _, real = custodian.types("new-epoch", "--supplier", "uniform")
    assert (rehearsed.pop("outcome"), real.pop("outcome")) == ("rehearsed", "rotated")
    assert rehearsed == real
    assert real["tokens_begin"].endswith("2")
    assert real["columns"]


def test_destroy_does_not_guess_which_epochs_are_meant(custodian):
    status, refused = custodian.types("destroy", "--supplier", "uniform")
    assert (status, refused["code"]) == (2, "wrong-arguments")


COMMANDS = {
    "init": [], "list": [], "check": [], "new-epoch": ["--supplier", "uniform"], "deactivate": ["--supplier", "uniform"],
    "compromise": ["--supplier", "uniform"], "rewrap": ["--to", "file:moved"],
    "destroy": ["--supplier", "uniform", "--epoch", "9"],
}  # fmt: skip
# Runs a command, then says whether this process could still dump core.
HARDENED = """
import ctypes, resource, sys
from pipelines.cli import main
try:
    main(sys.argv[1:])
except SystemExit:
    print(resource.getrlimit(resource.RLIMIT_CORE)[1], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))  # PR_GET_DUMPABLE
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_that_opens_keys_can_dump_core(custodian, tmp_path, command):
    done = subprocess.run(
        [sys.executable, "-c", HARDENED, "keys", command, *COMMANDS[command]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "0 0"
