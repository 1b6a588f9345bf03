"""Receipts in memory: complete, or known not to be."""

from ranvier.store.receipts import Receipt
from ranvier.sync.recent_receipts import RECEIPTS, ROOMS, RecentReceipts


def receipt(room_nid: int, pos: int) -> Receipt:
    return Receipt(
        room_nid=room_nid,
        user_nid=1,
        user_id="@a:example.org",
        pos=pos,
        ts=1,
        is_private=False,
        thread="",
        event_id=f"${pos}",
        stream_pos=pos,
    )


def positions(recent: RecentReceipts, room_nid: int, after: int) -> list[int] | None:
    found = recent.after(room_nid, after)
    return None if found is None else [entry.stream_pos for entry in found]


def test_what_came_before_is_not_known() -> None:
    recent = RecentReceipts(newest=10)
    assert positions(recent, 1, 9) is None
    assert positions(recent, 1, 10) == []
    for pos in (11, 12):
        recent.add(receipt(1, pos))
    assert positions(recent, 1, 9) is None
    assert positions(recent, 1, 10) == [11, 12]
    assert positions(recent, 1, 11) == [12]
    assert positions(recent, 1, 99) == []


def test_a_busy_room_forgets_the_oldest() -> None:
    recent = RecentReceipts(newest=0)
    for pos in range(1, RECEIPTS + 3):
        recent.add(receipt(1, pos))
    assert positions(recent, 1, 1) is None
    assert positions(recent, 1, 2) == list(range(3, RECEIPTS + 3))
    assert recent.newest(1) == RECEIPTS + 2


def test_the_room_that_is_silent_for_the_longest_is_forgotten() -> None:
    recent = RecentReceipts(newest=0)
    for room_nid in range(1, ROOMS + 2):
        recent.add(receipt(room_nid, room_nid))
    assert positions(recent, 1, 0) is None
    assert positions(recent, 1, 1) == []
    assert positions(recent, 2, 1) == [2]
