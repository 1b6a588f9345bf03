"""Receipts, unread notes and push rules as rows, on each database."""

from dataclasses import replace

import msgspec

from ranvier.db.engine import Database
from ranvier.proto.push_edit import put_rule
from ranvier.proto.push_rules import NO_USER_RULES
from ranvier.store import push_rules, receipts, state_keys, unread
from ranvier.store.receipts import MAIN, UNTHREADED, Receipt

ALICE, BOB = (1 << 30) + 1, (1 << 30) + 2
NAMES = {ALICE: "@alice:example.org", BOB: "@bob:example.org"}


def receipt(room_nid: int, user_nid: int, pos: int, **more: object) -> Receipt:
    drawn = Receipt(
        room_nid=room_nid,
        user_nid=user_nid,
        user_id=NAMES[user_nid],
        pos=pos << 20,
        ts=1_700_000_000_000 + pos,
        is_private=False,
        thread=UNTHREADED,
        event_id=f"${pos}",
        stream_pos=pos,
    )
    return replace(drawn, **more)  # type: ignore[arg-type]  # the fields of a receipt


async def save(db: Database, *wanted: Receipt) -> None:
    async with db.write() as tx:
        await state_keys.insert(tx, [(nid, "m.room.member", name) for nid, name in NAMES.items()])
        await receipts.save(tx, wanted)


async def test_receipts_replace_those_of_the_same_kind(db: Database) -> None:
    first, second = receipt(1, ALICE, 1), receipt(1, ALICE, 2)
    others = [
        receipt(1, ALICE, 3, thread=MAIN),
        receipt(1, ALICE, 4, is_private=True),
        receipt(1, BOB, 5),
        receipt(2, ALICE, 6),
    ]
    await save(db, first, second, *others)
    found = await receipts.of_user(db, ALICE, NAMES[ALICE])
    assert sorted(found, key=lambda entry: entry.stream_pos) == [second, *others[:2], others[3]]


async def test_receipts_of_rooms(db: Database) -> None:
    public, private, elsewhere = receipt(1, ALICE, 1), receipt(1, BOB, 2, is_private=True), receipt(2, BOB, 3)
    await save(db, public, private, elsewhere)
    assert await receipts.of_rooms(db, [1, 2], after=0) == [public, elsewhere]
    assert await receipts.of_rooms(db, [1, 2], after=1, is_private_for=BOB) == [private, elsewhere]
    assert await receipts.of_rooms(db, [1], after=0, is_private_for=ALICE) == [public]
    assert await receipts.of_rooms(db, [], after=0) == []
    assert await receipts.newest_of_rooms(db, [1, 2, 3], user_nid=ALICE, after=0) == {1: 1, 2: 3}
    assert await receipts.newest_of_rooms(db, [1, 2, 3], user_nid=BOB, after=1) == {1: 2, 2: 3}
    async with db.write() as tx:
        await receipts.delete_of_room(tx, 1)
    assert await receipts.of_rooms(db, [1, 2], after=0, is_private_for=BOB) == [elsewhere]


async def test_the_greatest_position(db: Database) -> None:
    assert await receipts.greatest_pos(db) == 0
    await save(db, receipt(1, ALICE, 7), receipt(2, ALICE, 5))
    async with db.write() as tx:
        await tx.many(
            "INSERT INTO rooms (room_nid, room_id, room_version, creator) VALUES ($1, $2, $3, $4)",
            [(nid, f"!{nid}:example.org", "10", NAMES[ALICE]) for nid in (1, 2, 3)],
        )
    assert await receipts.greatest_pos(db) == 7


async def test_unread_notes(db: Database) -> None:
    async with db.write() as tx:
        await unread.save(tx, [(ALICE, 1, 5 << 40, b"{}"), (ALICE, 2, 6, b"{}"), (BOB, 1, 7, b"{}")])
        await unread.save(tx, [(ALICE, 2, 8, b"[]")])
    assert await unread.of_user(db, ALICE) == {1: (5 << 40, b"{}"), 2: (8, b"[]")}
    async with db.write() as tx:
        await unread.delete_of_room(tx, 1)
        await unread.delete_of_user(tx, BOB)
    assert await unread.of_user(db, ALICE) == {2: (8, b"[]")}
    assert await unread.of_user(db, BOB) == {}


async def test_push_rules(db: Database) -> None:
    alice = NAMES[ALICE]
    assert await push_rules.of_user(db, alice) is None
    changed = put_rule(NO_USER_RULES, "content", "tea", pattern="té", actions=["notify"])
    async with db.write() as tx:
        assert await push_rules.claim(tx, alice) == NO_USER_RULES
        await push_rules.save(tx, alice, msgspec.json.encode(changed))
    async with db.write() as tx:
        assert await push_rules.claim(tx, alice) == changed
    assert await push_rules.of_user(db, alice) == changed
    async with db.write() as tx:
        await push_rules.delete_of_user(tx, alice)
    assert await push_rules.of_user(db, alice) is None
