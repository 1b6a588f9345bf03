"""The fingerprint of a state depends on what the state holds, and on nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from ranvier.state.fingerprint import fingerprint_after

states = st.dictionaries(st.integers(1, 1 << 40), st.integers(1, 1 << 40), max_size=20)


@given(states, states)
def test_the_road_does_not_matter(one: dict[int, int], other: dict[int, int]) -> None:
    direct = fingerprint_after(0, added=other.items())
    moved = fingerprint_after(
        fingerprint_after(0, added=one.items()),
        added=[(key, other.get(key, 0)) for key in one | other],
        removed=[(key, one.get(key, 0)) for key in one | other],
    )
    assert moved == direct
    assert -(1 << 63) <= direct < 1 << 63
    assert (direct == fingerprint_after(0, added=one.items())) == (one == other)
