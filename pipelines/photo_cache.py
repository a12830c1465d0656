"""Where the prints of earlier nights wait: sealed, in the staging root, where no supplier can see them."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pipelines.release.files import make_private_directory, remove, store_errors
from transforms.photos.cache import sweep

_NAME = "photo-cache"


def open_photo_cache(staging: Path, now: datetime, *, wanted: bool) -> Path | None:
    """The directory of the cache, made and swept; None, and all that is in it removed, if it is not wanted.

    Args:
        staging: the staging root.
        now: aware; what no run has used for long by then is removed.
        wanted: whether this run uses a cache.

    Raises:
        StoreUnavailable: others can enter the directory, or it cannot be made or read.
    """
    directory = staging / _NAME
    if not wanted:
        remove(directory)
        return None
    make_private_directory(directory)
    with store_errors(directory):
        sweep(directory, now.timestamp())
    return directory
