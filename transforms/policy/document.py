"""What a policy file may say, and where."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from transforms.contract.file_schema import Decimal, FileModel, Line, Name, Whole
from transforms.policy.model import SUPPLIER_PATTERN

TOKEN_BITS = 80  # [C5, T1]
_FILLERS = frozenset({"todo", "tbc", "tbd", "fixme", "none", "n/a", "na", "unknown", "xxx", "..."})


def _meant(text: str) -> str:
    """One line of prose that somebody wrote on purpose: a placeholder would pass for a decision that nobody took."""
    text = " ".join(text.split())
    if len(text) < 2 or text.casefold() in _FILLERS:
        raise PydanticCustomError("value-invalid", "must be written out, not left as a placeholder")
    return text


Prose = Annotated[Line, AfterValidator(_meant)]
Supplier = Annotated[str, StringConstraints(pattern=rf"\A{SUPPLIER_PATTERN}\z")]
Prefix = Annotated[str, StringConstraints(pattern=r"\A[A-Z]{2,4}\z")]
Country = Annotated[str, StringConstraints(pattern=r"\A[A-Z]{2}\z")]
PublicKey = Annotated[str, StringConstraints(pattern=r"\A[A-Za-z0-9+/]{59}=\z")]
Sha256 = Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{64}\z")]
Day = Annotated[str, StringConstraints(pattern=r"\A20[0-9]{2}-[0-9]{2}-[0-9]{2}\z")]
Cells = Annotated[list[Line], Field(min_length=1)]


class Rows(FileModel):
    """Which rows leave."""

    where: dict[Name, Cells] | None = Field(None, description="{column: [value, …]}; a row must agree in every column")
    full_population: Prose | None = Field(None, description="in writing, why nobody can be left out")


class ColumnEntry(FileModel):
    """What happens to one column."""

    action: Literal["token", "keep", "generalise", "drop", "seal"] = Field(description="token, keep, generalise or drop")
    why: Prose = Field(description="what the supplier does with this column")
    of: Annotated[list[Name], Field(min_length=1)] | None = Field(
        None, description="the export's columns that the token stands for"
    )
    scope: Literal["relationship", "transaction", "person"] = Field(
        "relationship", description="relationship (stable for this supplier) or transaction (new in every release)"
    )
    reversal: Literal["needed", "none"] = Field("none", description="needed, for a token that can be decrypted, or none")
    format: Literal["token", "digits", "short"] = Field(
        "token", description="token, or digits or short for a token of a number that a supplier's system can take"
    )
    algorithm: Line | None = Field(None, description="FF1 with the formats digits and short; may be left out")
    bits: Whole = Field(TOKEN_BITS, description=f"{TOKEN_BITS}; may be left out")
    to: Name | None = Field(None, description="the name of a generalisation in the contract")


class Photo(FileModel):
    """How photos look."""

    of: Name = Field(description="the export's photo column")
    width_mm: Annotated[Decimal, Field(gt=0, le=1000)] = Field(description="width in millimetres")
    height_mm: Annotated[Decimal, Field(gt=0, le=1000)] = Field(description="height in millimetres")
    dpi: Annotated[Whole, Field(ge=1)] = Field(description="dots per inch of the supplier's printer")
    max_bytes: Annotated[Whole, Field(ge=1)] = Field(description="the most bytes that one photo may have")
    name: Name = Field(description="the token column that names the files")
    crop: Literal["top", "face", "detected"] = Field(
        "top", description="top, face (the export has a box of it) or detected (the extra face finds it)"
    )


class Risk(FileModel):
    """What the breach drill may find."""

    attributed_above_guess: Whole = Field(
        0, description="the most people that a thief may attribute beyond what guessing gives, photos aside"
    )
    relinkable_without_photos: Annotated[Decimal, Field(ge=0, le=1)] = Field(
        0.01, description="the largest share, 0 to 1, of shared people that two suppliers may link by joining their views"
    )
    smallest_group: Annotated[Whole, Field(ge=2)] = Field(
        5, description="the fewest people who must be alike in the view's quasi columns, and in any two or three kept columns"
    )
    small_groups: Literal["report", "refuse"] = Field(
        "report", description="report (to the force) or refuse a view with smaller groups"
    )
    singled_out_by_change: Whole | None = Field(
        None,
        description="the most people who may be alone in what changed since the last release; absent, only reported",
    )


class Output(FileModel):
    """How the view is written."""

    format: Literal["csv", "parquet"] = Field("csv", description="csv or parquet")
    photos: Literal["folder", "zip"] | None = Field(None, description="folder (default) or zip")


class ContinuityTerms(FileModel):
    """That old tokens are mapped to new ones for the supplier when its keys change."""

    contracted: Prose = Field(description="the clause of the agreement that owes the supplier a map")
    recipient_key: PublicKey = Field(description="the supplier's X25519 public key: the one line between the rules of its PEM file")
    fingerprint: Sha256 = Field(description="SHA-256 of that key in DER, 64 hex digits, confirmed with the supplier by another way")
    expires: Day = Field(description="YYYY-MM-DD, the first day on which the key may not be used")


class PolicyDocument(FileModel):
    """The whole file."""

    supplier: Supplier = Field(description="2 to 41 lower-case letters, digits and hyphens; a letter first")
    token_prefix: Prefix = Field(description="2 to 4 capital letters, different for every supplier")
    purpose: Prose = Field(description="what the supplier does for the force")
    agreement: Prose = Field(description="the reference of the article 28 contract")
    legal_basis: Prose = Field(description="the lawful basis, such as public task")
    legal_regime: Literal["uk-gdpr", "dpa-2018-part-3"] = Field("uk-gdpr", description="uk-gdpr or dpa-2018-part-3")
    role: Literal["processor", "controller"] = Field("processor", description="processor or controller")
    transfer_country: Country = Field("GB", description="two capital letters, such as GB")
    dpia: Prose | None = Field(None, description="the reference of the impact assessment")
    domain: Prose | None = Field(None, description="who may hold the view, thieves included, and what they know already")
    delete_after_days: Annotated[Whole, Field(ge=1, le=365)] = Field(description="1 to 365 days")
    rows: Rows = Field(description="{where: {column: [value]}} or {full_population: why nobody can be left out}")
    columns: Annotated[dict[Name, ColumnEntry], Field(min_length=1)] = Field(description="what leaves, column by column")
    photo: Photo | None = Field(None, description="{of, width_mm, height_mm, dpi, max_bytes, name, crop}")
    continuity: ContinuityTerms | None = Field(None, description="{contracted, recipient_key, fingerprint, expires}")
    risk: Risk = Field(
        default_factory=lambda: Risk.model_validate({}), description="{attributed_above_guess: 0, relinkable_without_photos: 0.01}"
    )
    output: Output = Field(default_factory=lambda: Output.model_validate({}), description="{format: csv, photos: folder}")
