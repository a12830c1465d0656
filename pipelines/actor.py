"""Who runs a command."""

from __future__ import annotations

import getpass
import os


def actor_name() -> str:
    """Who runs this, for the force's records: the account's name, or its number where the system knows no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
