"""The Open Data Contract Standard v3.2.0 document as supplier-views reads it: what a contract file may say, and where.

A subset of the standard's JSON schema: rules that nothing here would enforce (`quality`, `relationships`, `encryptedName` …) are
refused rather than ignored, so that nobody relies on them; cell values in `examples` are refused because they are personal data.
Custom properties of another `vendor` are that vendor's business and are skipped, unless their name is one of ours: a reviewer would
take such a property for a rule that holds.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from transforms.contract.file_schema import Decimal, FileModel, Flag, Line, Name, Whole
from transforms.contract.model import Classification

VENDOR = "supplier-views"


class CustomProperty(FileModel):
    """A named value that the standard has no key for."""

    property: Line = Field(description="the name of the property")
    value: object = Field(description="the value of the property")
    description: Line | None = None
    vendor: Line = VENDOR


class Description(FileModel):
    """Prose about the export."""

    purpose: Line | None = None
    usage: Line | None = None
    limitations: Line | None = None


class EnumValue(FileModel):
    """One value of a closed vocabulary."""

    value: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field(description="the value, as the export spells it")
    label: Line | None = None
    description: Line | None = None


class StringOptions(FileModel):
    """Options of `logicalType: string`."""

    pattern: Annotated[str, StringConstraints(min_length=1, max_length=500)] = Field(
        description="an RE2 expression that the whole cell must match"
    )


class Property(FileModel):
    """One column."""

    name: Name = Field(description="the column's name: lower case, digits and underscores")
    logical_type: Literal["string"] = Field(alias="logicalType", description="string; every column is read as text")
    physical_type: Line | None = Field(None, alias="physicalType")
    business_name: Line | None = Field(None, alias="businessName")
    description: Line = Field("", description="what the column means")
    classification: Classification = Field(description=f"one of {', '.join(Classification)}")
    required: Flag = Field(False, description="true or false: whether every row has a value")
    unique: Flag = Field(False, description="true or false: whether no two rows have the same value")
    logical_type_options: StringOptions | None = Field(None, alias="logicalTypeOptions", description="{pattern: …}")
    enum: Annotated[list[EnumValue], Field(min_length=1)] | None = Field(
        None, description="the closed vocabulary: [{value: …}, {value: …}]"
    )
    tags: tuple[Line, ...] = ()
    custom_properties: tuple[CustomProperty, ...] = Field(
        (), alias="customProperties", description="generalisations, photoPurposes, faceBox or maxBytes"
    )


class Table(FileModel):
    """The table: one row a person."""

    name: Line = Field(description="the table's name")
    physical_name: Line | None = Field(None, alias="physicalName")
    physical_type: Line | None = Field(None, alias="physicalType")
    business_name: Line | None = Field(None, alias="businessName")
    description: Line | None = None
    tags: tuple[Line, ...] = ()
    properties: Annotated[list[Property], Field(min_length=1)] = Field(description="the columns, in order")


class ContractDocument(FileModel):
    """The whole file."""

    api_version: Literal["v3.2.0"] = Field(alias="apiVersion", description="v3.2.0, the version of the standard that is read here")
    kind: Literal["DataContract"] = Field(description="DataContract")
    id: Line = Field(description="the contract's identifier")
    name: Line = Field(description="the contract's name")
    version: Line = Field(description="the contract's version, such as 1.0.0")
    status: Literal["active"] = Field(description="active; no other contract is run")
    tenant: Line | None = None
    domain: Line | None = None
    data_product: Line | None = Field(None, alias="dataProduct")
    description: Description | None = None
    tags: tuple[Line, ...] = ()
    team: object = None
    support: object = None
    tables: Annotated[list[Table], Field(min_length=1, max_length=1)] = Field(alias="schema", description="exactly one table")
    custom_properties: tuple[CustomProperty, ...] = Field(
        alias="customProperties",
        description="personKey, protectedColumn, encoding, quarantineLimit, photoQuarantineLimit, photoFormats, photoLimits",
    )


class PhotoBounds(FileModel):
    """What a photo may be before it is decoded."""

    max_bytes: Annotated[Whole, Field(ge=1_000, le=50_000_000)] = Field(
        10_000_000, alias="maxBytes", description="the most bytes of a photo's file, 1,000 to 50,000,000"
    )
    max_pixels: Annotated[Whole, Field(ge=1_000, le=100_000_000)] = Field(
        50_000_000, alias="maxPixels", description="the most pixels of a photo, 1,000 to 100,000,000"
    )
    min_aspect: Annotated[Decimal, Field(ge=0.1, le=1)] = Field(
        0.5, alias="minAspect", description="the least width / height, 0.1 to 1"
    )
    max_aspect: Annotated[Decimal, Field(ge=1, le=10)] = Field(
        2.0, alias="maxAspect", description="the greatest width / height, 1 to 10"
    )


class TableTerms(FileModel):
    """Custom properties of the contract."""

    person_key: Name = Field(alias="personKey", description="the column that identifies a person")
    protected_column: Name = Field(
        alias="protectedColumn",
        description="the yes/no column of people who appear in no view, or none where HR has no such people",
    )
    encoding: Literal["utf-8", "cp1252"] = Field("utf-8", description="utf-8 or cp1252")
    quarantine_limit: Annotated[Decimal, Field(le=1)] = Field(
        0.005, alias="quarantineLimit", description="the share of rows, 0 to 1, that may be broken"
    )
    photo_quarantine_limit: Annotated[Decimal, Field(le=1)] = Field(
        0.05, alias="photoQuarantineLimit", description="the share of photos, 0 to 1, that may be broken"
    )
    photo_formats: Annotated[tuple[Literal["jpeg", "png", "webp"], ...], Field(min_length=1)] = Field(
        ("jpeg", "png"),
        alias="photoFormats",
        description="jpeg, png or webp, or several: what photos may be by their first bytes",
    )
    photo_limits: PhotoBounds = Field(
        default_factory=lambda: PhotoBounds.model_validate({}),
        alias="photoLimits",
        description="{maxBytes, maxPixels, minAspect, maxAspect}: what a photo may be before it is decoded",
    )


class ColumnTerms(FileModel):
    """Custom properties of a column."""

    generalisations: dict[Name, dict[Line, tuple[Line, ...]]] = Field(
        {}, description="a coarser column's name, then each label with the values that it stands for"
    )
    photo_purposes: tuple[Line, ...] = Field((), alias="photoPurposes", description="the policy purposes that may have photos")
    face_box: Annotated[tuple[Name, ...], Field(min_length=4, max_length=4)] | None = Field(
        None, alias="faceBox", description="the columns of left, top, width and height of the face, in pixels of the upright photo"
    )
    max_bytes: Annotated[Whole, Field(ge=1, le=1_000_000)] = Field(
        4096, alias="maxBytes", description="the most bytes of UTF-8 that one cell may hold"
    )
