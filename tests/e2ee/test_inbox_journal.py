"""The journal in memory: what was sent in the last moments."""

from hypothesis import given
from hypothesis import strategies as st

from ranvier.e2ee.inbox_journal import KEPT_BYTES, InboxJournal
from ranvier.store.to_device import Device
from ranvier.store.to_device_journal import Sent, tail_of

A, B = ("@a:x", "A"), ("@b:x", "B")


def sent(*devices: Device, content: bytes = b"{}") -> Sent:
    return Sent(dict.fromkeys(devices, content), tail_of("@s:x", "m.type"))


_MESSAGES = st.lists(st.sampled_from([A, B]), unique=True)


@given(st.permutations(range(1, 9)), st.lists(_MESSAGES, min_size=8, max_size=8), st.integers(0, 9))
def test_requests_in_any_order(order: list[int], requests: list[list[Device]], upto: int) -> None:
    journal = InboxJournal()
    for position in order:
        journal.add(position, sent(*requests[position - 1]), 0)
    for dropped in (0, upto):
        journal.drop(dropped)
        for device in (A, B):
            left = [pos for pos in sorted(order) if pos > dropped and device in requests[pos - 1]]
            assert journal.newest(device) == max(left, default=0)
            assert journal.positions(device) == left
            assert [found.stream_pos for found in journal.read(device, since=0, upto=9, limit=9)] == left


def test_a_device_is_forgotten() -> None:
    journal = InboxJournal()
    journal.add(1, sent(A, B), 0)
    journal.forget(A)
    assert (journal.newest(A), journal.newest(B)) == (0, 1)
    journal.add(2, sent(A), 0)
    journal.drop(1)
    assert (journal.newest(A), journal.newest(B)) == (2, 0)


def test_what_is_old_is_packed_up() -> None:
    journal = InboxJournal()
    for position in (1, 2, 3):
        journal.add(position, sent(A), position)
    assert journal.to_pack(sent_before=0, committed=9) is None
    assert journal.to_pack(sent_before=3, committed=9) == 2
    assert journal.to_pack(sent_before=3, committed=1) == 1


def test_what_is_too_much_is_packed_up_however_new() -> None:
    journal = InboxJournal()
    quarter = b"x" * (KEPT_BYTES // 4)
    for position in range(1, 7):
        journal.add(position, sent(A, content=quarter), 100)
    packed = []
    while (upto := journal.to_pack(sent_before=0, committed=9)) is not None:
        journal.drop(upto)
        packed.append(upto)
    assert packed == [1, 2]
