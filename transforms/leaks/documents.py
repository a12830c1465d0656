"""The two files that explain a view: a function of policy, contract and date, so they hold no word of anything else.

Policy and contract are written by people, so even what these files must say is searched for long numbers and addresses.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from transforms.contract.model import Contract
from transforms.leaks.cells import labels_of
from transforms.leaks.findings import Check
from transforms.leaks.shapes import shape_of
from transforms.leaks.words import Words, pieces
from transforms.policy.model import GeneraliseColumn, KeepColumn, Policy, TokenColumn

README = "README.txt"
SCHEMA = "people.schema.json"

# The signature scheme, which every README names; its digits must not be taken for a pay number that happens to be 25519.
_OWN_NUMBER = "Ed25519"


class ReadmeText(Check):
    """The README is not, line for line, what policy, contract and date make of its template."""

    rule = "readme-text"


class SchemaText(Check):
    """The table schema is not exactly what policy and contract say of the view's columns."""

    rule = "schema-content"


def check_readme(data: bytes, readme: str, labels: Iterable[str], words: Words) -> ReadmeText:
    """Checks the README against what it must say; lines that it must not say are searched for.

    Args:
        data: the file.
        readme: the text as made from policy, contract and date alone, which know nobody.
        labels: the closed vocabularies of the released columns, in which an ambiguous vetting term is no finding.
        words: takes the lines that are not in `readme`, or not so often; of the others the long numbers and addresses.
    """
    check = ReadmeText()
    text = _decode(data)
    if text is None:
        check.found(f"{README} as a whole")
        words.add_bytes(data, README)
        return check
    expected = Counter(readme.split("\n"))
    for number, line in enumerate(text.split("\n"), start=1):
        check.examine()
        if expected[line] > 0:
            expected[line] -= 1
            words.vetting.look(line, f"{README} line {number}", allowed=labels)
            words.add_numbers(line.replace(_OWN_NUMBER, ""), f"{README} line {number}")
        else:
            check.found(f"{README} line {number}")
            words.add(line, f"{README} line {number}")
    if text != readme and not check.findings():
        check.found(f"{README}, its lines in another order or fewer")
    return check


def check_schema(data: bytes, policy: Policy, contract: Contract, readme: str, words: Words) -> SchemaText:
    """Checks the Frictionless Table Schema, and that the file holds nothing besides: no key twice, no other layout.

    What the schema says of the photo column must be in words of `readme` that are no label.
    """
    check = SchemaText()
    check.examine()
    text = _decode(data)
    try:
        schema = json.loads(text or "")
        canonical = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    except (ValueError, RecursionError):
        schema, canonical = None, None
    if text is None or canonical != text:
        check.found(f"{SCHEMA} as a whole")
        words.add_bytes(data, SCHEMA)
        return check
    fields = _expected_fields(policy, contract)
    frame = {"missingValues": [""], "primaryKey": [policy.sort_token.name]}
    if not isinstance(schema, dict) or {key: value for key, value in schema.items() if key != "fields"} != frame:
        check.found(f"{SCHEMA} outside its fields")
    listed = schema.get("fields") if isinstance(schema, dict) else None
    if not isinstance(listed, list) or len(listed) != len(fields):
        check.found(f"{SCHEMA} fields")
        listed = []
    labels = [label for column in policy.columns for label in labels_of(column, contract)]
    sayings = set(pieces([readme])) - set(pieces(labels))
    for number, (field, expected) in enumerate(zip(listed, fields, strict=False), start=1):
        check.examine()
        if not _is_field(field, expected, sayings):
            check.found(f"{SCHEMA} field {number}")
    known = set(_strings([frame, fields, "fields"]))
    for string in _strings(schema):
        words.vetting.look(string, SCHEMA, allowed=known)
        if string not in known and not set(pieces([string])) <= sayings:
            words.add(string, SCHEMA)
        else:
            words.add_numbers(string, SCHEMA)
    return check


def _expected_fields(policy: Policy, contract: Contract) -> list[dict[str, Any]]:
    """Each field's name, type, description (None: any sentence that the caller knows) and constraints."""
    patterns = {token.name: _token_pattern(token, policy, contract) for token in policy.tokens}
    fields: list[dict[str, Any]] = []
    for column in policy.columns:
        constraints: dict[str, Any]
        if isinstance(column, TokenColumn):
            constraints = {"pattern": patterns[column.name], "unique": True}
            required = any(contract.column(name).required for name in column.of)
        else:
            labels = labels_of(column, contract)
            constraints = {"enum": sorted(labels)} if labels else {"pattern": f"^(?:{_pattern(column, contract)})$"}
            required = contract.column(column.source).required
        if required:
            constraints["required"] = True
        fields.append({"name": column.name, "type": "string", "description": column.why, "constraints": constraints})
    if policy.photo:
        constraints = {"pattern": patterns[policy.photo.name].replace("$", r"\.jpg$"), "unique": True}
        fields.append({"name": "photo", "type": "string", "description": None, "constraints": constraints})
    return fields


def _token_pattern(column: TokenColumn, policy: Policy, contract: Contract) -> str:
    """An expression for the tokens of a column, of any epoch."""
    shape = shape_of(column, policy, contract, epoch=1)
    head = "" if shape.bare else f"{policy.token_prefix}[0-9]+-"
    return f"^{head}{shape.symbols_pattern}$"


def _pattern(column: KeepColumn | GeneraliseColumn, contract: Contract) -> str:
    return contract.column(column.source).pattern or ""


def _is_field(field: object, expected: dict[str, Any], sayings: set[str]) -> bool:
    if not isinstance(field, dict) or list(field) != list(expected):
        return False
    description, constraints = field["description"], field["constraints"]
    if expected["description"] is None:
        described = isinstance(description, str) and set(pieces([description])) <= sayings
    else:
        described = description == expected["description"]
    if isinstance(constraints, dict) and isinstance(listed := constraints.get("enum"), list):
        if not all(isinstance(label, str) for label in listed):
            return False
        constraints = {**constraints, "enum": sorted(listed)}
    return described and (field["name"], field["type"], constraints) == (expected["name"], "string", expected["constraints"])


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(key)
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def _decode(data: bytes) -> str | None:
    """The text of a file of plain lines; None if it has a byte order mark, a control character or is not UTF-8."""
    try:
        text = data.decode("utf-8", "strict")
    except UnicodeDecodeError:
        return None
    return None if re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]", text) else text
