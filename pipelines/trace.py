"""From leaked photos to the suppliers whose copies they are. Names a supplier, never a person."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from PIL import Image

from pipelines.actor import actor_name
from pipelines.release.events import Action, Event, EventLog
from transforms.errors import KeyUnavailable, UsageError
from transforms.keyring.hardening import harden_process
from transforms.keyring.resolving import open_resolving_keys
from transforms.photos.mark import Mark, mark_key
from transforms.photos.model import Limits, PhotoRefused, Picture, PrintSpec, RefusalCode
from transforms.photos.trace import match, read_waves, threshold
from transforms.photos.worker import PhotoWorker
from transforms.policy.model import Policy

# A leaked photo has any shape: it is looked at through four windows of about 330,000 pixels, and each is a trial of its own.
_WINDOWS: Final = tuple(
    PrintSpec(width, height, 300, 1_000_000) for width, height in ((440, 733), (512, 656), (576, 576), (733, 458))
)
_LIMITS: Final = Limits(formats=("jpeg", "png", "webp"), aspect_min=0.2, aspect_max=5.0)


@dataclass(frozen=True, slots=True)
class Copy:
    """A supplier's copy that a photo was made from: the epoch of its mark, the score, and what was done to it since.

    `width_left` is the share of the copy's width that the photo shows, at the least.
    """

    supplier: str
    epoch: int
    score: float
    width_left: float
    mirrored: bool


@dataclass(frozen=True, slots=True)
class Suspect:
    """What is known of one photo: `found` with copies, best first; `none-found`; or `not-readable`, with the code why."""

    photo: str
    outcome: str
    copies: tuple[Copy, ...] = ()
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Traced:
    """What became of all photos; `threshold` is the score from which a copy counts, `not_tried` are epochs without a usable key."""

    photos: tuple[Suspect, ...]
    threshold: float
    marks: int
    not_tried: tuple[str, ...]


def trace(photos: Sequence[Path], keys: str, policies: Sequence[Policy], records: Path, now: datetime) -> Traced:
    """Looks in each photo for the marks of every supplier that has a policy with photos, and of every epoch that still resolves.

    A compromised epoch is tried too: its photos are what an incident is about. The call is logged before a key is opened. The
    photos are decoded in a confined process without keys.

    Raises:
        UsageError: no policy sends photos.
        KeyUnavailable: a keyset cannot be opened, or no epoch has a usable key.
        StoreUnavailable: the records cannot be written.
    """
    printers = [policy.supplier for policy in policies if policy.photo is not None]
    if not printers:
        raise UsageError("no policy sends photos", hint="name the policies that were in force when the photo was released")
    harden_process()
    EventLog(records).append(Event(Action.CONSULTATION, now, actor_name(), reference=f"trace of {len(photos)} photos"))
    marks: dict[tuple[str, int], Mark] = {}
    not_tried: list[str] = []
    for supplier in printers:
        with open_resolving_keys(keys, supplier, now.date()) as opened:
            for epoch in opened.epochs:
                refusal = opened.refusal(epoch.number, for_incident=True)
                if refusal is not None:
                    not_tried.append(f"{supplier}/{epoch.number}: {refusal}")
                    continue
                key = mark_key(opened.key(epoch.number).reveal(), supplier, epoch.number)
                marks[supplier, epoch.number] = Mark(key)
    if not marks:
        raise KeyUnavailable(
            "no epoch has a key that can still be used", code="key-unknown-epoch", hint="see supplier-views keys list"
        )
    limit = threshold(len(marks) * len(_WINDOWS))
    with PhotoWorker(_LIMITS) as worker:
        suspects = tuple(_suspect(photo, worker, marks, limit) for photo in photos)
    return Traced(suspects, limit, len(marks), tuple(not_tried))


def _suspect(photo: Path, worker: PhotoWorker, marks: dict[tuple[str, int], Mark], limit: float) -> Suspect:
    try:
        windows = [read_waves(image) for image in _windows(_read(photo), worker)]
    except PhotoRefused as refused:
        return Suspect(str(photo), "not-readable", refused=refused.code.value)
    copies = []
    for (supplier, epoch), mark in marks.items():
        best = max((match(waves, mark) for waves in windows), key=lambda found: found.score)
        if best.score >= limit:
            copies.append(Copy(supplier, epoch, round(best.score, 1), round(min(best.share, 1.0), 2), best.mirrored))
    copies.sort(key=lambda copy: copy.score, reverse=True)
    return Suspect(str(photo), "found" if copies else "none-found", tuple(copies))


def _windows(data: bytes, worker: PhotoWorker) -> Iterator[Image.Image]:
    for picture in worker.pictures(data, _WINDOWS):
        if isinstance(picture, Picture):
            yield Image.frombytes("RGB", (picture.width_px, picture.height_px), picture.rgb)


def _read(photo: Path) -> bytes:
    """The bytes of a file, at most one more than a photo may have; a PhotoRefused for what is no regular file."""
    try:
        descriptor = os.open(photo, os.O_RDONLY | os.O_NONBLOCK)  # or a named pipe would hold the command up for ever
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise PhotoRefused(RefusalCode.MISSING)
            return file.read(_LIMITS.max_bytes + 1)
    except (OSError, ValueError):
        raise PhotoRefused(RefusalCode.MISSING) from None
