"""The two files that explain a view to its supplier: `README.txt` and `people.schema.json`.

Both are functions of policy, contract and date alone: no count, no value, nothing that a rerun could change.
"""

from __future__ import annotations

import json
import textwrap
from datetime import date
from importlib.resources import files
from string import Template

from pipelines.release.manifest import NOTICE, delete_by
from pipelines.release.wording import refuse_anonymity_claim
from transforms.columns.deliver import people_file
from transforms.contract.model import Contract
from transforms.policy.model import PHOTO_COLUMN, GeneraliseColumn, KeepColumn, Policy, TokenColumn, ViewColumn
from transforms.policy.token_size import SHORT_SYMBOLS, digits_of, symbols_of
from transforms.tokens.format import SYMBOLS

README_NAME = "README.txt"
SCHEMA_NAME = "people.schema.json"
_WIDTH = 86
_PHOTO_NOTE = (
    "Every photo carries an invisible mark that is this supplier's alone: the force can tell whose copy a photo is that turns up"
    " elsewhere."
)


def token_pattern(column: TokenColumn, policy: Policy, contract: Contract) -> str:
    """A full-match expression of the tokens of a column, of any epoch [T1-T5]."""
    if column.kind == "digits":
        return f"^[0-9]{{{digits_of(column, contract)}}}$"
    return f"^{policy.token_prefix}[0-9]+-[0-9A-HJKMNP-TV-Z]{{{_symbols(column, contract)}}}$"


def _symbols(column: TokenColumn, contract: Contract) -> int:
    """The symbols of a token with a prefix, the check symbol among them."""
    if column.kind == "reversible":
        return symbols_of(column, contract) + 1
    return (SHORT_SYMBOLS if column.kind == "short" else SYMBOLS) + 1


def table_schema(policy: Policy, contract: Contract) -> dict[str, object]:
    """A view's columns as a Frictionless Table Schema: every field is text, an empty cell is a missing value.

    A token column is required if one of its source columns is; a view with photos has the photo's file name as its last column,
    and no cell of it is empty: a person whose photo was refused is not in the view.

    Raises:
        PolicyError: code `claims-anonymity`.
    """
    fields = [_field(column, policy, contract) for column in policy.columns]
    if policy.photo is not None:
        namer = next(token for token in policy.tokens if token.name == policy.photo.name)
        pattern = f"{token_pattern(namer, policy, contract)[:-1]}\\.jpg$"
        fields.append(
            _text(PHOTO_COLUMN, f"file name of the photo in {_photo_place(policy)}", {"pattern": pattern, "unique": True})
        )
    schema: dict[str, object] = {"fields": fields, "missingValues": [""], "primaryKey": [policy.sort_token.name]}
    refuse_anonymity_claim(json.dumps(schema, ensure_ascii=False), policy.supplier)
    return schema


def schema_bytes(policy: Policy, contract: Contract) -> bytes:
    """The content of `people.schema.json`."""
    return (json.dumps(table_schema(policy, contract), indent=2, ensure_ascii=False) + "\n").encode()


def readme_text(policy: Policy, contract: Contract, business_date: date) -> str:
    """The content of `README.txt`: what the supplier has, on what terms, how to use and how to check it [L8].

    Raises:
        PolicyError: code `claims-anonymity`.
    """
    title = f"{policy.supplier} {business_date.isoformat()}"
    table = people_file(policy)
    template = Template((files("pipelines.release") / "supplier-readme.txt").read_text(encoding="utf-8"))
    text = template.substitute(
        title=title,
        underline="=" * len(title),
        supplier=policy.supplier,
        date=business_date.isoformat(),
        purpose=policy.purpose,
        agreement=policy.agreement,
        legal_basis=policy.legal_basis,
        legal_regime={"uk-gdpr": "UK GDPR", "dpa-2018-part-3": "Data Protection Act 2018, Part 3"}[policy.legal_regime],
        role=policy.role,
        transfer_country=policy.transfer_country,
        delete_by=delete_by(policy, business_date).isoformat(),
        table=table,
        table_line=f"{table:<20}the table: one row a person, sorted by token",
        photo_line=f"{_photo_place(policy):<20}one JPEG a person, named by token\n" if policy.photo else "",
        continuity_line="continuity-*.hpke   old tokens beside new ones; see below\n" if policy.continuity else "",
        continuity=_continuity(policy),
        photo_note="\n" + textwrap.fill(_PHOTO_NOTE, _WIDTH) + "\n" if policy.photo else "",
        columns="\n".join(_column_lines(policy, contract)),
        tokens=_about_tokens(policy, contract),
        usage=_usage(policy),
        notice=textwrap.fill(NOTICE, _WIDTH),
    )
    refuse_anonymity_claim(text, policy.supplier)
    return text


