"""What one supplier may receive: a policy as plain frozen values.

The loader (`transforms.policy.load`) makes these from one YAML file a supplier and lints them against the contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal

SUPPLIER_PATTERN: Final = "[a-z][a-z0-9-]{1,40}"  # safe as a directory's and a file's name
PHOTO_COLUMN: Final = "photo"  # the last column of a view with photos: the name of each person's file

# How a token is made: a MAC, an authenticated cipher, or a number that stands for a number, bare or in the symbols of a token.
TokenKind = Literal["one-way", "reversible", "digits", "short"]
ALGORITHMS: Final[Mapping[TokenKind, str]] = {
    "one-way": "AES-256-CMAC",
    "reversible": "AES-256-SIV",
    "digits": "AES-256-FF1",
    "short": "AES-256-FF1",
}


@dataclass(frozen=True, slots=True)
class TokenColumn:
    """A column of keyed stand-ins, bound to the person and to the values of the columns `of`.

    Only a `one-way` token cannot be decrypted; `digits` and `short` stand for the person key alone.
    """

    name: str
    of: tuple[str, ...]
    why: str
    scope: Literal["relationship", "transaction"] = "relationship"
    kind: TokenKind = "one-way"


@dataclass(frozen=True, slots=True)
class KeepColumn:
    """A column that leaves as it is; its contract column has a closed vocabulary or a full-match pattern."""

    name: str
    why: str

    @property
    def source(self) -> str:
        """The export column that is read."""
        return self.name


@dataclass(frozen=True, slots=True)
class GeneraliseColumn:
    """A column that leaves as a coarser one: `source` is the export's, `name` the map in the contract and the view's column."""

    name: str
    source: str
    why: str


ViewColumn = TokenColumn | KeepColumn | GeneraliseColumn


@dataclass(frozen=True, slots=True)
class PhotoSpec:
    """How a supplier's photos look: size in millimetres and dots per inch, a byte budget, and the token column that names them.

    `background` is the 8-bit sRGB colour under transparent pixels. `crop` is from the `top`, on the `face` whose box the export
    has, or on the face that is `detected` in the picture.
    """

    of: str
    width_mm: float
    height_mm: float
    dpi: int
    max_bytes: int
    name: str
    background: tuple[int, int, int] = (255, 255, 255)
    crop: Literal["top", "face", "detected"] = "top"

    @property
    def width_px(self) -> int:
        """Width in pixels, rounded to the nearest."""
        return round(self.width_mm / 25.4 * self.dpi)

    @property
    def height_px(self) -> int:
        """Height in pixels, rounded to the nearest."""
        return round(self.height_mm / 25.4 * self.dpi)


@dataclass(frozen=True, slots=True)
class Continuity:
    """That a supplier is owed a map from its old tokens to its new ones at a rotation [C12], and to whom it is encrypted [C18].

    `contracted` is the clause that says so; `recipient_key` the supplier's X25519 public key, base 64 of its SubjectPublicKeyInfo
    in DER; `fingerprint` the SHA-256 (hex) of that DER, confirmed with the supplier out of band; `expires` the first day on which
    the key may not be used.
    """

    contracted: str
    recipient_key: str
    fingerprint: str
    expires: date


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """What the breach drill may find in a release that leaves.

    `attributed_above_guess` is the most people that an attack may attribute beyond what guessing would give, photos aside.
    `relinkable_without_photos` is the largest share (0 to 1) of the people whom two suppliers both have that may be linked by
    joining their views [D5].
    `smallest_group` is the fewest people who must be alike in the quasi-identifying columns of the view, and in any two or three of
    its kept columns; `small_groups` says whether fewer are reported to the force or refuse the view [D1, D3].
    `singled_out_by_change` is the most people who may each be the only one with what changed of them since the last release; None
    reports their number only [D4].
    """

    attributed_above_guess: int = 0
    relinkable_without_photos: float = 0.01
    smallest_group: int = 5
    small_groups: Literal["report", "refuse"] = "report"
    singled_out_by_change: int | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """One supplier's view of an export.

    `where` maps a contract column with a closed vocabulary to the values that a row must have (all columns must agree); empty
    means the full population, which needs `full_population` (the written justification) [L7].
    `continuity` is None unless the agreement owes the supplier a map from old tokens to new ones.
    `dropped` are export columns that the policy names as dropped; what is not named at all does not leave either.
    `agreement` is the article 28 contract's reference, `dpia` the impact assessment's, `domain` names the additional information
    that a thief of this view is assumed to hold [L2, L4, P1].
    `lines` maps the path of each key in `source`, such as `columns.rank.to`, to its line, so that a finding can name its place.
    """

    supplier: str
    token_prefix: str
    purpose: str
    agreement: str
    legal_basis: str
    delete_after_days: int
    columns: tuple[ViewColumn, ...]
    legal_regime: Literal["uk-gdpr", "dpa-2018-part-3"] = "uk-gdpr"
    role: Literal["processor", "controller"] = "processor"
    transfer_country: str = "GB"
    dpia: str | None = None
    domain: str | None = None
    where: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    full_population: str | None = None
    dropped: Mapping[str, str] = field(default_factory=dict)
    photo: PhotoSpec | None = None
    risk: RiskLimits = RiskLimits()
    delivery_format: Literal["csv", "parquet"] = "csv"
    photo_delivery: Literal["folder", "zip"] = "folder"
    continuity: Continuity | None = None
    source: str = ""
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    @property
    def tokens(self) -> tuple[TokenColumn, ...]:
        """The token columns in the view's order."""
        return tuple(c for c in self.columns if isinstance(c, TokenColumn))

    @property
    def continuing_tokens(self) -> tuple[TokenColumn, ...]:
        """The token columns that a map from old tokens to new ones has: those whose tokens outlive a release.

        A map of bare numbers is none: nobody could tell it from one of real numbers.
        """
        return tuple(token for token in self.tokens if token.scope == "relationship" and token.kind != "digits")

    @property
    def sort_token(self) -> TokenColumn:
        """The first token column: rows of the view are sorted by it [R8]."""
        return self.tokens[0]
