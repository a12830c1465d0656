"""Exact counts that travel with the data.

Beam's metrics count attempts: a bundle that is retried may count twice. What must add up is therefore counted in the graph itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import apache_beam as beam

Tally = dict[str, int]


def add_tallies(tallies: Iterable[Mapping[str, int]]) -> Tally:
    """The sum of counts by name; zero counts are kept."""
    total: Counter[str] = Counter()
    for tally in tallies:
        total.update(tally)
    return dict(total)


class AddTallies(beam.CombineFn):
    """Adds counts by name."""

    def create_accumulator(self) -> Tally:
        """No counts."""
        return {}

    def add_input(self, mutable_accumulator: Tally, element: Mapping[str, int]) -> Tally:
        """Adds one element's counts."""
        return add_tallies((mutable_accumulator, element))

    def merge_accumulators(self, accumulators: Iterable[Tally]) -> Tally:
        """Adds accumulators."""
        return add_tallies(accumulators)

    def extract_output(self, accumulator: Tally) -> Tally:
        """The counts."""
        return accumulator