def _field(column: ViewColumn, policy: Policy, contract: Contract) -> dict[str, object]:
    if isinstance(column, TokenColumn):
        required = any(contract.column(name).required for name in column.of)
        constraints: dict[str, object] = {"pattern": token_pattern(column, policy, contract), "unique": True}
    else:
        source = contract.column(column.source)
        required = source.required
        labels = _labels(column, contract)
        constraints = {"enum": list(labels)} if labels else {"pattern": f"^(?:{source.pattern})$"}
    if required:
        constraints["required"] = True
    return _text(column.name, column.why, constraints)


def _text(name: str, description: str, constraints: dict[str, object]) -> dict[str, object]:
    return {"name": name, "type": "string", "description": description, "constraints": constraints}


def _column_lines(policy: Policy, contract: Contract) -> list[str]:
    described = [(column.name, f"{_kind(column, contract)}; {column.why}") for column in policy.columns]
    if policy.photo is not None:
        size = f"{policy.photo.width_mm:g} x {policy.photo.height_mm:g} mm at {policy.photo.dpi} dots an inch"
        described.append(
            (PHOTO_COLUMN, f"file name of the person's photo in {_photo_place(policy)}, {size}; every person here has one")
        )
    width = max(len(name) for name, _ in described) + 2
    return [
        textwrap.fill(text, _WIDTH, initial_indent="  " + name.ljust(width), subsequent_indent=" " * (width + 2))
        for name, text in described
    ]


def _about_tokens(policy: Policy, contract: Contract) -> str:
    lengths = sorted({_symbols(token, contract) for token in policy.tokens if token.kind != "digits"})
    about = [
        "An empty cell means that there is no value. Quote tokens in replies to the force; it can resolve them, and nobody else",
        "can.",
    ]
    if lengths:
        about[:0] = [
            f"A token is letters, the number of its epoch, a hyphen and {' or '.join(map(str, lengths))} letters or digits.",
            "Treat it as text, whole: never as a number, and never cut it. Its last character checks the others.",
        ]
    if bare := [token.name for token in policy.tokens if token.kind == "digits"]:
        about += [
            f"What stands in {' and '.join(bare)} is a token of digits alone. Keep its leading zeros. It is nobody's pay number:",
            "where it equals one, it does not stand for that person. Nothing in it shows a typing error, so copy it and never",
            "type it.",
        ]
    return textwrap.fill(" ".join(about), _WIDTH)


def _kind(column: ViewColumn, contract: Contract) -> str:
    if isinstance(column, TokenColumn):
        return "token, different for every person" + (" and every release" if column.scope == "transaction" else "")
    labels = _labels(column, contract)
    return "one of " + ", ".join(labels) if labels else "text"


def _labels(column: KeepColumn | GeneraliseColumn, contract: Contract) -> tuple[str, ...]:
    """The closed list of what a column can say; empty for a column that keeps to a pattern."""
    source = contract.column(column.source)
    if isinstance(column, GeneraliseColumn):
        return tuple(sorted(set(source.generalisations[column.name].values())))
    return source.vocabulary or ()


def _continuity(policy: Policy) -> str:
    if policy.continuity is None:
        return ""
    title = "When the force changes its keys"
    text = (
        "Every token changes then. The first release after that has a file continuity-A-B.hpke, from epoch A to epoch B: for the"
        " people of that release the old token beside the new one, encrypted to the key that you gave the force, which it"
        f" will not use from {policy.continuity.expires} on. HPKE (RFC 9180) seals it; the force's"
        " specification docs/spec/continuity.md describes the file, and supplier-views open-continuity opens it."
        " Check the release first: only the manifest says who sent the file. Join your records, then delete the map."
    )
    return f"{title}\n{'-' * len(title)}\n{textwrap.fill(text, _WIDTH)}\n\n"


def _photo_place(policy: Policy) -> str:
    return "photos-NNN.zip" if policy.photo_delivery == "zip" else "photos/"


def _usage(policy: Policy) -> str:
    if policy.delivery_format == "parquet":
        lines = ["Read people.parquet with any Parquet reader; every column is text."]
    else:
        lines = [
            "Import people.csv as text: UTF-8, comma, double quotes, one header line (RFC 4180). In a spreadsheet or card program"
            " set every column to text before importing, or tokens may be taken for numbers."
        ]
    if policy.photo is not None:
        names = f"it is the token in {policy.photo.name} and .jpg."
        if policy.photo_delivery == "zip":
            lines.append(
                "Photos are in ZIP archives of at most 1 GB, photos-000.zip and on, without a folder inside. Unpack all of them"
                f" into one folder, or load them as they are; the column photo is the file name: {names}"
            )
        elif policy.delivery_format == "csv":
            lines.append(
                "For card software: name people.csv as the data source, photos/ as the image folder, and the column photo as the"
                f" image file name; {names}"
            )
        else:
            lines.append(f"The column photo names the file in photos/: the token in {policy.photo.name} and .jpg.")
    return "\n\n".join(textwrap.fill(line, _WIDTH) for line in lines)
