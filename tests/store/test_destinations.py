"""What is known of other servers, and what waits for them, on each database."""

from ranvier.db.engine import Database
from ranvier.store import destinations, device_outbox
from ranvier.store.destinations import Destination


async def test_health_and_progress_are_columns_of_one_row(db: Database) -> None:
    assert await destinations.one(db, "one.test") is None
    async with db.write() as tx:
        await destinations.save_health(tx, [("one.test", 100, 600, 90), ("two.test", 0, 0, None)])
        await destinations.save_progress(tx, [("one.test", None, 41), ("three.test", 7, None)])
    assert await destinations.one(db, "one.test") == Destination("one.test", 100, 600, 90, None, 41)
    async with db.write() as tx:
        await destinations.save_progress(tx, [("one.test", 55, None)])
        await destinations.save_health(tx, [("one.test", 0, 0, None)])
        await destinations.save_progress(tx, [("one.test", None, 60)])
    assert await destinations.one(db, "one.test") == Destination("one.test", 0, 0, None, 55, 60)
    assert [row.destination for row in await destinations.behind(db)] == ["one.test"]
    assert await destinations.failing(db) == []


async def test_pages(db: Database) -> None:
    async with db.write() as tx:
        await destinations.save_health(
            tx, [("a.test", 5, 1, 50), ("b.test", 3, 1, None), ("c.test", 5, 1, 20), ("d.test", 1, 9, 30)]
        )
    names = []
    for offset in range(4):
        rows, total = await destinations.page(db, order="failure_ts", offset=offset, limit=1, backwards=False)
        names += [row.destination for row in rows]
        assert total == 4
    assert names == ["c.test", "d.test", "a.test", "b.test"]
    rows, _ = await destinations.page(db, order="failure_ts", offset=0, limit=10, backwards=True)
    assert [row.destination for row in rows] == ["a.test", "d.test", "c.test", "b.test"]
    rows, _ = await destinations.page(db, order="retry_last_ts", offset=0, limit=10, backwards=True)
    assert [row.destination for row in rows] == ["a.test", "c.test", "b.test", "d.test"]
    rows, _ = await destinations.page(db, order="destination", offset=1, limit=2, backwards=True)
    assert [row.destination for row in rows] == ["c.test", "b.test"]


async def test_the_position_that_all_share(db: Database) -> None:
    assert await destinations.sent_pos(db) is None
    for pos in (5, 9):
        async with db.write() as tx:
            await destinations.save_sent_pos(tx, pos)
        assert await destinations.sent_pos(db) == pos


async def test_rooms_of_a_server(db: Database) -> None:
    users = {(1 << 30) + 1: "@a:one.test", (1 << 30) + 2: "@b:two.test:8448", (1 << 30) + 3: "@c:one.test"}
    async with db.write() as tx:
        for key_id, user_id in users.items():
            await tx.run(
                "INSERT INTO state_keys (key_id, type, state_key) VALUES ($1, 'm.room.member', $2)", key_id, user_id
            )
        for room_nid, key_id, membership in ((1, 1, 1), (1, 2, 1), (2, 3, 3), (3, 2, 1)):
            await tx.run(
                "INSERT INTO room_current (room_nid, key_id, event_nid, membership) VALUES ($1, $2, 1, $3)",
                room_nid,
                (1 << 30) + key_id,
                membership,
            )
        for room_nid in (1, 2, 3):
            await tx.run(
                "INSERT INTO room_heads (room_nid, extremities, state_no, last_pos, joined_members, invited_members)"
                " VALUES ($1, '[]', 1, $2, 1, 0)",
                room_nid,
                room_nid * 10,
            )
    ones = await destinations.users_of(db, "one.test")
    assert sorted(ones) == [(1 << 30) + 1, (1 << 30) + 3]
    assert await destinations.users_of(db, "two.test") == []
    twos = await destinations.users_of(db, "two.test:8448")
    assert sorted(await destinations.rooms_after(db, 10)) == [2, 3]
    assert sorted(await destinations.rooms_with_any(db, [1, 2, 3], ones)) == [1, 2]
    assert sorted(await destinations.rooms_with_any(db, [2, 3], twos)) == [3]


async def test_the_outbox_is_read_in_order_without_what_has_been_delivered(db: Database) -> None:
    for number in range(3):
        async with db.write() as tx:
            await device_outbox.insert(tx, [("one.test", number, b"%d" % number), ("two.test", 9, b"other")])
    found = await device_outbox.read(db, "one.test", without=[], limit=2)
    assert [edu for _, edu in found] == [b"0", b"1"]
    delivered = [found[1][0]]
    assert [edu for _, edu in await device_outbox.read(db, "one.test", without=delivered, limit=9)] == [b"0", b"2"]
    assert sorted(await device_outbox.destinations(db)) == ["one.test", "two.test"]
    async with db.write() as tx:
        await device_outbox.delete(tx, delivered)
        await device_outbox.delete(tx, [])
    assert [edu for _, edu in await device_outbox.read(db, "one.test", without=[], limit=9)] == [b"0", b"2"]
    async with db.write() as tx:
        await device_outbox.expire(tx, 3)
    assert await device_outbox.destinations(db) == ["two.test"]
