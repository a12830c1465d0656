"""The commands that read no data: check, explain and keys; and the defaults file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from transforms.contract.load import load_contract
from transforms.policy.load import load_policies

if TYPE_CHECKING:
    from conftest import Call

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SUPPLIERS = ("card-printer", "shift-rostering", "uniform")
Terms = tuple[str, ...]


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[str, str, str], Path]:
    """The example policies with one text of one policy replaced."""

    def edit(supplier: str, old: str, new: str) -> Path:
        directory = tmp_path / "policies"
        if not directory.exists():
            shutil.copytree(EXAMPLES / "suppliers", directory)
        path = directory / f"{supplier}.yaml"
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")
        return directory

    return edit


def test_the_examples_are_clean(call: Call, terms: Terms) -> None:
    checked = call("check", *terms)
    assert (checked.status, checked.summary["outcome"]) == (0, "clean")
    assert checked.summary["suppliers"] == list(SUPPLIERS)
    assert len(checked.stdout.splitlines()) == 1


VETTING = {
    "kept": ("columns:\n", "columns:\n  vetting_level: {action: keep, why: they asked for it}\n"),
    "as-a-token": ("columns:\n", "columns:\n  clearance: {action: token, of: [vetting_level], why: they asked for it}\n"),
    "in-a-filter": ("where: {card_due: [yes]}", "where: {card_due: [yes], vetting_level: [SC]}"),
    "dropped": ("columns:\n", "columns:\n  vetting_level: {action: drop, why: to be sure}\n"),
}


@pytest.mark.parametrize(("old", "new"), VETTING.values(), ids=VETTING)
def test_check_refuses_a_policy_that_names_vetting(
    call: Call, terms: Terms, edited: Callable[[str, str, str], Path], old: str, new: str
) -> None:
    policies = edited("card-printer", old, new)
    checked = call("check", *terms, "--policies", policies)
    assert checked.status == 20
    findings = [checked.summary, *checked.summary.get("also", [])]
    named = [finding for finding in findings if finding["code"] == "restricted-named"]
    assert named
    assert all("vetting_level" in finding["rule"] for finding in named)
    assert all(f"{policies / 'card-printer.yaml'}:" in finding["place"] for finding in named)


def test_check_prints_every_finding_with_its_line_and_its_hint(
    call: Call, terms: Terms, edited: Callable[[str, str, str], Path]
) -> None:
    edited("card-printer", "columns:\n", "columns:\n  vetting_level: {action: keep, why: they asked for it}\n")
    policies = edited("uniform", "columns:\n", "columns:\n  surname: {action: keep, why: label}\n")
    checked = call("check", *terms, "--policies", policies)
    assert checked.status == 20
    first = {name: checked.summary[name] for name in ("code", "rule", "place", "hint")}
    findings = [first, *checked.summary["also"]]
    assert len(findings) >= 2
    for finding in findings:
        assert f"supplier-views: error: {finding['place']}: {finding['rule']}" in checked.stderr.splitlines()
        assert f"supplier-views: hint: {finding['hint']}" in checked.stderr.splitlines()


@pytest.mark.parametrize("supplier", SUPPLIERS)
def test_explain_tells_every_column_that_leaves_and_every_one_that_stays(call: Call, terms: Terms, supplier: str) -> None:
    told = call("explain", *terms, "--supplier", supplier)
    assert (told.status, told.stderr) == (0, "")
    contract = load_contract(EXAMPLES / "hr-export.yaml")
    (policy,) = (policy for policy in load_policies(EXAMPLES / "suppliers") if policy.supplier == supplier)
    words = told.stdout.replace("\n", " ")
    for expected in (supplier, policy.agreement, *(column.name for column in (*contract.columns, *policy.columns))):
        assert expected in words


def test_explain_of_an_unknown_supplier_names_the_known_ones(call: Call, terms: Terms) -> None:
    told = call("explain", *terms, "--supplier", "nobody")
    assert (told.status, told.summary["code"]) == (2, "wrong-arguments")
    assert all(supplier in told.stderr for supplier in SUPPLIERS)


def test_keys_init_twice_makes_them_once(call: Call, terms: Terms, tmp_path: Path) -> None:
    store = tmp_path / "keys"
    keys = ("--keys", f"file:{store}", *terms[2:])
    made = call("keys", "init", *keys)
    assert (made.status, made.summary["created"], made.summary["kept"]) == (0, sorted((*SUPPLIERS, "internal", "signing")), [])
    before = {path: (path.read_bytes(), path.stat().st_mode) for path in store.iterdir()}
    assert {mode & 0o077 for path, (_, mode) in before.items() if path.suffix != ".pub"} == {0}
    again = call("keys", "init", *keys)
    assert (again.status, again.summary["created"], again.summary["kept"]) == (0, [], made.summary["created"])
    assert {path: (path.read_bytes(), path.stat().st_mode) for path in store.iterdir()} == before


def test_keys_list_shows_what_init_and_new_epoch_made_and_no_key(call: Call, terms: Terms, tmp_path: Path) -> None:
    store = tmp_path / "keys"
    keys = ("--keys", f"file:{store}", *terms[2:])
    call("keys", "init", *keys)
    rotated = call("keys", "new-epoch", *keys, "--supplier", "uniform")
    assert (rotated.status, rotated.summary["epoch"], rotated.summary["deactivated"]) == (0, 2, 1)
    listed = call("keys", "list", *keys)
    states = {row["name"]: [epoch["state"] for epoch in row["epochs"]] for row in listed.summary["keysets"]}
    expected = {name: ["active"] for name in (*SUPPLIERS, "internal", "signing")} | {"uniform": ["deactivated", "active"]}
    assert (listed.status, states) == (0, expected)
    secret = (store / "kek.key").read_bytes()
    said = rotated.stdout + rotated.stderr + listed.stdout + listed.stderr
    assert secret.hex() not in said
    assert call("keys", "new-epoch", *keys, "--supplier", "nobody").status == 2


def test_a_supplier_without_a_keyset_is_listed_as_such(call: Call, terms: Terms, tmp_path: Path) -> None:
    one = tmp_path / "one"
    one.mkdir()
    shutil.copy(EXAMPLES / "suppliers" / "uniform.yaml", one)
    keys = ("--keys", f"file:{tmp_path / 'keys'}")
    call("keys", "init", *keys, "--policies", one)
    listed = call("keys", "list", *keys, *terms[2:]).summary
    assert [row["name"] for row in listed["keysets"] if not row["epochs"]] == ["card-printer", "shift-rostering"]
    assert len(listed["notices"]) == 2


@pytest.fixture
def defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes the defaults file of the working directory."""
    monkeypatch.chdir(tmp_path)

    def write(text: str) -> None:
        (tmp_path / "supplier-views.toml").write_bytes(text.encode("utf-8", "surrogateescape"))

    return write


