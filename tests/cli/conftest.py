"""The command line, called in this process: it parses, prints and exits as in one of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipelines.cli import main

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ended:
    """What a command that ended leaves to its caller."""

    status: int
    stdout: str
    stderr: str

    @property
    def summary(self) -> dict[str, Any]:
        """The last line of stdout."""
        summary: dict[str, Any] = json.loads(self.stdout.splitlines()[-1])
        return summary


Call = Callable[..., Ended]


@pytest.fixture
def call(capfd: pytest.CaptureFixture[str]) -> Call:
    """Runs a command line."""

    def run_line(*arguments: object) -> Ended:
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit:
            main([str(argument) for argument in arguments])
        printed = capfd.readouterr()
        return Ended(int(exit.value.code or 0), printed.out, printed.err)

    return run_line


@pytest.fixture
def terms() -> tuple[str, ...]:
    """The flags that name the example contract and policies."""
    return ("--contract", str(ROOT / "examples" / "hr-export.yaml"), "--policies", str(ROOT / "examples" / "suppliers"))
