"""Account data and filters. Spec: client-server API, "Client Config", "Filtering"."""

import asyncio
import json

import pytest

from ranvier.store import account_data as store
from ranvier.users.account_data import AccountData, AccountDataChange
from ranvier.users.stream_positions import StreamPositions
from tests.users.world import World, refused

ALICE = "@alice:example.org"
ROOM = "!room:example.org"


async def test_entries_are_kept_apart(world: World) -> None:
    alice = await world.requester()
    await world.account_data.put(alice, ALICE, None, "org.example", {"where": "global\0"})
    await world.account_data.put(alice, ALICE, ROOM, "org.example", {"where": "room"})
    assert json.loads(await world.account_data.get(alice, ALICE, None, "org.example")) == {"where": "global\0"}
    assert json.loads(await world.account_data.get(alice, ALICE, ROOM, "org.example")) == {"where": "room"}
    for room_id, kind in ((None, "other"), ("!other:example.org", "org.example"), (None, "\0")):
        error = await refused(world.account_data.get(alice, ALICE, room_id, kind))
        assert (error.status, error.errcode) == (404, "M_NOT_FOUND")


async def test_refusals(world: World) -> None:
    alice = await world.requester()
    for room_id in (None, ROOM):
        for kind in ("m.fully_read", "m.push_rules"):
            error = await refused(world.account_data.put(alice, ALICE, room_id, kind, {}))
            assert (error.status, error.errcode) == (405, "M_BAD_JSON")
    for call in (
        world.account_data.put(alice, "@bob:example.org", None, "x", {}),
        world.account_data.get(alice, "@bob:example.org", None, "x"),
    ):
        assert (await refused(call)).errcode == "M_FORBIDDEN"
    assert (await refused(world.account_data.put(alice, ALICE, "room", "x", {}))).errcode == "M_INVALID_PARAM"
    assert (await refused(world.account_data.put(alice, ALICE, None, "\0", {}))).errcode == "M_INVALID_PARAM"


async def test_the_stream_of_changes(world: World) -> None:
    alice = await world.requester()
    told: list[AccountDataChange] = []
    world.account_data.listeners.append(told.append)
    start = world.account_data.positions.committed
    for number in range(3):
        await world.account_data.put(alice, ALICE, None if number else ROOM, "a", {"n": number})
    assert [(change.room_id, change.stream_pos - start) for change in told] == [(ROOM, 1), (None, 2), (None, 3)]
    end = world.account_data.positions.committed
    assert end == start + 3
    changes = await store.changes(world.db, ALICE, start, end)
    assert [(datum.room_id, datum.stream_pos - start, datum.content) for datum in changes] == [
        (ROOM, 1, b'{"n":0}'),
        ("", 3, b'{"n":2}'),
    ]
    assert await store.changes(world.db, ALICE, end, end + 10) == []
    assert [datum.room_id for datum in await store.of_room(world.db, ALICE, ROOM)] == [ROOM]
    assert len(await store.of_user(world.db, ALICE)) == 2
    assert (await AccountData.load(world.db)).positions.committed == end


async def test_positions_survive_many_writers(world: World) -> None:
    alice = await world.requester()
    await asyncio.gather(*(world.account_data.put(alice, ALICE, None, f"t{n}", {}) for n in range(20)))
    committed = world.account_data.positions.committed
    assert len(await store.changes(world.db, ALICE, 0, committed)) == 20


def test_committed_stops_before_what_is_open() -> None:
    positions = StreamPositions(last=7)
    first, second = positions.take(), positions.take()
    assert (first, second, positions.committed) == (8, 9, 7)
    positions.close(second)
    assert positions.committed == 7
    positions.close(first)
    assert positions.committed == 9


async def test_filters(world: World) -> None:
    alice = await world.requester()
    first = await world.filters.add(alice, ALICE, {"room": {"timeline": {"limit": 1}}, "event_format": "client"})
    same = await world.filters.add(alice, ALICE, {"event_format": "client", "room": {"timeline": {"limit": 1}}})
    other = await world.filters.add(alice, ALICE, {})
    assert first == same != other
    assert not first.startswith("{")
    definition = json.loads(await world.filters.get(alice, ALICE, first))
    assert definition == {"room": {"timeline": {"limit": 1}}, "event_format": "client"}
    before = world.db.counters.statements
    await world.filters.get(alice, ALICE, first)
    assert world.db.counters.statements == before


@pytest.mark.parametrize("filter_id", ["7", "x", "", "-1", "9" * 30, "\0", "٣"])
async def test_unknown_filters(world: World, filter_id: str) -> None:
    alice = await world.requester()
    error = await refused(world.filters.get(alice, ALICE, filter_id))
    assert (error.status, error.errcode) == (404, "M_NOT_FOUND")


async def test_others_filters(world: World) -> None:
    alice = await world.requester()
    for call in (
        world.filters.add(alice, "@bob:example.org", {}),
        world.filters.get(alice, "@bob:example.org", "0"),
    ):
        assert (await refused(call)).errcode == "M_FORBIDDEN"


async def test_filters_uploaded_at_once(world: World) -> None:
    alice = await world.requester()
    ids = await asyncio.gather(*(world.filters.add(alice, ALICE, {"n": n % 2}) for n in range(2)))
    assert len(set(ids)) == 2
