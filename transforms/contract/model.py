"""What an export promises: the contract as plain frozen values.

The loader (`transforms.contract.load`) makes these from an Open Data Contract Standard v3 file; nothing below reads YAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Classification(StrEnum):
    """What a column can do to a person when it leaves."""

    IDENTIFIER = "identifier"  # names a person: pay number, name
    ALIAS = "alias"  # predicts an identifier: email, collar number, photo file name [P15]
    QUASI = "quasi"  # singles out in combination: rank, unit, site
    PHOTO = "photo"  # reference to a portrait; its text is an alias too
    RESTRICTED = "restricted"  # vetting and its proxies: never leaves under any action [P14]
    OPERATIONAL = "operational"  # what the supplier's work needs: card type, size


@dataclass(frozen=True, slots=True)
class PhotoLimits:
    """What a photo of the export may be before any of it is decoded [I9].

    `max_bytes` of the file; `max_pixels` by its header; the aspect is width / height, and holds either way round.
    """

    max_bytes: int = 10_000_000
    max_pixels: int = 50_000_000
    min_aspect: float = 0.5
    max_aspect: float = 2.0


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the export.

    `vocabulary` is the closed list of values, `pattern` a full-match RE2 expression; a column has at most one of them.
    Every column is text. A blank cell (empty, or white space only) is a null; `required` forbids it.
    `generalisations` maps the name of a coarser column (such as `rank_band`) to a total map from this column's vocabulary
    to labels. `max_bytes` bounds one cell, in UTF-8 bytes. `photo_purposes` (photo columns only) lists the policy purposes for
    which a face may leave, word for word: who may have photos is decided in the contract, not by the policy that asks [I18].
    `face_box` (photo columns only) names the columns of left, top, width and height of the face in the upright picture, in pixels.
    """

    name: str
    classification: Classification
    required: bool = False
    unique: bool = False
    pattern: str | None = None
    vocabulary: tuple[str, ...] | None = None
    generalisations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    max_bytes: int = 4096
    photo_purposes: tuple[str, ...] = ()
    face_box: tuple[str, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class Contract:
    """The columns of an export and the rules that hold for it as a whole.

    `person_key` names the unique, required column that identifies a person. `protected_column` holds `yes` for people who
    appear in no external view [P17] (None: the contract says `none`). `encoding` is `utf-8` or `cp1252`, declared, never guessed.
    `quarantine_limit` is the largest share (0..1) of rows that may be quarantined before the run refuses;
    `photo_quarantine_limit` the same for the photos that a supplier needs. `photo_formats` are the formats that photos may have, of
    `jpeg`, `png` and `webp`, by their first bytes.
    """

    name: str
    version: str
    columns: tuple[Column, ...]
    person_key: str
    protected_column: str | None
    encoding: str = "utf-8"
    quarantine_limit: float = 0.005
    photo_quarantine_limit: float = 0.05
    photo_formats: tuple[str, ...] = ("jpeg", "png")
    photo_limits: PhotoLimits = PhotoLimits()
    source: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in the contract's order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name; KeyError if the contract has none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)
