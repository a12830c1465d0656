"""The command with which a supplier opens a map of old tokens, offline and without the force's keys."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from transforms.errors import UsageError

Summary = dict[str, Any]


def add_commands(commands: Any) -> None:
    """Adds `open-continuity` to the command line."""
    text = "for a supplier: check a release, then open the map from its old tokens to its new ones"
    command = commands.add_parser("open-continuity", help=text, description=text)
    command.add_argument("--release", type=Path, required=True, metavar="DIR", help="the release as it was received")
    command.add_argument("--public-key", type=Path, required=True, metavar="FILE", help="the force's, in PEM, as it was pinned")
    command.add_argument("--key", type=Path, required=True, metavar="FILE", help="the supplier's private X25519 key, in PEM")
    command.add_argument("--results", type=Path, required=True, metavar="FILE", help="the new CSV file to write, of mode 0600")
    command.set_defaults(handler=_open)


def _open(options: argparse.Namespace) -> Summary:
    from pipelines.continuity import open_release_map
    from transforms.keyring.privatefile import create_whole
    from transforms.keyring.signing import load_public_key

    content = open_release_map(options.release, load_public_key(options.public_key).public_bytes_raw(), options.key)
    if not create_whole(options.results, content):
        raise UsageError("there is a file already", hint="name a new file with --results")
    return {"outcome": "opened", "tokens": content.count(b"\n") - 1, "results": str(options.results)}
