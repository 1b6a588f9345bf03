"""State differences as bytes: what is encoded is decoded, and no row is too large for its page."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ranvier.state import codec
from ranvier.store.state_keys import MEMBER_KEYS

keys = st.one_of(st.integers(1, 200), st.integers(MEMBER_KEYS, MEMBER_KEYS + 10**6), st.integers(1, (1 << 62) - 1))
nids = st.one_of(st.just(0), st.integers(1, 300), st.integers(10**6, 10**6 + 70_000), st.integers(1, (1 << 62) - 1))
states = st.dictionaries(keys, nids, min_size=1, max_size=300)


@given(states)
def test_entries_come_back_in_the_order_of_their_keys(entries: dict[int, int]) -> None:
    decoded = codec.decode(codec.encode(sorted(entries.items())))
    assert list(decoded.items()) == sorted(entries.items())


@given(states)
def test_rows_hold_every_entry_once_and_stay_small(entries: dict[int, int]) -> None:
    row, chunks = codec.encode_rows(sorted(entries.items()))
    blobs = [blob for _, blob in chunks] or [row]
    assert codec.is_directory(row) == bool(chunks)
    if chunks:
        assert codec.decode_directory(row) == [first for first, _ in chunks]
    assert [entry for blob in blobs for entry in codec.decode(blob).items()] == sorted(entries.items())
    assert all(first == min(codec.decode(blob)) for first, blob in chunks)
    assert all(len(blob) <= codec.MAX_BYTES and len(codec.decode(blob)) <= codec.MAX_ENTRIES for blob in blobs)


@pytest.mark.parametrize("count", [1, 48, 49, 128, 129, 20_000])
def test_members_as_rooms_have_them(count: int) -> None:
    entries = [(MEMBER_KEYS + 3 * n, 5_000 + (n * 7919) % 60_000) for n in range(count)]
    row, chunks = codec.encode_rows(entries)
    total = len(row) + sum(len(blob) for _, blob in chunks)
    assert total <= 12 + 5 * count
    assert [entry for blob in [b for _, b in chunks] or [row] for entry in codec.decode(blob).items()] == entries


def test_a_single_change_takes_a_few_bytes() -> None:
    assert len(codec.encode([(MEMBER_KEYS + 77_777, 1_234_567)])) <= 10
