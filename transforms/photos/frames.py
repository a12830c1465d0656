"""The messages between a photo worker and its decoding process: lengths, then JSON, then bytes. No pickles: the decoding
process is not trusted, so whatever it says is checked field by field."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from transforms.photos.model import Limits, PhotoRefused, Picture, PrintSpec, RefusalCode

LENGTHS = struct.Struct(">II")  # of the JSON head and of the body, in bytes
MAX_HEAD = 65_536


class BrokenFrame(Exception):
    """A message that breaks the protocol."""


def request(data: bytes, specs: Sequence[PrintSpec]) -> list[bytes]:
    """A photo and its specs as parts to send."""
    head = json.dumps([asdict(spec) for spec in specs]).encode()
    if len(head) > MAX_HEAD:
        raise ValueError("too many prints of one photo")
    return [LENGTHS.pack(len(head), len(data)) + head, data]


def specs_of(head: bytes) -> list[PrintSpec]:
    """The specs in a request's head."""
    return [
        PrintSpec(**{**spec, "background": tuple(spec["background"]), "face": tuple(spec["face"]) if spec["face"] else None})
        for spec in json.loads(head)
    ]


def greeting(confinement: dict[str, bool]) -> list[bytes]:
    """The first message of a decoding process: it is ready, and this is how it is confined."""
    return _pack(confinement)


def reply(result: Sequence[Picture | RefusalCode] | RefusalCode) -> list[bytes]:
    """What became of a photo, as parts to send."""
    if isinstance(result, RefusalCode):
        return _pack({"refused": result.value})
    head = [
        {"refused": picture.value}
        if isinstance(picture, RefusalCode)
        else {"size": [picture.width_px, picture.height_px], "small": picture.small, "without_face": picture.without_face}
        for picture in result
    ]
    return _pack({"pictures": head}, *(picture.rgb for picture in result if isinstance(picture, Picture)))


def read_greeting(head: bytes) -> dict[str, bool]:
    """The confinement that a decoding process reports of itself; BrokenFrame if it is no such message."""
    report = _json(head)
    if not isinstance(report, dict) or not all(isinstance(holds, bool) for holds in report.values()):
        raise BrokenFrame
    return report


def read_reply(head: bytes, body: memoryview, specs: Sequence[PrintSpec]) -> tuple[Picture | RefusalCode, ...]:
    """The pictures in a reply, or what refused one of them: pixels, and of a size that fits their spec.

    Raises:
        PhotoRefused: the decoding process refused the photo.
        BrokenFrame: the message is not a reply to these specs.
    """
    message = _json(head)
    if not isinstance(message, dict):
        raise BrokenFrame
    if "refused" in message:
        raise PhotoRefused(_code(message["refused"]))
    entries = message.get("pictures")
    if not isinstance(entries, list) or len(entries) != len(specs):
        raise BrokenFrame
    pictures: list[Picture | RefusalCode] = []
    position = 0
    for entry, spec in zip(entries, specs, strict=True):
        if isinstance(entry, dict) and "refused" in entry:
            pictures.append(_code(entry["refused"]))
            continue
        width, height, small, without_face = _picture_fields(entry)
        if not (width <= spec.width_px and height <= spec.height_px):
            raise BrokenFrame
        if not small and (width, height) != (spec.width_px, spec.height_px):
            raise BrokenFrame
        end = position + 3 * width * height
        if end > len(body):
            raise BrokenFrame
        pictures.append(Picture(bytes(body[position:end]), width, height, small, without_face))
        position = end
    if position != len(body):
        raise BrokenFrame
    return tuple(pictures)


def largest_body(specs: Sequence[PrintSpec]) -> int:
    """The most bytes that a reply to these specs can have."""
    return sum(3 * spec.width_px * spec.height_px for spec in specs)


def limits_argument(limits: Limits) -> str:
    """Limits as the one command line argument of a decoding process."""
    return json.dumps(asdict(limits))


def limits_of(argument: str) -> Limits:
    """Limits from that argument."""
    fields = json.loads(argument)
    return Limits(**{**fields, "formats": tuple(fields["formats"])})


def _pack(head: object, *bodies: bytes) -> list[bytes]:
    encoded = json.dumps(head).encode()
    return [LENGTHS.pack(len(encoded), sum(map(len, bodies))) + encoded, *bodies]


def _json(head: bytes) -> Any:
    try:
        return json.loads(head)
    except (ValueError, RecursionError):
        raise BrokenFrame from None


def _code(value: object) -> RefusalCode:
    if not isinstance(value, str) or value not in {code.value for code in RefusalCode}:
        raise BrokenFrame
    return RefusalCode(value)


def _picture_fields(entry: object) -> tuple[int, int, bool, bool]:
    if not isinstance(entry, dict):
        raise BrokenFrame
    size, small, without_face = entry.get("size"), entry.get("small"), entry.get("without_face")
    if not isinstance(size, list) or len(size) != 2 or not isinstance(small, bool) or not isinstance(without_face, bool):
        raise BrokenFrame
    if not all(type(side) is int and side > 0 for side in size):
        raise BrokenFrame
    return size[0], size[1], small, without_face
