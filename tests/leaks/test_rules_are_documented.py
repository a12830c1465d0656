"""Each rule of the gate is one class, and a page says what it means."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import transforms.leaks
from transforms.leaks.findings import Check
from transforms.leaks.matcher import RAW_VALUE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "gate.md"


def checks() -> set[type[Check]]:
    modules = [
        importlib.import_module(f"transforms.leaks.{found.name}") for found in pkgutil.iter_modules(transforms.leaks.__path__)
    ]
    kinds = {kind for module in modules for kind in vars(module).values() if inspect.isclass(kind)}
    return {kind for kind in kinds if issubclass(kind, Check) and kind is not Check}


def test_no_two_classes_have_the_same_rule() -> None:
    rules = [kind.rule for kind in checks()]
    assert len(rules) == len(set(rules)) > 60


def test_the_page_of_the_gate_lists_the_rules_and_no_others() -> None:
    listed = re.findall(r"^\| `([a-z-]+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert listed == sorted({RAW_VALUE, *(kind.rule for kind in checks())})


def test_the_page_says_of_each_rule_what_its_class_says() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for kind in checks():
        said = " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split()).replace("|", "\\|")
        assert f"| `{kind.rule}` | {said} |" in page
