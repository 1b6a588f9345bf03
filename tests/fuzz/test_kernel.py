"""The targets of `make fuzz` hold for their own seeds, for what has failed before, and for bytes that hypothesis draws."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fuzz.kernel import TARGETS

SEEDS = [(name, seed) for name, (_, seeds) in TARGETS.items() for seed in seeds]


@pytest.mark.parametrize(("name", "seed"), SEEDS)
def test_seeds(name: str, seed: bytes) -> None:
    target, _ = TARGETS[name]
    for end in range(len(seed) + 1):
        target(seed[:end])


@given(data=st.binary(max_size=200), at=st.integers(0, 400))
@example(data=b"", at=0)
def test_seeds_that_something_is_put_into(data: bytes, at: int) -> None:
    for target, seeds in TARGETS.values():
        for seed in seeds:
            target(seed[:at] + data + seed[at:])
