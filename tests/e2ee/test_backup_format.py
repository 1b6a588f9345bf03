"""Which of two keys is kept is an order. Spec: client-server API, "Server-side key backups"."""

from hypothesis import given
from hypothesis import strategies as st

from ranvier.e2ee.backup_format import better_keys, is_better, parse_version
from ranvier.store.key_backup import BackedUpKey

KEYS = st.builds(
    BackedUpKey,
    room_id=st.just("!room"),
    session_id=st.sampled_from("ab"),
    first_message_index=st.integers(0, 2),
    forwarded_count=st.integers(0, 2),
    is_verified=st.booleans(),
    session_data=st.just(b"{}"),
)


@given(KEYS, KEYS)
def test_of_two_keys_at_most_one_is_better(one: BackedUpKey, other: BackedUpKey) -> None:
    assert not (is_better(one, other) and is_better(other, one))
    if one.is_verified and not other.is_verified:
        assert is_better(one, other)


@given(KEYS, KEYS, KEYS)
def test_better_than_the_better_is_better(a: BackedUpKey, b: BackedUpKey, c: BackedUpKey) -> None:
    if is_better(a, b) and is_better(b, c):
        assert is_better(a, c)


@given(st.lists(KEYS, max_size=2, unique_by=lambda key: key.session_id), st.lists(KEYS, max_size=2))
def test_only_better_and_new_keys_are_stored(known: list[BackedUpKey], uploaded: list[BackedUpKey]) -> None:
    by_session = {key.session_id: key for key in known}
    changed, added = better_keys(known, uploaded)
    assert added == sum(key.session_id not in by_session for key in changed)
    for key in uploaded:
        before = by_session.get(key.session_id)
        assert (key in changed) == (before is None or is_better(key, before))


@given(st.text(max_size=20))
def test_versions_are_numbers(text: str) -> None:
    number = parse_version(text)
    assert number is None or int(text) == number
