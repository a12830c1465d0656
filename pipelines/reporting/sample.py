"""One person who does not exist, taken through the real contract, policies and photo path: what HR has, what each supplier sees.

Nothing here reads an export or opens a key store. The tokens are real in kind and made with random keys that are thrown away, so
they are nobody's in any release; the portrait is drawn.
"""

from __future__ import annotations

import base64
import io
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
from PIL import Image, ImageOps

from pipelines.demo_data import camera, faces
from pipelines.reporting.model import Cell, HrCell, Picture
from transforms.columns.select import select
from transforms.columns.view import project, view_names
from transforms.contract.model import Classification, Column, Contract
from transforms.contract.patterns import Pattern
from transforms.contract.places import ROW_REF
from transforms.contract.rows import RowChecker
from transforms.photos.encode import render
from transforms.photos.mark import Mark
from transforms.photos.minimise import Minimiser
from transforms.photos.model import PhotoRefused
from transforms.policy.model import Policy
from transforms.steps.minimise_photos import photo_limits, print_spec
from transforms.tokens.column import label_of
from transforms.tokens.derive import column_key

# What the columns of the example contract hold. The telephone number is one that Ofcom keeps for drama; nobody's force is .example.
_VALUES = {
    "pay_number": "00000042",
    "warrant_number": "000042",
    "collar_number": "ZZ42",
    "surname": "Example",
    "forenames": "Alex Sam",
    "known_as": "Alex",
    "email": "p00000042@force.example",
    "phone": "07700900042",
    "rank": "PC",
    "unit_code": "NAR",
    "bcu": "NA",
    "site": "Riverside",
    "card_type": "Warrant card",
    "card_reason": "Renewal",
    "card_expiry": "2031-06",
    "vetting_level": "MV",
    "vetting_date": "2024-03-18",
    "hire_date": "2019-09-02",
    "photo_file": "portraits/example-alex-00000042.jpg",
    "tunic_size": "M",
}
# What else a pattern may be asking for, the likeliest first.
_GUESSES = (
    *_VALUES.values(), "Alex", "A", "AA", "AAA", "AA42", "A42", "A-42", "AA000042B", "2000-01-01", "2000-01", "01/01/2000", "0.0",
    "a", "x1", "example", "portrait.jpg", "00000042.jpg", "alex@force.example", "yes", "no", "60",
    *("0" * length for length in range(1, 21)),
)  # fmt: skip
_NO_RELEASE = "2000-01-01-000000"
_SEED, _SHOT = 11, 42
_MEGAPIXELS = 0.5
_SHOWN = (300, 400)  # pixels of the portrait on the page; the file itself is larger
_BESIDE_PIXELS = (
    "maker, model and serial number of the camera",
    "day and time of the photograph",
    "latitude and longitude",
    "name of the photographer's section",
    "a second, small copy of the picture",
    "a comment with the person's name",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """The synthetic person as HR has them, with the portrait; no cells where the contract asks for what cannot be made up."""

    record: tuple[HrCell, ...]
    portrait: Picture | None
    row: pa.RecordBatch | None


@dataclass(frozen=True, slots=True)
class Seen:
    """What one supplier sees of the synthetic person; None where it has no work for them, or gets no photo."""

    cells: tuple[Cell, ...] | None
    photo: Picture | None


def make_sample(contract: Contract, policies: Sequence[Policy]) -> Sample:
    """A person for whom as many of the suppliers as possible have work, whose row keeps the contract."""
    values = [_value(column, contract, policies) for column in contract.columns]
    arrays = [*(pa.array([value], pa.string()) for value in values), pa.array([0], pa.int64())]
    row = pa.record_batch(arrays, names=[*contract.names, ROW_REF])
    accepted = RowChecker(contract).check(row).accepted
    if not accepted.num_rows:
        return Sample((), None, None)
    cells = zip(contract.columns, values, strict=True)
    record = tuple(HrCell(column.name, value, column.classification.value) for column, value in cells)
    has_photo = any(column.classification is Classification.PHOTO for column in contract.columns)
    return Sample(record, _portrait() if has_photo else None, accepted)


def see(sample: Sample, contract: Contract, policy: Policy, epoch: int) -> Seen:
    """The synthetic person in one supplier's view, with tokens of that epoch's kind."""
    if sample.row is None or not select(sample.row, contract, policy).candidates.all():
        return Seen(None, None)
    thrown_away = secrets.token_bytes(32)
    keys = {token.name: column_key(thrown_away, label_of(policy, token, epoch, _NO_RELEASE)) for token in policy.tokens}
    view = project(sample.row, contract, policy, epoch=epoch, column_keys=keys)
    cells = tuple(Cell(name, view.columns[name][0].as_py()) for name in view_names(policy))
    return Seen(cells, _print(contract, policy) if policy.photo is not None else None)


def _value(column: Column, contract: Contract, policies: Sequence[Policy]) -> str | None:
    if column.name == contract.protected_column:
        return "no"
    wanted = [policy.where[column.name] for policy in policies if column.name in policy.where]
    if column.vocabulary is not None:
        allowed = [value for value in column.vocabulary if all(value in values for values in wanted)] or column.vocabulary
        preferred = _VALUES.get(column.name)
        return preferred if preferred in allowed else allowed[len(allowed) // 2]
    if column.pattern is None:
        return _VALUES.get(column.name, "Example")
    guesses = pa.array([*([_VALUES[column.name]] if column.name in _VALUES else []), *_GUESSES], pa.string())
    fitting = np.flatnonzero(Pattern(column.pattern).matches(guesses))
    value: str | None = guesses[int(fitting[0])].as_py() if fitting.size else None
    return value


@lru_cache(maxsize=1)
def _photograph() -> bytes:
    """The file that a camera makes of the drawn face, with all that cameras write beside pixels."""
    rng = np.random.Generator(np.random.PCG64(_SEED))
    sitter = camera.seat(faces.draw(faces.invent(rng), rng))
    size = camera.size_of(_MEGAPIXELS)
    shot = camera.Shot(_SHOT, _VALUES["photo_file"], f"{_VALUES['surname']}, {_VALUES['forenames']}")
    return camera.take(sitter, shot, _SEED, size, camera.grain(*size))


def _portrait() -> Picture:
    data = _photograph()
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        upright = ImageOps.exif_transpose(image)
        size = upright.size
        shown = io.BytesIO()
        # Only the pixels go on the page.
        Image.frombytes("RGB", _SHOWN, upright.convert("RGB").resize(_SHOWN).tobytes()).save(shown, "JPEG", quality=80)
    return Picture(_text(shown.getvalue()), *size, len(data), _BESIDE_PIXELS)


def _print(contract: Contract, policy: Policy) -> Picture | None:
    """The drawn portrait as the supplier would get it, through the run's own photo path, with a mark that is nobody's."""
    spec = print_spec(policy)
    try:
        pictures = Minimiser(photo_limits(contract)).pictures(_photograph(), [spec])
        rendition = render(pictures, [spec], [Mark(secrets.token_bytes(32))]).rendition()
    except PhotoRefused:  # a contract may allow other formats than a camera's
        return None
    return Picture(_text(rendition.jpeg), rendition.width_px, rendition.height_px, len(rendition.jpeg), ())


def _text(jpeg: bytes) -> str:
    return base64.b64encode(jpeg).decode("ascii")
