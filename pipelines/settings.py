"""What one run is told: from flags, and from `supplier-views.toml` where a flag is missing."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from transforms.errors import UsageError
from transforms.keyring.location import FileLocation, Pkcs11Location, location_of

DEFAULTS_FILE = "supplier-views.toml"
# The keys that the file may hold, which are the names of the flags.
DEFAULTS = (
    "contract",
    "policies",
    "export",
    "photos",
    "keys",
    "out",
    "staging",
    "records",
    "authority",
    "checkpoints",
    "photo-cache",
)


@dataclass(frozen=True, slots=True)
class Settings:
    """The inputs, outputs and business date of a run; `suppliers` empty means every policy's.

    `staging` and `records` are force-side directories of mode 0700; by default they stand in `out` under names that begin with a
    dot, so that publishing is one rename. `photo_cache` keeps the prints of photos in `staging` for the next night.
    """

    contract: Path
    policies: Path
    export: str
    photos: str | None
    keys: str
    out: Path
    staging: Path
    records: Path
    date: date
    suppliers: tuple[str, ...] = ()
    beam_options: tuple[str, ...] = ()
    photo_cache: bool = True


def quarantine_file(settings: Settings) -> Path:
    """The list of what was broken in the export of a date."""
    return settings.records / "quarantine" / f"{settings.date.isoformat()}.jsonl"


def read_defaults(path: Path) -> Mapping[str, str]:
    """The defaults of the file, empty if there is none.

    Raises:
        UsageError: the file is no TOML, or holds a key that is no flag or a value that is no text.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        raise UsageError("the defaults file cannot be read as TOML", place=str(path), hint="mend it, or remove it") from None
    for key, value in found.items():
        if key not in DEFAULTS:
            raise UsageError("unknown key in the defaults file", place=f"{path}: {key}", hint=f"known keys: {', '.join(DEFAULTS)}")
        if not isinstance(value, str):
            raise UsageError("a default must be text", place=f"{path}: {key}", hint="put it in quotes")
    return found


def check_apart(settings: Settings) -> None:
    """Passes if nothing that suppliers must not see stands where they look [P10].

    Keys stand outside `out` altogether; staging and records outside it, or below one of its directories whose name begins with a
    dot, which are no supplier's.

    Raises:
        UsageError: code `inside-out`.
    """
    out = settings.out.resolve()
    key_places = [location_of(settings.keys).directory]
    for path in (*key_places, settings.staging, settings.records):
        place = path.resolve()
        if place == out or (place.is_relative_to(out) and (path in key_places or not _is_hidden(place.relative_to(out)))):
            raise UsageError(
                "stands where suppliers look",
                place=str(path),
                hint="keep keys outside --out, and the rest outside it or below one of its directories that begin with a dot",
                code="inside-out",
            )


def check_shared(settings: Settings) -> None:
    """Passes if every path that a worker opens says the same on another machine as it does here.

    Raises:
        UsageError: code `path-relative`.
    """
    location = location_of(settings.keys)
    passphrase = location.passphrase_file if isinstance(location, FileLocation) else None
    pin = location.pin_file if isinstance(location, Pkcs11Location) else None
    paths = {
        "export": settings.export,
        "photos": settings.photos,
        "keys": location.directory,
        "keys' passphrase-file": passphrase,
        "keys' pin-source": pin,
        "staging": settings.staging,
    }
    for name, path in paths.items():
        if path is not None and "://" not in str(path) and not Path(path).is_absolute():
            raise UsageError(
                "a worker on another machine would not find it",
                place=name,
                hint="with a runner outside this process, write absolute paths on storage that every worker mounts",
                code="path-relative",
            )


def _is_hidden(path: Path) -> bool:
    return path.parts[0].startswith(".")
