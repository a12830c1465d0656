"""Where the command line takes a flag's value from when the flag is missing."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipelines.settings import DEFAULTS_FILE, read_defaults
from transforms.errors import UsageError


class Defaults:
    """Flags first, then the defaults file."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        self._file = read_defaults(Path(DEFAULTS_FILE))

    def get(self, name: str) -> str | None:
        """The value of a flag, None where neither names one. Raises UsageError for an empty one."""
        value: str | None = getattr(self._options, name.replace("-", "_"), None)
        if value is None:
            value = self._file.get(name)
        if value == "":  # a shell's unset variable would name the working directory
            raise UsageError(f"--{name} is empty", hint=f"leave the flag out to take {name} from supplier-views.toml")
        return value

    def require(self, name: str) -> str:
        """The value of a flag. Raises UsageError where neither names one."""
        value = self.get(name)
        if value is None:
            raise UsageError(f"--{name} is missing", hint=f"give the flag, or set {name} in supplier-views.toml")
        return value


def count(text: str) -> int:
    """A whole number from the command line, 0 or more."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError("must be a whole number, 0 or more")
    return int(text)
