"""What a decoding process says is checked: it may have been taken over by the photo."""

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from transforms.photos.frames import BrokenFrame, largest_body, read_greeting, read_reply, reply
from transforms.photos.minimise import Minimiser
from transforms.photos.model import PhotoRefused, Picture, PrintSpec, RefusalCode

SPEC = PrintSpec(width_px=100, height_px=128, dpi=300, max_bytes=60_000)


def photo() -> tuple[Picture | RefusalCode, ...]:
    buffer = io.BytesIO()
    Image.linear_gradient("L").save(buffer, "PNG")
    return Minimiser().pictures(buffer.getvalue(), [SPEC])


def parts(sent: list[bytes]) -> tuple[dict[str, Any], memoryview]:
    message = b"".join(sent)
    length = int.from_bytes(message[:4])
    return json.loads(message[8 : 8 + length]), memoryview(message[8 + length :])


def test_a_reply_reads_back_as_what_was_sent() -> None:
    sent = (*photo(), Picture(bytes(3 * 90 * 120), 90, 120, True))
    head, body = parts(reply(sent))
    assert read_reply(json.dumps(head).encode(), body, [SPEC, SPEC]) == sent
    head, body = parts(reply(RefusalCode.TRUNCATED))
    with pytest.raises(PhotoRefused, match="truncated"):
        read_reply(json.dumps(head).encode(), body, [SPEC])


def test_nothing_but_the_pixels_of_the_print_crosses() -> None:
    head, body = parts(reply(photo()))
    assert head == {"pictures": [{"size": [100, 128], "small": False, "without_face": False}]}
    assert len(body) == largest_body([SPEC]) == 3 * 100 * 128


@pytest.mark.parametrize(
    "change",
    [
        {"size": [101, 128]},
        {"size": [100, 127]},
        {"size": [100]},
        {"size": "100x128"},
        {"size": [100, 128.0]},
        {"size": [0, 128], "small": True},
        {"size": [-100, -128], "small": True},
        {"size": [True, 128], "small": True},
        {"size": [99, 128], "small": True},
        {"small": 1},
        {"small": None},
        {"without_face": 1},
        {"without_face": None},
    ],
)
def test_a_reply_with_a_wrong_field_is_broken(change: dict[str, Any]) -> None:
    head, body = parts(reply(photo()))
    head["pictures"][0].update(change)
    with pytest.raises(BrokenFrame):
        read_reply(json.dumps(head).encode(), body, [SPEC])


@pytest.mark.parametrize("code", ["no such code", ["truncated"], None])
def test_a_refusal_for_a_reason_that_is_not_on_the_list_is_broken(code: object) -> None:
    with pytest.raises(BrokenFrame):
        read_reply(json.dumps({"refused": code}).encode(), memoryview(b""), [SPEC])


@settings(deadline=None)  # the machine may be busy
@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_anything_else_is_a_broken_message(head: bytes) -> None:
    with pytest.raises(BrokenFrame):
        read_reply(head, memoryview(b""), [SPEC])
    with pytest.raises(BrokenFrame):
        read_greeting(head)


def test_a_reply_for_other_prints_is_broken() -> None:
    head, body = parts(reply(photo()))
    with pytest.raises(BrokenFrame):
        read_reply(json.dumps(head).encode(), body, [SPEC, SPEC])
    with pytest.raises(BrokenFrame):
        read_reply(json.dumps(head).encode(), memoryview(bytes(body) + b"x"), [SPEC])
