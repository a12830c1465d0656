"""One way to write JSON and one way to read it back, so that equal values have equal bytes.

Written JSON follows RFC 8785 (JCS) for what this package writes: keys in ASCII order, no white space, UTF-8. Floats occur only in
`fingerprint`s, which nobody else computes, in Python's spelling.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

T = TypeVar("T")


def canonical_json(value: object) -> bytes:
    """The canonical bytes of a value made of dataclasses, mappings, sequences, text, numbers, dates and None.

    Aware datetimes are written in UTC to the second (`2026-11-23T02:00:00Z`).

    Raises:
        ValueError: for a float that is not finite.
        TypeError: for any other type, such as a set.
    """
    text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def parse_canonical(data: bytes, kind: type[T]) -> T:
    """A dataclass from its canonical bytes.

    Raises:
        ValueError: unless `data` is exactly what `canonical_json` writes for the result: types are strict, and a missing,
            unknown or repeated key, other white space or another spelling of a value all fail. The message carries no input.
    """
    try:
        value: T = _adapter(kind).validate_json(data, strict=True)  # type: ignore[arg-type]  # a class is hashable
    except (ValidationError, RecursionError):
        raise ValueError(f"not a canonical {kind.__name__}") from None
    if canonical_json(value) != data:
        raise ValueError(f"not a canonical {kind.__name__}")
    return value


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise TypeError("a time without a zone has no canonical form")
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, date):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise TypeError(f"{type(value).__name__} has no canonical form")
