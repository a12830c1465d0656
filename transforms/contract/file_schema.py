"""Where text from a file becomes typed values: base model, scalar types, and pydantic's errors in plain words with file:line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from transforms.contract.yaml_tree import Document, Location, Plain
from transforms.errors import InvalidInput


class FileModel(BaseModel):
    """What a file may say at one place: every other key is refused, and errors do not repeat values."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


def _scalar(pattern: str, rule: str, make: Callable[[str], object]) -> BeforeValidator:
    def check(value: object) -> object:
        if not isinstance(value, str) or re.fullmatch(pattern, value, re.ASCII) is None:
            raise PydanticCustomError("value-invalid", "must be {rule}", {"rule": rule})
        return make(value)

    return BeforeValidator(check)


Flag = Annotated[bool, _scalar("true|false", "true or false", lambda text: text == "true")]
Whole = Annotated[int, _scalar("0|[1-9][0-9]{0,8}", "a whole number", int)]
Decimal = Annotated[float, _scalar(r"(0|[1-9][0-9]{0,8})(\.[0-9]{1,9})?", "a number such as 25 or 0.005", float)]
Name = Annotated[str, StringConstraints(pattern=r"\A[a-z][a-z0-9_]{0,62}\z")]
Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]

Model = TypeVar("Model", bound=FileModel)


def validate(
    model: type[Model], data: Plain, document: Document, at: Callable[[Location], Location] = lambda location: location
) -> Model:
    """Makes a model of a part of a document.

    Args:
        model: what that part may say.
        data: the part, as `Document.plain` gives it.
        document: gives lines, and the kind of error.
        at: from a location in `data` to its location in the document.

    Raises:
        InvalidInput: of the document's kind; its findings are all that is wrong, each with file:line, rule and hint.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        findings = [_finding(model, details, document, at) for details in error.errors(include_url=False, include_input=False)]
        raise document.kind.of(findings) from None


def _finding(model: type[FileModel], details: ErrorDetails, document: Document, at: Callable[[Location], Location]) -> InvalidInput:
    location = tuple(part for part in details["loc"] if part != "[key]")
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".") or "the file"
    owners, described = _along(model, location)
    hint = described or "see docs/spec"
    kind = details["type"]
    if kind == "missing":
        return document.finding("key-missing", f"{path} is missing", f"add {location[-1]}: {hint}", at(location))
    if kind == "extra_forbidden":
        return document.finding(
            "key-unknown", f"{path} is not a key that is known here", _known(owners, str(location[-1])), at(location)
        )
    words = {
        "string_type": "must be text",
        "list_type": "must be a list, such as [a, b]",
        "tuple_type": "must be a list, such as [a, b]",
        "dict_type": "must be keys with values",
        "model_type": "must be keys with values",
        "string_pattern_mismatch": "is not spelt as it must be",
        "string_too_short": "is empty",
        "too_short": "is empty",
        "too_long": "has too many entries",
        "string_too_long": "is too long",
    }
    # what is left are choices and bounds: "Input should be …", with what would be right and never the value
    rule = words.get(kind) or details["msg"].removeprefix("Input should be").removeprefix("must be").strip()
    return document.finding("value-invalid", f"{path} {rule if kind in words else f'must be {rule}'}", hint, at(location))


def _along(model: type[FileModel], location: Location) -> tuple[list[type[FileModel]], str]:
    """The models that own the last part of a location, and what its field is for."""
    here: list[type[FileModel]] = [model]
    owners, described = here, ""
    for part in location:
        owners = here
        fields = [field for owner in here for name, field in owner.model_fields.items() if part == _key(name, field)]
        if fields:  # else an index, or a key that the file's author chose: the same models go on
            described = fields[0].description or described
            here = [inner for field in fields for inner in _models_in(field.annotation)]
    return owners, described


def _models_in(annotation: Any) -> Iterator[type[FileModel]]:
    if isinstance(annotation, type) and issubclass(annotation, FileModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _known(owners: list[type[FileModel]], written: str) -> str:
    known = sorted({_key(name, field) for owner in owners for name, field in owner.model_fields.items()})
    close = difflib.get_close_matches(written, known, n=1)
    return (f"did you mean {close[0]}? " if close else "") + f"known here: {', '.join(known)}"


def _key(name: str, field: FieldInfo) -> str:
    return field.alias or name
