"""Whether every detector of the gate is needed: each is switched off in turn, and a planted leak must then pass unseen.

`make test-gate-mutations` runs the suites of this folder once for each detector, in a child process that has lost it; names of
detectors as arguments run those alone. A detector is a subclass of `Check`, which then finds nothing; or a form of the open search,
a public function of the modules that list them, which then gives nothing. A detector without which every test still passes is a
survivor, and fails the run: either it finds nothing that others do not, or nothing holds it to what it finds.

The tests that name a rule run first, so that a mutant is usually caught by the first of them.
"""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

import transforms.leaks
from transforms.leaks.findings import Check
from transforms.leaks.matcher import RAW_VALUE

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
# Modules whose public functions are forms of the search, in the order in which they are told.
FORMS = ("readings", "digests", "spellings")
# What puts forms together, and would switch off all of them.
WIRING = frozenset({"readings", "texts_in", "digests_in", "hashes_of", "search_digests", "name_pairs", "whole"})
NOT_PLANTED = frozenset({"test_clean_views.py", "test_rules_are_documented.py"})
WORKERS = 2


def _silent(*_: Any, **__: Any) -> Iterator[Any]:
    return
    yield


def _finds_nothing(*_: Any, **__: Any) -> None:
    return


@dataclass(frozen=True)
class Detector:
    """Something that finds leaks: its name, words by which tests of it are known, and how to switch it off in this process."""

    name: str
    words: tuple[str, ...]
    switch_off: Callable[[], None]


class _FirstThoseThatName:
    """A plugin of pytest that moves the tests with some words in their code, parameters or name to the front."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self._words = words

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.sort(key=lambda item: not self._names(item))

    def _names(self, item: pytest.Item) -> bool:
        function = getattr(item, "function", None)
        said = f"{item.name} {inspect.getsource(function) if function else ''}"
        return any(word in said for word in self._words)


def detectors() -> list[Detector]:
    """All of them, as the package has them now: nothing needs to be listed here."""
    modules = [
        importlib.import_module(f"transforms.leaks.{found.name}") for found in pkgutil.iter_modules(transforms.leaks.__path__)
    ]
    checks = {
        kind.__name__: kind
        for module in modules
        for kind in vars(module).values()
        if inspect.isclass(kind) and issubclass(kind, Check) and kind is not Check
    }
    found = [Detector(name, (kind.rule, name), _without_check(kind)) for name, kind in sorted(checks.items())]
    for module in (importlib.import_module(f"transforms.leaks.{name}") for name in FORMS):
        for name, function in sorted(vars(module).items()):
            if (
                isinstance(function, FunctionType)
                and function.__module__ == module.__name__
                and name[0] != "_"
                and name not in WIRING
            ):
                found.append(
                    Detector(f"{module.__name__.rpartition('.')[2]}.{name}", ("FORMS", RAW_VALUE), _without_form(function))
                )
    glued = importlib.import_module("transforms.leaks.glued").GluedSearch.search
    return [*found, Detector("glued.GluedSearch.search", ("FORMS", RAW_VALUE), _without_form(glued))]


def _without_check(kind: type[Check]) -> Callable[[], None]:
    def switch_off() -> None:
        kind.found = _finds_nothing  # type: ignore[method-assign]

    return switch_off


def _without_form(function: Any) -> Callable[[], None]:
    """Takes the code and not the name, which other modules have imported."""

    def switch_off() -> None:
        function.__code__ = _silent.__code__

    return switch_off


def suites() -> list[str]:
    """The suites of planted leaks, which are what a detector is held to."""
    return [str(path) for path in sorted(FOLDER.glob("test_*.py")) if path.name not in NOT_PLANTED]


def start(detector: Detector | None) -> int:
    """Runs the suites in a child that has lost a detector; returns the child's process id. It exits with 0 if every test passed."""
    child = os.fork()
    if child:
        return child
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    if detector:
        detector.switch_off()
    options = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", f"--rootdir={ROOT}", *suites()]
    status = pytest.main(options, plugins=[_FirstThoseThatName(detector.words if detector else ())])
    os._exit(int(status))


def main() -> int:
    """Switches off one detector at a time; returns the exit status."""
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    only = set(sys.argv[1:])
    chosen = [detector for detector in detectors() if not only or detector.name in only]
    began = time.monotonic()
    running: dict[int, Detector] = {}
    survivors: list[str] = []
    broken: list[str] = []

    def wait() -> None:
        child, status = os.wait()
        detector, code = running.pop(child), os.waitstatus_to_exitcode(status)
        if code == 0:
            survivors.append(detector.name)
        elif code != 1:
            broken.append(f"{detector.name} ({code})")
        print(f"{detector.name}: {'caught' if code == 1 else 'SURVIVED' if code == 0 else f'pytest ended with {code}'}", flush=True)

    for detector in chosen:
        if len(running) == WORKERS:
            wait()
        running[start(detector)] = detector
    while running:
        wait()
    print(f"{len(chosen)} detectors, {len(survivors)} survivors, {time.monotonic() - began:.0f} s")
    for name in survivors:
        print(f"survivor: no test of planted leaks needs {name}")
    return 1 if survivors or broken or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
