"""From a contract file to a `Contract`, with every broken rule named by file, line, rule and hint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from transforms.contract.document import VENDOR, ColumnTerms, ContractDocument, CustomProperty, Property, TableTerms
from transforms.contract.file_schema import FileModel, validate
from transforms.contract.model import Column, Contract, PhotoLimits
from transforms.contract.rules import column_faults, table_faults
from transforms.contract.yaml_tree import Document, Location, Plain, read_yaml
from transforms.errors import ContractError, InvalidInput

_COLUMNS: Location = ("schema", 0, "properties")

Terms = TypeVar("Terms", bound=FileModel)

NO_PROTECTED_COLUMN = "none"


def load_contract(path: Path) -> Contract:
    """Reads a contract: an Open Data Contract Standard v3.2.0 document.

    Args:
        path: a local YAML file; docs/spec/contract.md says what it holds.

    Raises:
        ContractError: the file cannot be read or breaks a rule; `findings` lists every rule that it breaks.
    """
    document = read_yaml(Path(path), ContractError)
    sheet = validate(ContractDocument, document.plain(), document)
    terms = _terms(TableTerms, sheet.custom_properties, document, ())
    findings: list[InvalidInput] = []
    columns: list[Column] = []
    for index, written in enumerate(sheet.tables[0].properties):
        at = (*_COLUMNS, index)
        try:
            column_terms = _terms(ColumnTerms, written.custom_properties, document, at)
        except ContractError as error:
            findings += error.findings
            continue
        column = _column(written, column_terms)
        columns.append(column)
        faults = column_faults(column, column_terms.generalisations)
        findings += [document.finding(fault.code, fault.rule, fault.hint, (*at, *fault.where)) for fault in faults]
    # Said outright, for a line that is forgotten would release everybody whom HR protects [P17].
    protected = None if terms.protected_column == NO_PROTECTED_COLUMN else terms.protected_column
    if protected is None and any(column.name == NO_PROTECTED_COLUMN for column in columns):
        rule = f"protectedColumn: {NO_PROTECTED_COLUMN} may mean the column {NO_PROTECTED_COLUMN}, or that there is no such column"
        findings.append(document.finding("protected-ambiguous", rule, "rename the column", ("customProperties",)))
    if not findings:  # rules about the whole need every column
        faults = table_faults(columns, terms.person_key, protected)
        findings += [document.finding(fault.code, fault.rule, fault.hint, (*_COLUMNS, *fault.where)) for fault in faults]
    if findings:
        raise ContractError.of(findings)
    return Contract(
        name=sheet.name,
        version=sheet.version,
        columns=tuple(columns),
        person_key=terms.person_key,
        protected_column=protected,
        encoding=terms.encoding,
        quarantine_limit=terms.quarantine_limit,
        photo_quarantine_limit=terms.photo_quarantine_limit,
        photo_formats=terms.photo_formats,
        photo_limits=PhotoLimits(**terms.photo_limits.model_dump()),
        source=str(path),
    )


def _terms(model: type[Terms], entries: Sequence[CustomProperty], document: Document, at: Location) -> Terms:
    """Our own custom properties as one model; those of other vendors are skipped.

    Raises:
        ContractError: also if another vendor's property has the name of one of ours, in whatever case.
    """
    ours = {(field.alias or name).casefold() for name, field in model.model_fields.items()}
    values: dict[str, Plain] = {}
    places: dict[str, int] = {}
    for index, entry in enumerate(entries):
        if entry.vendor != VENDOR:
            if entry.property.casefold() in ours:
                rule = f"{entry.property} is a property of {VENDOR} under the name of another vendor, and would not be read"
                where = (*at, "customProperties", index)
                raise document.finding("property-vendor", rule, "remove vendor, or choose another property", where)
            continue
        if entry.property in values:
            where = (*at, "customProperties", index)
            raise document.finding("property-twice", f"{entry.property} is written twice", "keep one of them", where)
        values[entry.property] = entry.value  # type: ignore[assignment]  # text, lists and mappings: all that a Document holds
        places[entry.property] = index

    def place(location: Location) -> Location:
        if location and location[0] in places:
            return (*at, "customProperties", places[str(location[0])], "value", *location[1:])
        return (*at, "customProperties")

    return validate(model, values, document, place)


def _column(written: Property, terms: ColumnTerms) -> Column:
    return Column(
        name=written.name,
        classification=written.classification,
        required=written.required,
        unique=written.unique,
        pattern=written.logical_type_options.pattern if written.logical_type_options else None,
        vocabulary=tuple(entry.value for entry in written.enum) if written.enum else None,
        generalisations={
            name: {value: label for label, values in labels.items() for value in values}
            for name, labels in terms.generalisations.items()
        },
        max_bytes=terms.max_bytes,
        photo_purposes=terms.photo_purposes,
        face_box=terms.face_box or (),
        description=written.description,
    )
