"""Record batches survive the way between workers, and carry nothing along that is not theirs."""

from __future__ import annotations

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.util import assert_that, equal_to
from hypothesis import given
from hypothesis import strategies as st

from transforms.steps.arrow_coder import ArrowBatchCoder, register_arrow_coder

_TEXT = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_NUMBER = st.none() | st.integers(-(2**63), 2**63 - 1)


@st.composite
def batches(draw: st.DrawFn) -> pa.RecordBatch:
    """Batches of texts and numbers with nulls, some of them a slice of a larger one."""
    size = draw(st.integers(0, 12))
    texts = draw(st.lists(_TEXT, min_size=size, max_size=size))
    numbers = draw(st.lists(_NUMBER, min_size=size, max_size=size))
    whole = pa.record_batch({"text": pa.array(texts, pa.string()), "number": pa.array(numbers, pa.int64())})
    start = draw(st.integers(0, size))
    return whole.slice(start, draw(st.integers(0, size - start)))


@given(batches())
def test_a_decoded_batch_is_the_encoded_one(batch: pa.RecordBatch) -> None:
    coder = ArrowBatchCoder()
    decoded = coder.decode(coder.encode(batch))
    assert decoded.schema == batch.schema
    assert decoded.equals(batch)
    decoded.validate(full=True)


def test_a_slice_leaves_the_rest_of_its_parent_behind() -> None:
    coder = ArrowBatchCoder()
    parent = pa.record_batch({"text": [f"secret of row {row} " * 10 for row in range(10_000)]})
    one = coder.encode(parent.slice(5_000, 1))
    assert len(one) < 1_000 < len(coder.encode(parent)) // 1_000
    assert b"secret of row 5000 " in one
    assert b"secret of row 4999 " not in one
    assert b"secret of row 5001 " not in one


def test_a_filtered_batch_leaves_the_other_rows_behind() -> None:
    coder = ArrowBatchCoder()
    parent = pa.record_batch({"text": [f"row {row}" for row in range(1_000)]})
    chosen = coder.encode(parent.filter(pc.equal(parent.column("text"), "row 7")))
    assert chosen.count(b"row ") == 1


def test_a_registered_coder_takes_batches_through_a_pipeline() -> None:
    register_arrow_coder()
    assert isinstance(beam.coders.registry.get_coder(pa.RecordBatch), ArrowBatchCoder)
    batch = pa.record_batch({"number": [1, None, 3]})
    with beam.Pipeline(runner=FnApiRunner()) as pipeline:
        moved = (
            pipeline
            | beam.Create([1])
            | beam.Map(lambda _: batch).with_output_types(pa.RecordBatch)
            | beam.Reshuffle()
            | beam.Map(lambda arrived: arrived.to_pydict())
        )
        assert_that(moved, equal_to([{"number": [1, None, 3]}]))
