"""Files that only the user of the run can read, whatever the umask of the worker that writes them."""

from __future__ import annotations

import os


def private(path: str, flags: int) -> int:
    """An opener for `open`: a file that it makes has mode 0600 from its first byte on."""
    return os.open(path, flags, 0o600)