def test_a_missing_flag_is_read_from_the_defaults_file(call: Call, defaults: Callable[[str], None], terms: Terms) -> None:
    missing = call("check")
    assert (missing.status, missing.summary["rule"]) == (2, "--contract is missing")
    defaults(f'contract = "{terms[1]}"\npolicies = "{terms[3]}"\n')
    assert call("check").summary["outcome"] == "clean"


@pytest.mark.parametrize(("value", "wrong"), [("off", False), ("on", False), ("yes", True)])
def test_the_cache_of_prints_is_on_or_off(
    call: Call, defaults: Callable[[str], None], tmp_path: Path, value: str, wrong: bool
) -> None:
    lines = {name: tmp_path / name for name in ("contract", "policies", "export", "out")} | {"keys": f"file:{tmp_path}/keys"}
    defaults("".join(f'{name} = "{place}"\n' for name, place in {**lines, "photo-cache": value}.items()))
    ended = call("verify", "--date", "2026-11-23")  # there is no contract, which is the next thing to be wrong
    assert (ended.status, "photo-cache" in ended.summary["rule"]) == ((2, True) if wrong else (20, False))


def test_a_flag_wins_over_the_defaults_file(call: Call, defaults: Callable[[str], None], terms: Terms) -> None:
    defaults('contract = "/nowhere/contract.yaml"\npolicies = "/nowhere"\n')
    assert "/nowhere" in call("check").summary["place"]
    assert "/nowhere" in call("check", *terms[:2]).summary["place"]
    assert call("check", *terms).summary["outcome"] == "clean"


BAD_DEFAULTS = {
    "unknown-key": 'contracts = "x"\n',
    "table": '[run]\nout = "x"\n',
    "number": "out = 3\n",
    "empty": 'contract = ""\n',
    "no-toml": "contract: x\n",
    "deep": f"contract = {'[' * 5_000}{']' * 5_000}\n",
    "encoding": 'contract = "\udcff"\n',
}


@pytest.mark.parametrize("text", BAD_DEFAULTS.values(), ids=BAD_DEFAULTS)
def test_a_defaults_file_that_is_not_understood_is_refused(call: Call, defaults: Callable[[str], None], text: str) -> None:
    defaults(text)
    refused = call("check")
    assert (refused.status, refused.summary["code"]) == (2, "wrong-arguments")


WRONG = [
    (),
    ("no-such-command",),
    ("run",),
    ("run", "--date", "23.11.2026"),
    ("run", "--date", "2026-02-30"),
    ("check", "--nonsense"),
    ("check", "--", "--runner=FlinkRunner"),
    ("keys",),
    ("keys", "new-epoch"),
    ("demo-data", "--people", "many", "--out", "x"),
    ("demo-data", "--people", "-1", "--out", "x"),
    ("demo-data", "--people", "3", "--out", "x", "--broken", "1.5"),
    ("demo-data", "--people", "3", "--out", "x", "--broken", "nan"),
    ("demo-data", "--people", "3", "--out", "x", "--no-photos", "--photo-mp", "1"),
]


@pytest.mark.parametrize("line", WRONG, ids=" ".join)
def test_wrong_arguments_are_told_in_words_and_in_json(
    call: Call, line: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = call(*line)
    assert (ended.status, ended.summary["exit"], ended.summary["outcome"]) == (2, 2, "failed")
    assert ended.stderr.startswith("supplier-views: error: ")
    assert "supplier-views: hint: " in ended.stderr
    assert "_count" not in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_demo_data_prints_its_counts_as_json(call: Call, tmp_path: Path) -> None:
    made = call("demo-data", "--people", 20, "--seed", 3, "--out", tmp_path / "demo", "--no-photos", "--format", "jsonl")
    assert (made.status, made.summary["people"], made.summary["photos"]) == (0, 20, 0)
    rows = [json.loads(line) for line in Path(made.summary["export"]).read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 20
