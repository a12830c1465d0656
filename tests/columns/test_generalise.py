"""A closed vocabulary in, a coarser one out."""

import pyarrow as pa
import pytest

from transforms.columns.generalise import generalise
from transforms.errors import InternalError

BANDS = {"PC": "Constable", "DC": "Constable", "PS": "Sergeant"}


def test_every_value_becomes_its_label_and_null_stays_null() -> None:
    found = generalise(pa.array(["DC", None, "PS", "PC"]), BANDS)
    assert found.to_pylist() == ["Constable", None, "Sergeant", "Constable"]


def test_a_value_without_a_label_is_never_passed_through() -> None:
    with pytest.raises(InternalError) as caught:
        generalise(pa.array(["PC", "Commander Sentinel"]), BANDS)
    assert "Sentinel" not in repr(caught.value)
