"""What a decoding process says is checked: it may have been taken over by the photo."""

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from transforms.photos.frames import BrokenFrame, read_greeting, read_reply, reply
from transforms.photos.minimise import minimise
from transforms.photos.model import Limits, Minimised, PhotoRefused, PrintSpec, RefusalCode, Rendition

SPEC = PrintSpec(width_px=100, height_px=128, dpi=300, max_bytes=60_000)


def photo() -> Minimised:
    buffer = io.BytesIO()
    Image.linear_gradient("L").save(buffer, "PNG")
    return minimise(buffer.getvalue(), [SPEC], Limits())


def parts(message: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(message[:4])
    return json.loads(message[8 : 8 + length]), message[8 + length :]


def test_a_reply_reads_back_as_what_was_sent() -> None:
    sent = Minimised((photo().outcomes[0], RefusalCode.OVER_BUDGET))
    head, body = parts(reply(sent))
    assert read_reply(json.dumps(head).encode(), body, [SPEC, SPEC]) == sent
    head, body = parts(reply(RefusalCode.TRUNCATED))
    with pytest.raises(PhotoRefused, match="truncated"):
        read_reply(json.dumps(head).encode(), body, [SPEC])


def test_a_jpeg_that_hides_something_is_refused_on_the_trusted_side() -> None:
    good = photo().rendition()
    bad = good.jpeg[:2] + b"\xff\xfe\x00\x08hidden" + good.jpeg[2:]
    head, body = parts(reply(Minimised((Rendition(bad, 100, 128, 85, False),))))
    assert read_reply(json.dumps(head).encode(), body, [SPEC]).outcomes == (RefusalCode.AUDIT,)


@pytest.mark.parametrize(
    "change",
    [
        {"size": [101, 128]},
        {"size": [100, 127]},
        {"size": [100]},
        {"size": "100x128"},
        {"size": [100, 128.0]},
        {"bytes": 0},
        {"bytes": -5},
        {"bytes": 10**9},
        {"bytes": True},
        {"bytes": 700},
        {"quality": None},
        {"small": 1},
        {"refused": "no such code"},
        {"refused": ["truncated"]},
    ],
)
def test_a_reply_with_a_wrong_field_is_broken(change: dict[str, Any]) -> None:
    head, body = parts(reply(photo()))
    head["outcomes"][0].update(change)
    with pytest.raises(BrokenFrame):
        read_reply(json.dumps(head).encode(), body, [SPEC])


@settings(deadline=None)  # the machine may be busy
@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_anything_else_is_a_broken_message(head: bytes) -> None:
    with pytest.raises(BrokenFrame):
        read_reply(head, b"", [SPEC])
    with pytest.raises(BrokenFrame):
        read_greeting(head)


def test_a_reply_for_other_prints_is_broken() -> None:
    head, body = parts(reply(photo()))
    with pytest.raises(BrokenFrame):
        read_reply(json.dumps(head).encode(), body, [SPEC, SPEC])
    with pytest.raises(BrokenFrame):
        read_reply(json.dumps(head).encode(), body + b"x", [SPEC])
