"""Documentation that can fail: the commands, flags, settings and exit statuses that the pages name are the real ones."""

from __future__ import annotations

import ast
import configparser
import re
import shlex
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipelines.settings import DEFAULTS

if TYPE_CHECKING:
    from conftest import Call

ROOT = Path(__file__).resolve().parents[2]
HELP = Path(__file__).parent / "help"
PAGES = (
    "README.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "keys/README.md",
    "Makefile",
    *(path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").rglob("*.md"))),
)
GROUPS = ("keys", "audit")  # commands of commands
SUPPLIERS = ("card-printer", "shift-rostering", "uniform")


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")


def _commands(page: str) -> list[str]:
    """What stands behind `supplier-views` in code: in fenced or indented lines, between backticks, and in recipes."""
    text = _text(page)
    if page == "Makefile":
        code = [line for line in text.splitlines() if line.startswith("\t")]
    else:
        fenced = re.findall(r"^ *```\w*\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
        code = [line for block in fenced for line in block.splitlines()] + re.findall(r"`([^`\n]+)`", text)
    found = (re.search(r"(?:^|[/\s)])supplier-views +([a-z-]+\b[^|&;>]*)", line.split(" # ")[0]) for line in code)
    return [match[1].strip() for match in found if match]


def _screens() -> dict[str, set[str]]:
    """The flags of every command, by its words."""
    return {path.stem: set(re.findall(r"--[a-z-]+", path.read_text(encoding="utf-8"))) for path in HELP.iterdir()}


def test_the_pages_name_commands_at_all() -> None:
    assert all(len(_commands(page)) >= 3 for page in ("README.md", "keys/README.md", "Makefile", "docs/scheduling.md"))


@pytest.mark.parametrize("page", PAGES)
def test_every_command_and_flag_that_a_page_names_exists(page: str) -> None:
    screens = _screens()
    for line in _commands(page):
        words = line.split()
        name = "-".join(words[:2]) if words[0] in GROUPS and len(words) > 1 and "|" not in words[1] else words[0]
        assert name in screens, line
        ours = line.split(" -- ")[0]  # the rest is for Beam
        assert set(re.findall(r"(?<!\S)--[a-z-]+", ours)) <= screens[name], line


def test_every_command_is_on_some_page() -> None:
    named = {line.split()[0] for page in PAGES for line in _commands(page)}
    text = _text("README.md")
    named |= {phase for phase in ("stage", "verify", "publish") if f"`{phase}`" in text}
    assert {name for name in _screens() if name.partition("-")[0] not in GROUPS} - {"supplier-views"} <= named


def test_the_flags_that_the_first_page_shows_are_those_that_a_run_needs() -> None:
    (line,) = (line for line in _commands("README.md") if line.startswith("run "))
    usage = (HELP / "run.txt").read_text(encoding="utf-8").splitlines()[0]
    optional = {"--staging", "--records", "--supplier", "--photo-cache"}
    assert set(re.findall(r"--[a-z-]+", line)) == set(re.findall(r"--[a-z-]+", usage)) - optional


def test_the_commands_of_the_first_page_run_and_a_release_is_what_it_shows(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    demo = tmp_path / "export"
    assert call("demo-data", "--people", "60", "--seed", "5", "--photo-mp", "0.02", "--out", demo).status == 0
    there = {
        "--contract FILE": "--contract examples/hr-export.yaml",
        "--policies DIR": "--policies examples/suppliers",
        "--export GLOB": f"--export {demo}/hr-*.csv",
        "--photos DIR": f"--photos {demo}/photos",
        "file:DIR": f"file:{tmp_path}/keys",
        "--out DIR": f"--out {tmp_path}/out",
        "YYYY-MM-DD": "2026-11-23",
    }
    done = []
    for line in _commands("README.md"):
        if line == "explain":  # in prose
            continue
        for placeholder, real in there.items():
            line = line.replace(placeholder, real)
        ended = call(*shlex.split(line))
        assert ended.status == 0, (line, ended.stderr)
        done.append(line.split()[0])
    assert done == ["check", "explain", "keys", "run", "report"]

    shown = re.search(r"```\ncard-printer/\S+\n(.*?)```", _text("README.md"), re.DOTALL)
    assert shown
    names = [line.split()[0].rstrip("/") for line in shown[1].splitlines() if line[2:3] != " "]
    (release,) = (tmp_path / "out" / "card-printer").iterdir()
    assert sorted(names) == sorted(path.name for path in release.iterdir())
    header = (release / "people.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == re.search(r"people\.csv +(\S+)", shown[1])[1]  # type: ignore[index]
    row = shown[1].splitlines()[1].split(",")
    assert len(row) == len(header.split(","))
    assert all(re.fullmatch(r"WC[0-9]+-[0-9A-HJKMNP-TV-Z]{17}(\.jpg)?", cell.strip()) for cell in (row[0], row[1], row[-1]))


def _blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_defaults_file_of_the_scheduling_page_holds_every_key_that_there_is() -> None:
    (block,) = _blocks("docs/scheduling.md", "toml")
    assert set(tomllib.loads(block)) == set(DEFAULTS)


def _units() -> dict[str, configparser.ConfigParser]:
    """The unit files of the scheduling page by their names; systemd's `%` is no interpolation."""
    (block,) = _blocks("docs/scheduling.md", "ini")
    units = {}
    for name, text in re.findall(r"# /etc/systemd/system/(\S+)\n(.*?)(?=# /etc/systemd|\Z)", block, re.DOTALL):
        units[name] = configparser.ConfigParser(interpolation=None)
        units[name].optionxform = str  # type: ignore[assignment,method-assign]
        units[name].read_string(text)
    return units


def test_the_unit_files_of_the_scheduling_page_are_a_service_and_its_timer() -> None:
    units = _units()
    assert set(units) == {"supplier-views.service", "supplier-views.timer"}
    service, timer = units["supplier-views.service"], units["supplier-views.timer"]
    assert (service["Service"]["Type"], timer["Install"]["WantedBy"]) == ("oneshot", "timers.target")
    assert "OnCalendar" in timer["Timer"]
    written = service["Service"]["ReadWritePaths"].split()
    defaults = tomllib.loads(_blocks("docs/scheduling.md", "toml")[0])
    for name in ("out", "staging", "records"):
        assert any(Path(defaults[name]).is_relative_to(path) for path in written), name


def _exit_statuses() -> dict[int, str]:
    """Exit status and the advice on retrying, from the table of the scheduling page."""
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]+) \|", _text("docs/scheduling.md"), re.MULTILINE)
    return {int(status): advice for status, advice in rows}


def test_the_exit_statuses_of_the_pages_are_those_of_the_program() -> None:
    screen = (HELP / "supplier-views.txt").read_text(encoding="utf-8")
    statuses = {int(status) for status in re.findall(r"^  (\d+) ", screen, re.MULTILINE)}
    assert set(_exit_statuses()) == statuses
    listed = re.search(r"exit status says what happened: (.*?)\. Options", _text("README.md").replace("\n", " "))
    assert listed
    assert {int(status) for status in re.findall(r"(?:^|, )(\d+) ", listed[1])} == statuses


def test_systemd_and_airflow_retry_what_the_table_says_and_nothing_else() -> None:
    again = {status for status, advice in _exit_statuses().items() if advice.startswith("yes")}
    never = set(_exit_statuses()) - again - {0}
    assert again == {30}
    prevented = _units()["supplier-views.service"]["Service"]["RestartPreventExitStatus"]
    assert {int(status) for status in prevented.split()} == never
    (dag,) = _blocks("docs/scheduling.md", "python")
    (retry,) = (
        node.value for node in ast.parse(dag).body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "RETRY"
    )
    killed = {int(status) for status in re.findall(r"\bkilled \(([\d, ]+)\)", _text("docs/scheduling.md"))[0].split(",")}
    assert set(ast.literal_eval(retry)) == again | killed


def test_the_service_tries_as_often_as_the_table_says() -> None:
    advice = _exit_statuses()[30]
    assert "three times, ten minutes apart" in advice
    unit, service = _units()["supplier-views.service"]["Unit"], _units()["supplier-views.service"]["Service"]
    assert (unit["StartLimitBurst"], service["RestartSec"]) == ("4", "10min")
    (dag,) = _blocks("docs/scheduling.md", "python")
    assert '"retries": 3' in dag
    assert "timedelta(minutes=10)" in dag


def test_the_cron_line_is_one_line_and_escapes_every_percent_sign() -> None:
    (line,) = (line for line in _text("docs/scheduling.md").splitlines() if re.match(r"(\S+ +){5}supplierviews ", line))
    assert "%" in line
    assert not re.search(r"(?<!\\)%", line)


def test_make_alone_lists_the_targets() -> None:
    alone, named = (
        subprocess.run(["make", "--no-print-directory", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for words in ([], ["help"])
    )
    assert alone == named
    listed = {line.split()[0] for line in named.splitlines()}
    targets = set(re.findall(r"^([a-z-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"help", "setup", "run-local", "test", "lint"} <= listed <= targets


def test_make_run_local_would_make_an_export_and_keys_and_run() -> None:
    line = ["make", "-n", "run-local", "PEOPLE=47000", "PHOTO_MP=2", "DATE=2026-11-23"]
    recipe = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout.replace("\\\n", " ")
    steps = re.findall(r"supplier-views (demo-data|keys init|run)\b([^>]*)", recipe)
    assert [name for name, _ in steps] == ["demo-data", "keys init", "run"]
    assert re.search(r"--people 47000 .*--photo-mp 2 ", steps[0][1])
    assert "--date 2026-11-23" in steps[2][1]


def test_every_make_target_that_a_page_names_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in (*PAGES, ".ci/run", "bench/README.md"):
        named = set(re.findall(r"(?:^|`)make ([a-z]+(?:-[a-z]+)*)", _text(page), re.MULTILINE))
        assert named <= targets, page
