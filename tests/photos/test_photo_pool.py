"""Several workers: results in order, a bounded number of photos in memory."""

import io
import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from PIL import Image

from transforms.photos.minimise import minimise
from transforms.photos.model import PhotoRefused, PrintSpec, RefusalCode
from transforms.photos.pool import PhotoPool

SPEC = PrintSpec(width_px=295, height_px=378, dpi=300, max_bytes=60_000)


def photo(seed: int, width: int = 400, height: int = 520) -> bytes:
    cells = np.random.default_rng(seed).integers(0, 256, (13, 10, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


def test_results_come_in_the_order_of_the_input_with_refusals_in_their_place() -> None:
    # The first of each pair takes longest, so results are ready out of order.
    sources = [
        b"text" if number == 5 else photo(number, *((2000, 2600) if number % 4 == 0 else (400, 520))) for number in range(12)
    ]

    def missing() -> bytes:
        raise PhotoRefused(RefusalCode.MISSING)

    fetches: list[Callable[[], bytes]] = [lambda data=data: data for data in sources]  # type: ignore[misc]
    fetches[7] = missing
    with PhotoPool(2) as pool:
        results = list(pool.map(enumerate(fetches), [SPEC]))
    assert [key for key, _ in results] == list(range(12))
    for key, result in results:
        if key in (5, 7):
            assert isinstance(result, PhotoRefused)
            assert result.code.value == {5: "unsupported-format", 7: "missing"}[key]
        else:
            assert result == minimise(sources[key], [SPEC])


@pytest.mark.parametrize("workers", [1, 2])
def test_no_more_photos_are_in_memory_than_the_workers_can_soon_take(workers: int) -> None:
    lock = threading.Lock()
    fetched = taken = most = asked = 0
    data = photo(1)

    def fetch() -> bytes:
        nonlocal fetched, most
        with lock:
            fetched += 1
            most = max(most, fetched - taken)
        return data

    def references() -> Iterator[tuple[int, Callable[[], bytes]]]:
        nonlocal asked
        for number in range(40):
            asked += 1
            assert asked - taken <= 8 * workers + 1
            yield number, fetch

    with PhotoPool(workers) as pool:
        for _key, _result in pool.map(references(), [SPEC]):
            with lock:
                taken += 1
    assert fetched == taken == 40
    assert most <= 8 * workers


def test_the_next_photo_is_read_while_one_is_decoded() -> None:
    # Each photo but the first is read only once another has been asked for: one read after another would wait for ever.
    asked = [threading.Event() for _ in range(6)]
    data = photo(1)

    def fetch(number: int) -> bytes:
        asked[number].set()
        if number % 2 == 0:
            assert asked[number + 1].wait(30), "nothing is read meanwhile"
        return data

    with PhotoPool(1) as pool:
        results = list(pool.map(((number, lambda number=number: fetch(number)) for number in range(6)), [SPEC]))
    assert [key for key, _ in results] == list(range(6))


def test_an_error_of_the_store_ends_the_iteration() -> None:
    def broken() -> bytes:
        raise ConnectionError("store is gone")

    with PhotoPool(2) as pool, pytest.raises(ConnectionError, match="store is gone"):
        list(pool.map([(1, lambda: photo(1)), (2, broken), (3, lambda: photo(3))], [SPEC]))


def test_a_pool_can_be_used_again_after_an_iteration_that_was_abandoned() -> None:
    data = photo(1)
    with PhotoPool(2) as pool:
        results = pool.map(((number, lambda: data) for number in range(100)), [SPEC])
        assert next(iter(results))[0] == 0
        results.close()  # type: ignore[attr-defined]
        assert [key for key, _ in pool.map([("a", lambda: data), ("b", lambda: data)], [SPEC])] == ["a", "b"]


def test_a_pool_without_workers_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one worker"):
        PhotoPool(0)
